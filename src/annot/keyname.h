/* keyname.h - key names as mir_eval.key reads them: "C# minor", "Eb major",
 * "G other", or "X" for a piece that has no one key. */
#ifndef ANNOT_KEYNAME_H
#define ANNOT_KEYNAME_H

#include "base/err.h"

enum keyname_mode { KEYNAME_MAJOR, KEYNAME_MINOR, KEYNAME_OTHER };

struct keyname {
    int tonic; /* 0..11, C is 0; -1 for X, whose mode is KEYNAME_OTHER */
    enum keyname_mode mode;
};

/* Reads a name: a tonic among C C# Db D D# Eb E F F# Gb G G# Ab A A# Bb B in
 * either case, white space, and a mode in lower case; or X or x alone. Returns
 * 0 or ERR_FORMAT. */
int keyname_parse(struct keyname *out, const char *name, struct err *err);

/* 2 tonic + (minor) of such a name; 24 for "N", -1 for all else. */
int keyname_number(const char *name);

#endif

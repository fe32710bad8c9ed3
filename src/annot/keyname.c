/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/keyname.h"

#include <string.h>
#include <strings.h>

#include "base/xalloc.h"

static const char space[] = " \t\n\v\f\r";

static int same(const char *word, size_t len, const char *name)
{
    return strlen(name) == len && !strncasecmp(word, name, len);
}

static int tonic(const char *word, size_t len)
{
    static const struct {
        const char *sharp, *flat;
    } notes[] = {
        { "c", "c" },   { "c#", "db" }, { "d", "d" },   { "d#", "eb" },
        { "e", "e" },   { "f", "f" },   { "f#", "gb" }, { "g", "g" },
        { "g#", "ab" }, { "a", "a" },   { "a#", "bb" }, { "b", "b" },
    };

    for (size_t i = 0; i < ARRAY_LEN(notes); i++)
        if (same(word, len, notes[i].sharp) || same(word, len, notes[i].flat))
            return (int)i;
    return -1;
}

int keyname_parse(struct keyname *out, const char *name, struct err *err)
{
    static const char *const modes[] = { "major", "minor", "other" };
    const char *word = name + strspn(name, space), *mode;
    size_t len = strcspn(word, space), mode_len;

    if (!strcasecmp(name, "x")) {
        *out = (struct keyname){ -1, KEYNAME_OTHER };
        return 0;
    }
    mode = word + len + strspn(word + len, space);
    mode_len = strcspn(mode, space);
    out->tonic = tonic(word, len);
    if (out->tonic < 0)
        return err_set(err, ERR_FORMAT, "key '%.40s': the tonic is none of C "
                       "C# Db D D# Eb E F F# Gb G G# Ab A A# Bb B", name);
    for (size_t i = 0; i < ARRAY_LEN(modes); i++)
        if (strlen(modes[i]) == mode_len &&
            !strncmp(mode, modes[i], mode_len) &&
            !mode[mode_len + strspn(mode + mode_len, space)]) {
            out->mode = (enum keyname_mode)i;
            return 0;
        }
    return err_set(err, ERR_FORMAT, "key '%.40s': behind the tonic must stand "
                   "major, minor or other", name);
}

int keyname_number(const char *name)
{
    struct keyname k;

    if (!strcmp(name, "N"))
        return 24;
    if (keyname_parse(&k, name, NULL) || k.mode == KEYNAME_OTHER)
        return -1;
    return 2 * k.tonic + (k.mode == KEYNAME_MINOR);
}

/* progress.h - how far a command is, on stderr: a bar on one line of a
 * terminal, else a line every 10 seconds. */
#ifndef CMD_PROGRESS_H
#define CMD_PROGRESS_H

#include <stddef.h>

#include "cmd/common.h"

struct progress {
    enum { PROGRESS_OFF, PROGRESS_BAR, PROGRESS_LINES } mode;
    size_t total;       /* inputs */
    size_t done;        /* of them; the caller counts, and so these two: */
    double parts;       /* of those in work, 0..1 each where that is known */
    double heard;       /* seconds of audio so far */
    double start, last; /* seconds: of progress_init, of the last line */
    int drawn;          /* columns of the bar that stand on the terminal */
};

/* By --progress; -q shows nothing. always is a bar, auto a bar where
 * stderr_is_tty and lines elsewhere. */
void progress_init(struct progress *p, const struct cmd_common *c,
                   size_t total, int stderr_is_tty);

/* name is in work. Cheap: it prints at most every 0.1 s (bar) or 10 s
 * (lines). */
void progress_show(struct progress *p, const char *name);

/* Wipes the bar, so that a message or a result can be printed; it comes back
 * with the next progress_show. Call it at the end too. */
void progress_clear(struct progress *p);

/* Seconds since progress_init. */
double progress_seconds(const struct progress *p);

/* "3/10 files, 32 %, 45 times real time, 1:05 left: name" in buf (n bytes) when
 * seconds have gone by; rate and time only once they can be told. For
 * progress_show, and to be tested. */
void progress_text(char *buf, size_t n, const struct progress *p,
                   double seconds, const char *name);

/* ", 45 times real time" for heard seconds of audio in seconds, or "". */
void progress_rate(char *buf, size_t n, double heard, double seconds);

#endif

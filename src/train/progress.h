/* progress.h - how far a run is, for people: one line that is drawn again and
 * again on a terminal, else a line every 10 seconds. */
#ifndef TRAIN_PROGRESS_H
#define TRAIN_PROGRESS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum train_progress_mode { TRAIN_SILENT, TRAIN_BAR, TRAIN_LINES };

/* What a line tells. NaN: not known yet, left out. */
struct train_state {
    int64_t step, steps; /* done, of the run */
    double loss, accuracy, hours_per_s;
};

struct train_progress {
    FILE *f;            /* stderr; borrowed */
    enum train_progress_mode mode;
    int64_t first;      /* step that this process began with */
    double start, last; /* seconds: of init, of the last line */
    int drawn;          /* columns that stand on the terminal */
};

void train_progress_init(struct train_progress *p, FILE *f,
                         enum train_progress_mode mode, int64_t first);

/* Cheap: prints at most every 0.1 s (bar) or 10 s (lines). */
void train_progress_show(struct train_progress *p,
                         const struct train_state *s);

/* Wipes the bar, so that a message can be printed; it comes back with the next
 * show. Call it at the end too. */
void train_progress_clear(struct train_progress *p);

/* "step 120/1000, loss 5.123, accuracy 12.3 %, 0.52 h/s, 1:05 left" in buf (n
 * bytes), from the seconds that the steps from first on took; the time only
 * once it can be told. For show, and to be tested. */
void train_progress_text(char *buf, size_t n, const struct train_state *s,
                         int64_t first, double seconds);

#endif

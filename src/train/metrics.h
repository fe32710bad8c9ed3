/* metrics.h - RUN/metrics.ndjson: one JSON object a line, with the step first
 * and then any numbers by name.
 *
 *     {"step":100,"loss":7.31,"accuracy":0.021,"grad_norm":0.83,"lr":1e-05,
 *      "hours_per_s":0.12,"codes_used":512,"perplexity":301.5}
 *
 * What is not finite is null. Validation writes lines of its own:
 * {"step":1000,"valid_loss":6.9}. */
#ifndef TRAIN_METRICS_H
#define TRAIN_METRICS_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

struct metric {
    const char *name;
    double value;
};

/* The file while a run writes it. A zeroed struct can be closed. */
struct metrics {
    char *path;
    int fd;   /* 0 if not open */
    int torn; /* the last line was not written whole */
};

/* Opens path to append to it. Lines of steps behind step, and what is no line
 * of metrics (one that a kill cut off), are dropped first; the file is replaced
 * as a whole. step -1 begins a new one. ERR_IO. */
int metrics_open(struct metrics *m, const char *path, int64_t step,
                 struct err *err);
/* Appends one line, at once. ERR_IO. */
int metrics_add(struct metrics *m, int64_t step, const struct metric *v,
                size_t n, struct err *err);
void metrics_close(struct metrics *m);

/* The same file by names. A zeroed struct can be released. */
struct metrics_series {
    char *name;
    int64_t *step;
    double *value; /* NaN for null */
    size_t n, cap;
};
struct metrics_table {
    struct metrics_series *series; /* in the order of the first lines */
    size_t n, cap;
    size_t skipped;                /* lines that were none of metrics */
};
/* ERR_IO. */
int metrics_read(struct metrics_table *t, const char *path, struct err *err);
void metrics_table_release(struct metrics_table *t);
/* NULL if there is none of that name. */
const struct metrics_series *metrics_find(const struct metrics_table *t,
                                          const char *name);

#endif

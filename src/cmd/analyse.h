/* analyse.h - one recording after another through decoder, mel, encoder and
 * heads. A recording is audio, or a .npy array of hidden states. */
#ifndef CMD_ANALYSE_H
#define CMD_ANALYSE_H

#include "base/err.h"
#include "cmd/common.h"
#include "head/head.h"
#include "model/model.h"
#include "model/stream.h"
#include "tensor/backend.h"

struct analyser;

struct analyser_config {
    const char *const *task; /* heads to run; n_tasks may be 0 */
    int n_tasks;
    const int *layer;        /* hidden states to hand to emit, ascending */
    int n_layers;
    stream_emit *emit;       /* NULL: none */
    /* gets the samples (n) as they come; NULL: not wanted */
    int (*emit_samples)(void *ctx, const float *x, int64_t n, struct err *err);
    /* gets mel in dB (n, bands) as it comes; NULL: not wanted */
    int (*emit_mel)(void *ctx, const float *mel, int64_t n, struct err *err);
    void *ctx;               /* of all of them */
    double window_s, hop_s;  /* 0: the model's */
    double rate;             /* of .npy inputs; 0: sidecar, else encoder */
    const struct cmd_common *common; /* --raw, --from and --to; borrowed */
};

struct analysis {
    double start;                /* s: where in the input the part begins */
    double duration;             /* s of it: samples / rate, or frames / rate */
    int is_states;               /* a .npy array of hidden states */
    const struct scores *scores; /* of the tasks, in order; probabilities */
};

/* m, be and the arrays of c are borrowed. The encoder is made when the first
 * recording needs it. ERR_ARG for a task that the model has no head for, and
 * for a hop longer than the window. */
int analyser_new(struct analyser **out, struct model *m, struct backend *be,
                 const struct analyser_config *c, struct err *err);
void analyser_free(struct analyser *a); /* NULL is allowed */

/* progress(ctx, done, length) is called now and then in the runs that follow,
 * with the seconds done and the length in seconds (0: not known). */
void analyser_progress(struct analyser *a,
                       void (*progress)(void *ctx, double done, double length),
                       void *ctx);

/* path "-" is stdin. All that is emitted, and the scores, are of the part from
 * start on. The result is valid until the next run. Messages begin with the
 * path. A failed run leaves a usable for the next. */
int analyser_run(struct analyser *a, const char *path, struct analysis *out,
                 struct err *err);

#endif

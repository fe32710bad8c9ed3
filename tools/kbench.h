/* kbench.h - what the parts of kbench share. Each part takes its arguments from
 * argv (argc of them, at least as many as kbench.c demands), prints one line
 * with kbench_report and returns 0 or ERR_*. */
#ifndef TOOLS_KBENCH_H
#define TOOLS_KBENCH_H

#include <stddef.h>
#include "base/err.h"
#include "tensor/backend.h"

enum { MAX_REPEAT = 10000, MAX_SECONDS = 1000000 };

int kbench_mel(int argc, char **argv, struct err *err);
int kbench_dbn(int argc, char **argv, struct err *err);
int kbench_bf16(int argc, char **argv, struct err *err); /* a line a layer */
int kbench_encoder(int argc, char **argv, struct err *err);
int kbench_train(int argc, char **argv, struct err *err);

double kbench_now(void); /* seconds of a steady clock */

/* What may follow the numbers: words, in any order. */
struct kbench_options {
    int threads, batch;       /* threads=0, batch=1 */
    const char *device;       /* device=cpu */
    enum precision precision; /* precision=f32 */
    int checkpoint;           /* checkpoint */
};
int kbench_options(struct kbench_options *o, int argc, char **argv,
                   struct err *err);
/* Opens o's device in its precision. */
int kbench_open(struct backend **be, const struct kbench_options *o,
                struct err *err);

/* The median of x (n >= 1), which is sorted. */
double kbench_median(double *x, int n);

/* A whole number from least to most, or ERR_ARG with a message that calls it
 * what. */
int kbench_number(const char *text, int least, int most, const char *what,
                  int *out, struct err *err);

/* Noise in [-1, 1), the same sequence as in tools/peers (the linear
 * congruential generator of Numerical Recipes, started at 1). */
void kbench_noise(float *x, size_t n);

/* The line of JSON for the seconds in runs (n >= 1; sorted by this). check is
 * a figure of the result, to be compared with the peer's. */
void kbench_report(const char *what, double *runs, int n, double check);

#endif

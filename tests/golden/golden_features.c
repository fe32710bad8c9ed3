/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "golden.h"

#include <stdlib.h>

#include "base/npy.h"
#include "mel/cqt.h"
#include "mel/features.h"

enum { RATE = 24000, HOP = 320 };

/* The reference adds its float32 sums in another order, and the logarithm of
 * quiet bands shows it; the constant-Q transform leaves the far side lobes of
 * the filters out (2e-5 of the peak). */
static const double tolerance = 1e-4;

static void compare(struct golden *g, const char *name, const float *got,
                    size_t frames, size_t dim)
{
    struct npy a = {0};
    float *want = NULL;
    struct err err = {0};

    if (npy_read(&a, golden_path(g, name), &err) ||
        npy_floats(&a, &want, &err))
        golden_broken(g, name, err.msg);
    else if (a.ndim != 2 || a.dim[0] != (int64_t)frames ||
             a.dim[1] != (int64_t)dim)
        golden_broken(g, name, "another shape");
    else
        golden_report(g, name, golden_relative(got, want, frames * dim),
                      tolerance);
    npy_release(&a);
    free(want);
}

static void check_kind(struct golden *g, enum feature kind, const char *name,
                       const float *x, size_t n)
{
    size_t dim = (size_t)feature_dim(kind), frames = 1 + n / HOP;
    float *got = malloc(frames * dim * sizeof(*got));
    struct features *f = NULL;
    struct err err = {0};

    if (features_new(&f, kind, RATE, HOP, &err)) {
        golden_broken(g, name, err.msg);
    } else {
        features_clip(f, x, n, got);
        compare(g, name, got, frames, dim);
    }
    features_free(f);
    free(got);
}

static void check_cqt(struct golden *g, const float *x, size_t n)
{
    struct cqt_config config = CQT_CONFIG_INIT;
    struct cqt *c = NULL;
    struct err err = {0};
    float *got = malloc((1 + n / HOP) * (size_t)config.bins * sizeof(*got));

    if (cqt_new(&c, &config, &err)) {
        golden_broken(g, "cqt336.npy", err.msg);
    } else {
        cqt_clip(c, x, n, got);
        compare(g, "cqt336.npy", got, cqt_frames(c, n), (size_t)config.bins);
    }
    cqt_free(c);
    free(got);
}

void check_features(struct golden *g)
{
    float *x = NULL;
    size_t n = 0;
    struct err err = {0};

    if (golden_samples(golden_path(g, "in.wav"), RATE, &x, &n, &err)) {
        golden_broken(g, "in.wav", err.msg);
    } else {
        check_kind(g, FEATURE_LOGMEL229, "logmel229.npy", x, n);
        check_kind(g, FEATURE_CHROMA264, "chroma264.npy", x, n);
        check_kind(g, FEATURE_CHROMA12, "chroma12.npy", x, n);
        check_cqt(g, x, n);
    }
    free(x);
}

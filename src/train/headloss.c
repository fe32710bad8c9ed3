/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/headloss.h"

#include <math.h>
#include <string.h>

#include "base/xalloc.h"

struct headloss_scale headloss_task(const char *task)
{
    static const struct {
        const char *task;
        struct headloss_scale scale;
    } recipe[] = {
        { "beats", { 2, 1 } }, { "chords", { 1, 1 } },
        { "structure", { 0.3, 0.5 } }, { "key", { 0.3, 1 } },
        { "tag", { 0.5, 1 } }
    };

    for (size_t i = 0; i < ARRAY_LEN(recipe); i++)
        if (!strcmp(recipe[i].task, task))
            return recipe[i].scale;
    return (struct headloss_scale){ 1, 1 };
}

struct headloss_scale headloss_mean(struct headloss_scale scale,
                                    double classes_weight,
                                    double boundary_weight)
{
    scale.classes = classes_weight > 0 ? scale.classes / classes_weight : 0;
    scale.boundary = boundary_weight > 0 ? scale.boundary / boundary_weight : 0;
    return scale;
}

double headloss_value(const struct headloss *sum, struct headloss_scale scale)
{
    struct headloss_scale s = headloss_mean(scale, sum->classes_weight,
                                            sum->boundary_weight);

    return s.classes * sum->classes + s.boundary * sum->boundary;
}

/* ---- softmax ---- */

static int largest(const float *v, int n)
{
    int best = 0;

    for (int c = 1; c < n; c++)
        best = v[c] > v[best] ? c : best;
    return best;
}

/* One row of n classes; out may be z. */
static void softmax_row(struct headloss *sum, float *out, const float *z,
                        const float *yes, int n, double scale)
{
    int best = largest(z, n);
    double top = z[best], total = 0, weight = 0, log_sum;

    for (int c = 0; c < n; c++) {
        total += exp(z[c] - top);
        weight += yes[c];
    }
    log_sum = top + log(total);
    if (weight > 0) {
        sum->rows++;
        sum->decided++;
        sum->correct += best == largest(yes, n);
    }
    sum->classes_weight += weight;
    for (int c = 0; c < n; c++) {
        double log_p = z[c] - log_sum;

        sum->classes -= yes[c] * log_p;
        if (out)
            out[c] = (float)(scale * (weight * exp(log_p) - yes[c]));
    }
}

/* ---- sigmoid ---- */

/* log(1 + exp(z)) without overflow. */
static double softplus(double z)
{
    return (z > 0 ? z : 0) + log1p(exp(-fabs(z)));
}

/* One output: returns the loss; *dz gets its derivative. */
static double sigmoid_loss(double *dz, double z, double yes, double no)
{
    double s = 1 / (1 + exp(-z));

    *dz = (yes + no) * s - yes;
    return yes * softplus(-z) + no * softplus(z);
}

static void sigmoid_row(struct headloss *sum, float *out, const float *z,
                        const float *yes, const float *no, int n, double scale)
{
    double weight = 0, dz;

    for (int c = 0; c < n; c++) {
        sum->classes += sigmoid_loss(&dz, z[c], yes[c], no[c]);
        weight += (double)yes[c] + no[c];
        if (yes[c] != no[c]) {
            sum->decided++;
            sum->correct += (z[c] > 0) == (yes[c] > no[c]);
        }
        if (out)
            out[c] = (float)(scale * dz);
    }
    sum->classes_weight += weight;
    sum->rows += weight > 0;
}

void headloss_rows(struct headloss *sum, float *dlogits, const float *logits,
                   const struct head_config *h, const struct target *t,
                   struct headloss_scale scale)
{
    int n = h->n_classes;

    for (int64_t i = 0; i < t->n; i++) {
        int64_t at = i * t->width;
        float *out = dlogits ? dlogits + at : NULL;
        const float *yes = t->yes + at, *no = t->no + at;
        double last = logits[at + t->width - 1], dz;

        if (h->activation == HEAD_SOFTMAX)
            softmax_row(sum, out, logits + at, yes, n, scale.classes);
        else
            sigmoid_row(sum, out, logits + at, yes, no, n, scale.classes);
        if (!h->boundary)
            continue;
        sum->boundary += sigmoid_loss(&dz, last, yes[n], no[n]);
        sum->boundary_weight += (double)yes[n] + no[n];
        if (out)
            out[n] = (float)(scale.boundary * dz);
    }
}

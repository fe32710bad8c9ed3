/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "token/cluster.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "token/kmeans.h"

/* Fewer values are done faster by one thread than by several. */
enum { SMALL = 1 << 16 };

/* x (n, dim) on their way to centers (codes, dim). */
struct cluster {
    const float *x;
    int64_t n;
    int codes, dim;
    float *centers;
    struct kmeans *nearest;
    int32_t *label, *before;   /* (n) */
    double *distance;          /* (n), squared */
    int64_t *start, *member;   /* (codes + 1), (n): the vectors of each centre,
                                  in their order */
};

static int cluster_init(struct cluster *c, float *centers, const float *x,
                        int64_t n, int codes, int dim, struct err *err)
{
    size_t count = (size_t)n;

    memset(c, 0, sizeof(*c));
    if (codes < 1 || dim < 1)
        return err_set(err, ERR_ARG, "%d clusters of %d values", codes, dim);
    if (n < codes)
        return err_set(err, ERR_ARG, "%lld vectors are too few for %d "
                       "clusters", (long long)n, codes);
    c->x = x;
    c->n = n;
    c->codes = codes;
    c->dim = dim;
    c->centers = centers;
    c->label = calloc(count, sizeof(*c->label));
    c->before = calloc(count, sizeof(*c->before));
    c->distance = calloc(count, sizeof(*c->distance));
    c->member = calloc(count, sizeof(*c->member));
    c->start = calloc((size_t)codes + 1, sizeof(*c->start));
    if (!c->label || !c->before || !c->distance || !c->member || !c->start)
        return err_set(err, ERR_NOMEM, "no memory to cluster %lld vectors",
                       (long long)n);
    return 0;
}

static void cluster_release(struct cluster *c)
{
    kmeans_free(c->nearest);
    free(c->label);
    free(c->before);
    free(c->distance);
    free(c->member);
    free(c->start);
}

static double squared(const float *a, const float *b, int dim)
{
    double sum = 0;

#pragma omp simd reduction(+ : sum)
    for (int j = 0; j < dim; j++) {
        double d = (double)a[j] - b[j];

        sum += d * d;
    }
    return sum;
}

static double in_order(const double *v, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += v[i];
    return sum;
}

/* ---- random numbers ---- */

/* Number i of the stream, uniform in [0, 1). */
static double uniform(const struct cluster_config *c, uint64_t stream,
                      uint64_t i)
{
    uint32_t r[4];
    uint64_t v;

    rng_block(r, c->seed, stream, i);
    v = ((uint64_t)r[0] << 32 | r[1]) >> 11;
    return (double)v * 0x1p-53;
}

static int64_t below(double u, int64_t n)
{
    int64_t i = (int64_t)(u * (double)n);

    return i < n ? i : n - 1;
}

/* ---- k-means++ ---- */

/* Vector i of the m that seeding looks at. */
static const float *candidate(const struct cluster *c, int64_t i, int64_t m)
{
    return c->x + (m == c->n ? i : (int64_t)((double)i * (double)c->n /
                                             (double)m)) * c->dim;
}

/* Least squared distances of the candidates to the centres, of which number
 * code is new. */
static void update_distances(struct cluster *c, int code, int64_t m)
{
    const float *center = c->centers + (size_t)code * (size_t)c->dim;

#pragma omp parallel for schedule(static) if (m * c->dim > SMALL)
    for (int64_t i = 0; i < m; i++) {
        double d = squared(candidate(c, i, m), center, c->dim);

        if (code == 0 || d < c->distance[i])
            c->distance[i] = d;
    }
}

/* A candidate with probability proportional to its distance. */
static int64_t draw(const struct cluster *c, double u, int64_t m)
{
    double at = u * in_order(c->distance, m), sum = 0;

    if (!(at > 0)) /* all lie on centres, or the very first is drawn */
        return below(u, m);
    for (int64_t i = 0; i < m; i++) {
        sum += c->distance[i];
        if (sum > at)
            return i;
    }
    return m - 1;
}

static void seed(struct cluster *c, const struct cluster_config *config)
{
    int64_t m = config->seeding > 0 && config->seeding < c->n
                    ? config->seeding : c->n;
    size_t bytes = (size_t)c->dim * sizeof(*c->centers);

    if (m < c->codes)
        m = c->codes;
    for (int k = 0; k < c->codes; k++) {
        double u = uniform(config, config->stream, (uint64_t)k);
        int64_t i = k ? draw(c, u, m) : below(u, m);

        memcpy(c->centers + (size_t)k * (size_t)c->dim, candidate(c, i, m),
               bytes);
        update_distances(c, k, m);
    }
}

/* ---- Lloyd ---- */

/* Lists the vectors of each centre in their order. */
static void group(struct cluster *c, int64_t n)
{
    memset(c->start, 0, ((size_t)c->codes + 1) * sizeof(*c->start));
    for (int64_t i = 0; i < n; i++)
        c->start[c->label[i] + 1]++;
    for (int k = 0; k < c->codes; k++)
        c->start[k + 1] += c->start[k];
    for (int64_t i = 0; i < n; i++)
        c->member[c->start[c->label[i]]++] = i;
    for (int k = c->codes; k > 0; k--)
        c->start[k] = c->start[k - 1];
    c->start[0] = 0;
}

/* center = (weight * center + sum of the vectors) / (weight + their number);
 * sum has dim values of scratch. */
static void move(const struct cluster *c, int k, const float *x, double weight,
                 double *sum)
{
    float *center = c->centers + (size_t)k * (size_t)c->dim;
    int64_t from = c->start[k], to = c->start[k + 1];

    if (from == to)
        return;
    for (int j = 0; j < c->dim; j++)
        sum[j] = weight * center[j];
    for (int64_t i = from; i < to; i++) {
        const float *v = x + c->member[i] * c->dim;

        for (int j = 0; j < c->dim; j++)
            sum[j] += v[j];
    }
    for (int j = 0; j < c->dim; j++)
        center[j] = (float)(sum[j] / (weight + (double)(to - from)));
}

/* weight (codes) is what each centre has from before; NULL: nothing. */
static int move_all(struct cluster *c, const float *x, const double *weight,
                    struct err *err)
{
    int failed = 0;

#pragma omp parallel if (c->start[c->codes] * c->dim > SMALL)
    {
        double *sum = malloc((size_t)c->dim * sizeof(*sum));

        if (!sum) {
#pragma omp atomic write
            failed = 1;
        }
#pragma omp for schedule(dynamic, 8)
        for (int k = 0; k < c->codes; k++)
            if (sum)
                move(c, k, x, weight ? weight[k] : 0, sum);
        free(sum);
    }
    return failed ? err_set(err, ERR_NOMEM, "no memory to cluster") : 0;
}

static void measure(struct cluster *c, const float *x, int64_t n)
{
#pragma omp parallel for schedule(static) if (n * c->dim > SMALL)
    for (int64_t i = 0; i < n; i++)
        c->distance[i] = squared(x + i * c->dim,
                                 c->centers + (size_t)c->label[i] *
                                                  (size_t)c->dim, c->dim);
}

static void lower_distances(struct cluster *c, const float *center,
                            const float *x, int64_t n)
{
#pragma omp parallel for schedule(static) if (n * c->dim > SMALL)
    for (int64_t i = 0; i < n; i++) {
        double d = squared(x + i * c->dim, center, c->dim);

        if (d < c->distance[i])
            c->distance[i] = d;
    }
}

/* Puts each centre without vectors on the vector that is farthest from its own
 * and from those put so before; vectors that lie on their centres stay.
 * Distances are those of measure. */
static int reseed(struct cluster *c, const float *x, int64_t n)
{
    int moved = 0;

    for (int k = 0; k < c->codes; k++) {
        float *center = c->centers + (size_t)k * (size_t)c->dim;
        int64_t far = 0;

        if (c->start[k] < c->start[k + 1])
            continue;
        for (int64_t i = 1; i < n; i++)
            if (c->distance[i] > c->distance[far])
                far = i;
        if (!(c->distance[far] > 0))
            break;
        memcpy(center, x + far * c->dim, (size_t)c->dim * sizeof(*center));
        lower_distances(c, center, x, n);
        moved = 1;
    }
    return moved;
}

static int has_empty(const struct cluster *c)
{
    for (int k = 0; k < c->codes; k++)
        if (c->start[k] == c->start[k + 1])
            return 1;
    return 0;
}

static int assign(struct cluster *c, const float *x, int64_t n,
                  struct err *err)
{
    if (c->nearest)
        kmeans_set(c->nearest, c->centers);
    else
        TRY(kmeans_new(&c->nearest, c->centers, c->codes, c->dim, err));
    kmeans_tokens(c->nearest, c->label, x, n);
    group(c, n);
    return 0;
}

static int lloyd(struct cluster *c, int rounds, struct err *err)
{
    for (int r = 0; r < rounds; r++) {
        int empty, moved = 0;

        TRY(assign(c, c->x, c->n, err));
        empty = has_empty(c);
        if (r && !empty &&
            !memcmp(c->label, c->before, (size_t)c->n * sizeof(*c->label)))
            return 0;
        memcpy(c->before, c->label, (size_t)c->n * sizeof(*c->label));
        if (empty)
            measure(c, c->x, c->n);
        TRY(move_all(c, c->x, NULL, err));
        if (empty)
            moved = reseed(c, c->x, c->n);
        if (moved)
            c->before[0] = -1; /* one round more */
    }
    return 0;
}

int cluster_lloyd(float *centers, const float *x, int64_t n, int codes, int dim,
                  int rounds, double *inertia, struct err *err)
{
    struct cluster c;
    int rc = cluster_init(&c, centers, x, n, codes, dim, err);

    if (!rc)
        rc = lloyd(&c, rounds, err);
    if (!rc && inertia) {
        rc = assign(&c, x, n, err);
        if (!rc)
            measure(&c, x, n);
        *inertia = in_order(c.distance, n);
    }
    cluster_release(&c);
    return rc;
}

/* ---- mini-batches ---- */

static void gather(const struct cluster *c, const struct cluster_config *config,
                   int round, float *batch)
{
    for (int64_t i = 0; i < config->batch; i++) {
        uint64_t number = (uint64_t)round * (uint64_t)config->batch +
                          (uint64_t)i;
        int64_t from = below(uniform(config, config->stream + 1, number), c->n);

        memcpy(batch + i * c->dim, c->x + from * c->dim,
               (size_t)c->dim * sizeof(*batch));
    }
}

/* Each centre is the mean of all vectors that it ever got; the rate of learning
 * is one over their number. Centres that got none by the end of the first
 * rounds are moved. */
static int mini_batches(struct cluster *c, const struct cluster_config *config,
                        struct err *err)
{
    size_t room = (size_t)config->batch * (size_t)c->dim;
    float *batch = malloc(room * sizeof(*batch));
    double *weight = calloc((size_t)c->codes, sizeof(*weight));
    int rc = 0;

    if (!batch || !weight)
        rc = err_set(err, ERR_NOMEM, "no memory for %lld vectors of %d values",
                     (long long)config->batch, c->dim);
    for (int r = 0; r < config->rounds && !rc; r++) {
        gather(c, config, r, batch);
        rc = assign(c, batch, config->batch, err);
        if (!rc)
            rc = move_all(c, batch, weight, err);
        for (int k = 0; k < c->codes; k++)
            weight[k] += (double)(c->start[k + 1] - c->start[k]);
    }
    free(batch);
    free(weight);
    return rc;
}

int cluster_fit(float *centers, const float *x, int64_t n,
                const struct cluster_config *config, struct err *err)
{
    enum { LAST_ROUNDS = 2 };
    struct cluster c;
    int mini = config->batch > 0 && config->batch < n;
    int rc = cluster_init(&c, centers, x, n, config->codes, config->dim, err);

    if (!rc)
        seed(&c, config);
    if (!rc && mini)
        rc = mini_batches(&c, config, err);
    if (!rc)
        rc = lloyd(&c, mini ? LAST_ROUNDS : config->rounds, err);
    cluster_release(&c);
    return rc;
}

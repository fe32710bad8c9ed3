/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/checkpoint.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/xalloc.h"
#include "train/stepfile.h"

enum { BLOCKS = 4 };

/* One of the four blocks of floats, laid out as p->value. This process has
 * those from first to end; files have all. */
struct block {
    const char *prefix;
    const struct tensor *t;
    int64_t first, end;
    int all; /* has buffers too */
};

static void list_blocks(const struct optim *o, struct block b[BLOCKS])
{
    int64_t all = o->p->all;

    b[0] = (struct block){ "value/", &o->p->value, 0, all, 1 };
    b[1] = (struct block){ "adam_m/", &o->m, o->first, o->end, 0 };
    b[2] = (struct block){ "adam_v/", &o->v, o->first, o->end, 0 };
    b[3] = (struct block){ "ema/", &o->ema, 0, o->ema.data ? all : 0, 1 };
}

/* What a checkpoint of o holds: n tensors, of which the last is "crc". */
struct plan {
    struct stored *stored;
    struct tensor *t; /* views of those of their floats that are here, flat */
    int64_t *skip;    /* floats before these */
    size_t n;
    int64_t largest; /* floats */
};

static void plan_release(struct plan *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->stored[i].name);
    free(p->stored);
    free(p->t);
    free(p->skip);
}

static void plan_add(struct plan *plan, const struct block *b,
                     const struct param *q)
{
    struct stored *s = &plan->stored[plan->n];
    int64_t first, count;

    s->name = xasprintf("%s%s", b->prefix, q->name);
    s->type = STORED_F32;
    s->ndim = q->ndim;
    memcpy(s->dim, q->dim, sizeof(s->dim));
    first = q->offset > b->first ? q->offset : b->first;
    count = q->offset + q->count < b->end ? q->offset + q->count : b->end;
    count = count > first ? count - first : 0;
    plan->skip[plan->n] = first - q->offset;
    if (count)
        plan->t[plan->n] = tensor_view(b->t, first - b->first, 1, &count);
    plan->n++;
    if (q->count > plan->largest)
        plan->largest = q->count;
}

static void plan_make(struct plan *plan, const struct optim *o)
{
    const struct params *p = o->p;
    struct block b[BLOCKS];
    struct stored *crc;

    memset(plan, 0, sizeof(*plan));
    plan->stored = xcalloc(BLOCKS * p->n + 1, sizeof(*plan->stored));
    plan->t = xcalloc(BLOCKS * p->n + 1, sizeof(*plan->t));
    plan->skip = xcalloc(BLOCKS * p->n + 1, sizeof(*plan->skip));
    list_blocks(o, b);
    for (int k = 0; k < BLOCKS; k++)
        for (size_t i = 0; i < p->n && (b[k].t != &o->ema || o->opt.ema > 0);
             i++)
            if (b[k].all || p->item[i].kind == PARAM_TRAINED)
                plan_add(plan, &b[k], &p->item[i]);
    crc = &plan->stored[plan->n++];
    crc->name = xstrdup("crc");
    crc->type = STORED_U32;
    crc->ndim = 1;
    crc->dim[0] = (int64_t)plan->n;
}

/* ---- metadata ---- */

enum { META = 11 };

static uint32_t meta_crc(const struct safetensors_meta *meta, size_t n)
{
    uLong crc = crc32(0, NULL, 0);

    for (size_t i = 0; i < n; i++) {
        crc = crc32_z(crc, (const Bytef *)meta[i].key,
                      strlen(meta[i].key) + 1);
        crc = crc32_z(crc, (const Bytef *)meta[i].value,
                      strlen(meta[i].value) + 1);
    }
    return (uint32_t)crc;
}

/* Returns how many there are. */
static size_t meta_make(struct safetensors_meta meta[META],
                        const struct checkpoint *c, const struct optim *o)
{
    char *value[META] = {
        xasprintf("%d", CHECKPOINT_FORMAT), xstrdup(MFM_VERSION),
        xasprintf("%" PRId64, c->step), xasprintf("%" PRIu64, c->seed),
        xasprintf("%.17g", c->hours), xasprintf("%" PRId64, o->steps),
        xasprintf("%" PRId64, o->skipped),
        xstrdup(c->data ? c->data : ""), xstrdup(c->config ? c->config : ""),
        xasprintf("%.17g", o->scale.value),
        xasprintf("%" PRId64, o->scale.good),
    };
    static char *const key[META] = {
        "mfm_checkpoint", "version", "step", "seed", "hours", "adam_steps",
        "skipped", "data", "config", "loss_scale", "loss_scale_good",
    };

    for (int i = 0; i < META; i++)
        meta[i] = (struct safetensors_meta){ key[i], value[i] };
    return o->scale.value > 0 ? META : META - 2;
}

/* Over name, shape and values, so that no byte of a file can change unseen. */
static uint32_t tensor_crc(const struct stored *t, const void *data)
{
    uLong crc = crc32_z(crc32(0, NULL, 0), (const Bytef *)t->name,
                        strlen(t->name));

    for (int i = 0; i < t->ndim; i++) {
        char dim[24];
        int n = snprintf(dim, sizeof(dim), ",%" PRId64, t->dim[i]);

        crc = crc32_z(crc, (const Bytef *)dim, (size_t)n);
    }
    return (uint32_t)crc32_z(crc, data, (size_t)stored_bytes(t));
}

/* ---- writing ---- */

static int put_tensor(struct safetensors_out *out, const struct stored *s,
                      const struct tensor *t, float *buf, uint32_t *crc,
                      struct err *err)
{
    TRY(tensor_download(buf, t, err));
    *crc = tensor_crc(s, buf);
    errno = 0;
    safetensors_put(out, buf, (size_t)stored_bytes(s));
    if (ferror(out->file.f))
        return err_sys(err, "%s: cannot write", out->file.path);
    return 0;
}

static int put_all(struct safetensors_out *out, const struct plan *plan,
                   uint32_t last, struct err *err)
{
    float *buf = malloc((size_t)plan->largest * sizeof(*buf) + 1);
    uint32_t *crc = xcalloc(plan->n, sizeof(*crc));
    int rc = buf ? 0 : err_set(err, ERR_NOMEM, "no memory for %" PRId64
                               " values of a checkpoint", plan->largest);

    /* "crc" is the last in the file: U32 stands behind F32 */
    for (size_t i = 0; i + 1 < plan->n && !rc; i++) {
        const struct stored *s = out->tensor[i];

        rc = put_tensor(out, s, &plan->t[s - plan->stored], buf, &crc[i], err);
    }
    crc[plan->n - 1] = last;
    if (!rc)
        safetensors_put(out, crc, plan->n * sizeof(*crc));
    free(crc);
    free(buf);
    return rc;
}

static int write_file(const char *path, const struct checkpoint *c,
                      const struct optim *o, struct err *err)
{
    struct safetensors_meta meta[META];
    struct safetensors_out out = {0};
    struct plan plan;
    size_t n_meta;
    int rc;

    plan_make(&plan, o);
    n_meta = meta_make(meta, c, o);
    rc = safetensors_create(&out, path, plan.stored, plan.n, meta, n_meta, err);
    if (!rc) {
        out.file.sync = 1;
        rc = put_all(&out, &plan, meta_crc(meta, n_meta), err);
    }
    if (!rc)
        rc = safetensors_commit(&out, err);
    safetensors_abort(&out);
    for (int i = 0; i < META; i++)
        free(meta[i].value);
    plan_release(&plan);
    return rc;
}

int checkpoint_write(const char *dir, int keep, const struct checkpoint *c,
                     const struct optim *o, struct err *err)
{
    char *path;
    int rc;

    if (mkdir(dir, 0777) && errno != EEXIST)
        return err_sys(err, "%s: cannot make the folder", dir);
    path = stepfile_path(dir, c->step);
    rc = write_file(path, c, o, err);
    free(path);
    if (!rc)
        stepfile_prune(dir, c->step, keep);
    return rc;
}

/* ---- reading ---- */

static int parse_i64(const struct safetensors *st, const char *key,
                     int64_t *out)
{
    const char *s = safetensors_meta(st, key);
    char *end = NULL;

    if (!s)
        return 0;
    errno = 0;
    *out = strtoll(s, &end, 10);
    return !errno && end != s && !*end && *out >= 0;
}

/* The file is one of ours, and of a format that we know. */
static int check_kind(const struct safetensors *st, const char *path,
                      struct err *err)
{
    int64_t format;

    if (!safetensors_meta(st, "mfm_checkpoint"))
        return err_set(err, ERR_FORMAT, "%s: a safetensors file, but not a "
                       "checkpoint of mfm", path);
    if (!parse_i64(st, "mfm_checkpoint", &format) || format < 1)
        return err_set(err, ERR_FORMAT, "%s: damaged: no format", path);
    if (format > CHECKPOINT_FORMAT)
        return err_set(err, ERR_UNSUPPORTED, "%s: checkpoint format %" PRId64
                       " is newer than this mfm, which reads %d", path, format,
                       CHECKPOINT_FORMAT);
    return 0;
}

static int copy_meta(const struct safetensors *st, struct checkpoint *c)
{
    const char *config = safetensors_meta(st, "config");
    const char *data = safetensors_meta(st, "data");
    const char *version = safetensors_meta(st, "version");
    const char *seed = safetensors_meta(st, "seed");
    const char *hours = safetensors_meta(st, "hours");

    if (!config || !data || !version || !seed || !hours ||
        !parse_i64(st, "step", &c->step))
        return 0;
    c->seed = strtoull(seed, NULL, 10);
    c->hours = strtod(hours, NULL);
    c->config = xstrdup(config);
    c->data = xstrdup(data);
    c->version = xstrdup(version);
    return 1;
}

static int open_checkpoint(struct safetensors *st, const char *path,
                           struct checkpoint *c, struct err *err)
{
    int rc = safetensors_open(st, path, err);

    if (!rc)
        rc = check_kind(st, path, err);
    memset(c, 0, sizeof(*c));
    if (!rc && !copy_meta(st, c))
        rc = err_set(err, ERR_FORMAT, "%s: damaged: its metadata lack a field",
                     path);
    if (rc) {
        checkpoint_release(c);
        safetensors_release(st);
    }
    return rc;
}

static int by_place(const void *a, const void *b)
{
    const struct stored *x = *(const struct stored *const *)a;
    const struct stored *y = *(const struct stored *const *)b;

    return x->data < y->data ? -1 : x->data > y->data;
}

static uint32_t get_u32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}

/* Each tensor against its CRC; crc is the last of the n in list. */
static int check_crcs(const struct safetensors *st, const char *path,
                      const struct stored **list, struct err *err)
{
    const struct stored *crc = list[st->n - 1];

    for (size_t i = 0; i < st->n; i++) {
        const struct stored *t = list[i];
        uint32_t want = get_u32(crc->data + 4 * i);
        uint32_t got = t == crc ? meta_crc(st->meta, st->n_meta)
                                : tensor_crc(t, t->data);

        if (got != want)
            return err_set(err, ERR_FORMAT, "%s: damaged: %.200s has another "
                           "checksum than when it was written", path,
                           t == crc ? "the metadata" : t->name);
        file_map_forget(&st->map, t->data, (size_t)stored_bytes(t));
    }
    return 0;
}

static int check_bytes(const struct safetensors *st, const char *path,
                       struct err *err)
{
    const struct stored **list = xcalloc(st->n + 1, sizeof(*list));
    const struct stored *last;
    int rc;

    for (size_t i = 0; i < st->n; i++)
        list[i] = &st->tensor[i];
    qsort(list, st->n, sizeof(*list), by_place);
    last = st->n ? list[st->n - 1] : NULL;
    if (!last || strcmp(last->name, "crc") || last->type != STORED_U32 ||
        last->ndim != 1 || last->dim[0] != (int64_t)st->n)
        rc = err_set(err, ERR_FORMAT, "%s: damaged: it has no list of "
                     "checksums", path);
    else
        rc = check_crcs(st, path, list, err);
    free(list);
    return rc;
}

int checkpoint_verify(const char *path, struct err *err)
{
    struct safetensors st = {0};
    struct checkpoint c;
    int rc = open_checkpoint(&st, path, &c, err);

    if (rc)
        return rc;
    rc = check_bytes(&st, path, err);
    checkpoint_release(&c);
    safetensors_release(&st);
    return rc;
}

int checkpoint_peek(const char *path, struct checkpoint *c, struct err *err)
{
    struct safetensors st = {0};

    TRY(open_checkpoint(&st, path, c, err));
    safetensors_release(&st);
    return 0;
}

static int same_shape(const struct stored *a, const struct stored *b)
{
    if (a->type != b->type || a->ndim != b->ndim)
        return 0;
    for (int i = 0; i < a->ndim; i++)
        if (a->dim[i] != b->dim[i])
            return 0;
    return 1;
}

/* The file has the tensors of the plan and no others. */
static int check_tensors(const struct safetensors *st, const char *path,
                         const struct plan *plan, struct err *err)
{
    for (size_t i = 0; i < plan->n; i++) {
        const struct stored *t = safetensors_find(st, plan->stored[i].name);
        const struct stored *want = &plan->stored[i];
        char is[80], due[80];

        if (!t)
            return err_set(err, ERR_FORMAT, "%s: of another model or with "
                           "other settings: it has no %.200s", path,
                           want->name);
        if (want->type != STORED_U32 && !same_shape(t, want))
            return err_set(err, ERR_FORMAT, "%s: of another model: %.200s is "
                           "%s %s, this run has F32 %s", path, want->name,
                           stored_type_name(t->type),
                           stored_shape(t, is, sizeof(is)),
                           stored_shape(want, due, sizeof(due)));
    }
    if (st->n != plan->n)
        return err_set(err, ERR_FORMAT, "%s: of another model or with other "
                       "settings: it has %zu tensors, this run %zu", path,
                       st->n, plan->n);
    return 0;
}

static int take_tensors(const struct safetensors *st, const struct plan *plan,
                        struct err *err)
{
    float *buf = malloc((size_t)plan->largest * sizeof(*buf) + 1);
    int rc = buf ? 0 : err_set(err, ERR_NOMEM, "no memory for %" PRId64
                               " values of a checkpoint", plan->largest);

    for (size_t i = 0; i + 1 < plan->n && !rc; i++) {
        const struct stored *t = safetensors_find(st, plan->stored[i].name);
        struct tensor to = plan->t[i];

        rc = stored_floats(t, buf, err);
        if (!rc && to.data)
            rc = tensor_upload(&to, buf + plan->skip[i], err);
        file_map_forget(&st->map, t->data, (size_t)stored_bytes(t));
    }
    free(buf);
    return rc;
}

/* Absent where none was in use. */
static int restore_scale(const struct safetensors *st, struct lossscale *s)
{
    const char *value = safetensors_meta(st, "loss_scale");
    double v = value ? strtod(value, NULL) : 0;

    if (!value || !(s->value > 0))
        return 1;
    s->value = v;
    return v > 0 && v <= LOSSSCALE_MOST &&
           parse_i64(st, "loss_scale_good", &s->good);
}

int checkpoint_restore(const char *path, struct checkpoint *c,
                       struct optim *o, struct err *err)
{
    struct safetensors st = {0};
    struct backend *be = o->p->be;
    struct plan plan;
    int rc = open_checkpoint(&st, path, c, err);

    if (rc)
        return rc;
    plan_make(&plan, o);
    rc = check_tensors(&st, path, &plan, err);
    if (!rc)
        rc = check_bytes(&st, path, err);
    if (!rc && (!parse_i64(&st, "adam_steps", &o->steps) ||
                !parse_i64(&st, "skipped", &o->skipped) ||
                !restore_scale(&st, &o->scale)))
        rc = err_set(err, ERR_FORMAT, "%s: damaged: its metadata lack a field",
                     path);
    if (!rc)
        rc = take_tensors(&st, &plan, err);
    if (be->ops->weights_changed)
        be->ops->weights_changed(be);
    if (rc)
        checkpoint_release(c);
    plan_release(&plan);
    safetensors_release(&st);
    return rc;
}

void checkpoint_release(struct checkpoint *c)
{
    free(c->config);
    free(c->data);
    free(c->version);
    memset(c, 0, sizeof(*c));
}

int checkpoint_newest(char **path, const char *dir, struct err *err)
{
    return stepfile_newest(path, dir, checkpoint_verify, err);
}

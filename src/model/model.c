/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/model.h"

#include <nettle/base16.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

static int read_config(struct model *m, struct err *err)
{
    const char *json = safetensors_meta(&m->weights, "mfm");

    if (!json)
        return err_set(err, ERR_FORMAT, "%s: not a model of mfm (no "
                       "configuration in it); make one with: mfm convert %s",
                       m->path, m->path);
    if (config_parse_text(&m->config, json, err))
        return err_prefix(err, "%s: configuration", m->path);
    return 0;
}

int model_open(struct model **out, const char *path, struct err *err)
{
    struct model *m = xcalloc(1, sizeof(*m));
    int rc;

    m->path = xstrdup(path);
    pthread_mutex_init(&m->lock, NULL);
    rc = safetensors_open(&m->weights, path, err);
    if (!rc)
        rc = read_config(m, err);
    if (rc) {
        model_free(m);
        return rc;
    }
    m->converted = xcalloc(m->weights.n + 1, sizeof(*m->converted));
    *out = m;
    return 0;
}

static void free_converted(struct model *m)
{
    for (size_t i = 0; m->converted && i < m->weights.n; i++) {
        free(m->converted[i]);
        m->converted[i] = NULL;
    }
}

void model_free(struct model *m)
{
    if (!m)
        return;
    free_converted(m);
    free(m->converted);
    config_release(&m->config);
    safetensors_release(&m->weights);
    pthread_mutex_destroy(&m->lock);
    free(m->path);
    free(m);
}

int model_has(const struct model *m, const char *name)
{
    return safetensors_find(&m->weights, name) != NULL;
}

int model_stored(const struct model *m, const char *name, const int64_t *shape,
                 int ndim, const struct stored **out, struct err *err)
{
    const struct stored *t = safetensors_find(&m->weights, name);
    struct stored want = { .ndim = ndim };
    char is[200], due[200];
    int equal;

    if (!t)
        return err_set(err, ERR_FORMAT, "%s: no tensor \"%s\"", m->path, name);
    equal = t->ndim == ndim;
    for (int i = 0; i < ndim && i < STORED_MAX_DIMS; i++) {
        want.dim[i] = shape[i];
        if (i < t->ndim && shape[i] >= 0 && shape[i] != t->dim[i])
            equal = 0;
    }
    if (!equal)
        return err_set(err, ERR_FORMAT, "%s: tensor \"%s\" has shape %s, the "
                       "configuration demands %s", m->path, name,
                       stored_shape(t, is, sizeof(is)),
                       stored_shape(&want, due, sizeof(due)));
    *out = t;
    return 0;
}

/* The values of t as floats, made at the first call; the lock is held. */
static int convert(struct model *m, const struct stored *t, const float **out,
                   struct err *err)
{
    float **kept = &m->converted[t - m->weights.tensor];
    size_t n = (size_t)stored_count(t);

    if (!*kept) {
        if (n > SIZE_MAX / sizeof(float) - 1 ||
            !(*kept = malloc((n + 1) * sizeof(float))))
            return err_set(err, ERR_NOMEM, "%s: no memory for the %zu values "
                           "of tensor \"%s\"", m->path, n, t->name);
        TRY(stored_floats(t, *kept, err));
    }
    *out = *kept;
    return 0;
}

int model_tensor(struct model *m, const char *name, const int64_t *shape,
                 int ndim, const float **out, struct err *err)
{
    const struct stored *t = NULL;
    int rc;

    TRY(model_stored(m, name, shape, ndim, &t, err));
    /* the format does not promise that data are aligned */
    if (t->type == STORED_F32 && (uintptr_t)t->data % sizeof(float) == 0) {
        *out = (const float *)(const void *)t->data;
        return 0;
    }
    if (!stored_type_is_float(t->type))
        return err_set(err, ERR_UNSUPPORTED, "%s: tensor \"%s\" is %s, not "
                       "F32, F16 or BF16", m->path, name,
                       stored_type_name(t->type));
    pthread_mutex_lock(&m->lock);
    rc = convert(m, t, out, err);
    pthread_mutex_unlock(&m->lock);
    return rc;
}

static void hash(struct model *m)
{
    enum { PIECE = 8 << 20 };
    const struct file_map *map = &m->weights.map;
    unsigned char digest[SHA256_DIGEST_SIZE];
    struct sha256_ctx ctx;

    sha256_init(&ctx);
    for (size_t at = 0; at < map->size; at += PIECE) {
        size_t n = map->size - at < PIECE ? map->size - at : PIECE;

        sha256_update(&ctx, n, map->data + at);
    }
    sha256_digest(&ctx, sizeof(digest), digest);
    base16_encode_update(m->sha256, sizeof(digest), digest);
}

int model_rewrite(const struct model *m, const struct model_config *c,
                  const char *path, struct err *err)
{
    const struct safetensors *w = &m->weights;
    struct safetensors_meta *meta = xcalloc(w->n_meta + 1, sizeof(*meta));
    struct safetensors_out out = {0};
    struct strbuf json = STRBUF_INIT;
    int rc;

    config_print(c, &json);
    for (size_t i = 0; i < w->n_meta; i++) {
        meta[i] = w->meta[i];
        if (!strcmp(meta[i].key, "mfm"))
            meta[i].value = json.s;
    }
    rc = safetensors_create(&out, path, w->tensor, w->n, meta, w->n_meta, err);
    for (size_t i = 0; i < w->n && !rc; i++)
        stored_emit(out.tensor[i], out.tensor[i]->type, safetensors_put, &out);
    if (!rc)
        rc = safetensors_commit(&out, err);
    safetensors_abort(&out);
    strbuf_release(&json);
    free(meta);
    return rc;
}

const char *model_sha256(struct model *m)
{
    pthread_mutex_lock(&m->lock);
    if (!*m->sha256)
        hash(m);
    pthread_mutex_unlock(&m->lock);
    return m->sha256;
}

void model_forget(struct model *m, const float *data, int64_t n)
{
    const unsigned char *at = (const unsigned char *)data;
    const struct file_map *map = &m->weights.map;

    if (at >= map->data && at < map->data + map->size)
        file_map_forget(map, data, (size_t)n * sizeof(*data));
}

void model_release_pages(struct model *m)
{
    free_converted(m);
    file_map_forget(&m->weights.map, m->weights.map.data, m->weights.map.size);
}

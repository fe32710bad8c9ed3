/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/pack.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "audio/clip.h"
#include "audio/encode.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/pool.h"
#include "base/strbuf.h"
#include "base/xalloc.h"

/* A recording, decoded and encoded. */
struct coded {
    struct clip clip;
    struct strbuf flac; /* its pieces */
    int64_t *piece;     /* (pieces) bytes of each; NULL: s16 */
    uint32_t *crc;      /* (pieces) */
    size_t pieces;
};

struct packer {
    const struct manifest *m;
    const struct pack_config *config;
    struct pack_result *result;
    int64_t limit, piece;

    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t turned;
    size_t turn;          /* recording to be written next */
    int failed;           /* ERR_*: nothing more is done */
    struct err *err;
    struct file_out shard;
    char *shard_path;
    int64_t at;           /* bytes in the open shard */
    cJSON *shards;        /* list of those begun */
    struct strbuf lines;  /* of the index, without the first */
};

/* ---- a recording ---- */

static int code_flac(struct coded *c, int64_t piece, int rate, struct err *err)
{
    const struct clip *clip = &c->clip;

    c->pieces = (clip->n + (size_t)piece - 1) / (size_t)piece;
    c->piece = xcalloc(c->pieces + 1, sizeof(*c->piece));
    c->crc = xcalloc(c->pieces + 1, sizeof(*c->crc));
    for (size_t i = 0; i < c->pieces; i++) {
        size_t at = i * (size_t)piece, n = clip->n - at, before = c->flac.len;

        n = n < (size_t)piece ? n : (size_t)piece;
        TRY(encode_flac(&c->flac, clip->x + at, n, rate, err));
        c->piece[i] = (int64_t)(c->flac.len - before);
        c->crc[i] = (uint32_t)crc32_z(0, (Bytef *)c->flac.s + before,
                                      c->flac.len - before);
    }
    return 0;
}

/* *fault is set where the recording is to blame. */
static int code(const struct packer *p, const char *path, struct coded *c,
                int *fault, struct err *err)
{
    const struct decode_source src = { .path = path };
    int rc = clip_read(&c->clip, &src, p->m->rate, err);

    *fault = rc && rc != ERR_NOMEM;
    if (!rc && p->config->codec == SHARD_FLAC)
        rc = code_flac(c, p->piece, p->m->rate, err);
    return rc;
}

static void coded_release(struct coded *c)
{
    clip_release(&c->clip);
    strbuf_release(&c->flac);
    free(c->piece);
    free(c->crc);
}

/* ---- shards; under the lock ---- */

static int close_shard(struct packer *p, struct err *err)
{
    cJSON *last = cJSON_GetArrayItem(p->shards,
                                     cJSON_GetArraySize(p->shards) - 1);
    int rc;

    if (!p->shard_path)
        return 0;
    cJSON_AddNumberToObject(last, "bytes", (double)p->at);
    p->result->bytes += p->at;
    rc = file_out_commit(&p->shard, err);
    file_out_abort(&p->shard);
    free(p->shard_path);
    p->shard_path = NULL;
    return rc;
}

static char *shard_path(const struct packer *p, size_t i)
{
    return xasprintf("%s-%05zu.mfms", p->config->name, i);
}

static int open_shard(struct packer *p, struct err *err)
{
    uint32_t n = (uint32_t)p->result->shards;
    unsigned char head[SHARD_HEADER] = "MFMSHARD\1";
    const char *slash;
    cJSON *o;

    for (int i = 0; i < 4; i++)
        head[12 + i] = (unsigned char)(n >> 8 * i);
    p->shard_path = shard_path(p, n);
    TRY(file_out_open(&p->shard, p->shard_path, err));
    p->result->shards++;
    o = cJSON_CreateObject();
    slash = strrchr(p->shard_path, '/');
    cJSON_AddStringToObject(o, "file", slash ? slash + 1 : p->shard_path);
    cJSON_AddItemToArray(p->shards, o);
    p->at = SHARD_HEADER;
    if (fwrite(head, 1, sizeof(head), p->shard.f) != sizeof(head))
        return err_sys(err, "%s: cannot write", p->shard_path);
    return 0;
}

/* A field with a list of n numbers. */
static void add_list(cJSON *o, const char *name, const int64_t *v,
                     const uint32_t *u, size_t n)
{
    cJSON *list = cJSON_AddArrayToObject(o, name);

    for (size_t i = 0; i < n; i++)
        cJSON_AddItemToArray(list, cJSON_CreateNumber(v ? (double)v[i]
                                                        : (double)u[i]));
}

static void add_line(struct packer *p, const char *path, const struct coded *c)
{
    cJSON *o = cJSON_CreateObject();

    cJSON_AddStringToObject(o, "name", path);
    cJSON_AddNumberToObject(o, "samples", (double)c->clip.n);
    cJSON_AddNumberToObject(o, "shard", (double)(p->result->shards - 1));
    cJSON_AddNumberToObject(o, "offset", (double)p->at);
    if (c->piece) {
        add_list(o, "pieces", c->piece, NULL, c->pieces);
        add_list(o, "crc32", NULL, c->crc, c->pieces);
    }
    json_print(&p->lines, o);
    strbuf_addch(&p->lines, '\n');
    cJSON_Delete(o);
}

static int write_s16(FILE *f, const struct clip *clip)
{
    unsigned char le[2 * 4096];

    for (size_t at = 0; at < clip->n; at += 4096) {
        size_t n = clip->n - at < 4096 ? clip->n - at : 4096;

        for (size_t i = 0; i < n; i++) {
            le[2 * i] = (unsigned char)((uint16_t)clip->x[at + i] & 255);
            le[2 * i + 1] = (unsigned char)((uint16_t)clip->x[at + i] >> 8);
        }
        if (fwrite(le, 2, n, f) != n)
            return -1;
    }
    return 0;
}

static int write_recording(struct packer *p, const char *path,
                           const struct coded *c, struct err *err)
{
    size_t n = c->piece ? c->flac.len : c->clip.n * 2;

    if (p->shard_path && p->at > SHARD_HEADER && p->at + (int64_t)n > p->limit)
        TRY(close_shard(p, err));
    if (!p->shard_path)
        TRY(open_shard(p, err));
    add_line(p, path, c);
    if (c->piece ? fwrite(c->flac.s, 1, n, p->shard.f) != n
                 : write_s16(p->shard.f, &c->clip))
        return err_sys(err, "%s: cannot write", p->shard_path);
    p->at += (int64_t)n;
    p->result->recordings++;
    p->result->samples += (int64_t)c->clip.n;
    return 0;
}

/* ---- all recordings ---- */

/* Waits until all recordings before i are written; 0 if that failed. */
static int wait_turn(struct packer *p, size_t i)
{
    pthread_mutex_lock(&p->lock);
    while (p->turn != i)
        pthread_cond_wait(&p->turned, &p->lock);
    return !p->failed;
}

static void end_turn(struct packer *p)
{
    p->turn++;
    if (p->config->progress && !p->failed)
        p->config->progress(p->config->ctx, p->turn, p->m->n);
    pthread_cond_broadcast(&p->turned);
    pthread_mutex_unlock(&p->lock);
}

static int has_failed(struct packer *p)
{
    int failed;

    pthread_mutex_lock(&p->lock);
    failed = p->failed;
    pthread_mutex_unlock(&p->lock);
    return failed;
}

static void pack_one(void *ctx, int thread, size_t i)
{
    struct packer *p = ctx;
    const char *path = p->m->item[i].path;
    struct coded c = { .flac = STRBUF_INIT };
    struct err err = {0};
    int rc = 0, fault = 0;

    (void)thread;
    if (!has_failed(p))
        rc = code(p, path, &c, &fault, &err);
    if (wait_turn(p, i)) {
        if (!rc)
            rc = write_recording(p, path, &c, &err);
        if (rc && fault) {
            log_warn("%s; left out", err.msg);
            p->result->left_out++;
        } else if (rc) {
            p->failed = rc;
            err_set(p->err, rc, "%s", err.msg);
        }
    }
    end_turn(p);
    coded_release(&c);
}

static int write_index(struct packer *p, const char *path, struct err *err)
{
    const struct pack_config *c = p->config;
    cJSON *o = cJSON_CreateObject();
    struct strbuf head = STRBUF_INIT;
    struct file_out out = {0};
    int rc;

    cJSON_AddNumberToObject(o, "mfm_shards", SHARD_VERSION);
    cJSON_AddNumberToObject(o, "rate", p->m->rate);
    cJSON_AddStringToObject(o, "codec", shard_codec_names[c->codec]);
    if (c->codec == SHARD_FLAC)
        cJSON_AddNumberToObject(o, "piece", (double)p->piece);
    cJSON_AddNumberToObject(o, "recordings", (double)p->result->recordings);
    cJSON_AddItemReferenceToObject(o, "shards", p->shards);
    json_print(&head, o);
    strbuf_addch(&head, '\n');
    cJSON_Delete(o);
    rc = file_out_open(&out, path, err);
    if (!rc) {
        fwrite(head.s, 1, head.len, out.f);
        fwrite(p->lines.s, 1, p->lines.len, out.f);
        rc = file_out_commit(&out, err);
    }
    file_out_abort(&out);
    strbuf_release(&head);
    return rc;
}

static int finish(struct packer *p, const char *index, struct err *err)
{
    int rc = p->failed;

    if (!rc && !p->result->recordings)
        rc = err_set(err, ERR_FORMAT, "none of the %zu recordings can be "
                     "decoded", p->m->n);
    if (!rc)
        rc = close_shard(p, err);
    if (!rc)
        rc = write_index(p, index, err);
    file_out_abort(&p->shard);
    for (size_t i = 0; rc && i < p->result->shards; i++) {
        char *path = shard_path(p, i);

        unlink(path);
        free(path);
    }
    return rc;
}

static int check(const struct manifest *m, const struct pack_config *c,
                 struct err *err)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->item[i].set)
            return err_set(err, ERR_ARG, "%s: is packed already",
                           m->item[i].path);
    if (c->piece_s && !(c->piece_s >= 1 && c->piece_s <= 3600))
        return err_set(err, ERR_ARG, "pieces of %g s, not 1 to 3600",
                       c->piece_s);
    return 0;
}

int shards_pack(const struct manifest *m, const struct pack_config *config,
                struct pack_result *result, struct err *err)
{
    double piece_s = config->piece_s > 0 ? config->piece_s : 30;
    struct packer p = {
        .m = m, .config = config, .result = result, .err = err,
        .limit = config->shard_bytes ? config->shard_bytes : 1 << 30,
        .piece = (int64_t)ceil(piece_s * m->rate),
        .lines = STRBUF_INIT,
    };
    char *index;
    int rc;

    *result = (struct pack_result){0};
    TRY(check(m, config, err));
    index = xasprintf("%s.ndjson", config->name);
    if (unlink(index) && errno != ENOENT) {
        rc = err_sys(err, "%s: cannot replace", index);
        free(index);
        return rc;
    }
    p.shards = cJSON_CreateArray();
    pthread_mutex_init(&p.lock, NULL);
    pthread_cond_init(&p.turned, NULL);
    pool_each(config->threads, m->n, pack_one, &p);
    rc = finish(&p, index, err);
    pthread_cond_destroy(&p.turned);
    pthread_mutex_destroy(&p.lock);
    cJSON_Delete(p.shards);
    strbuf_release(&p.lines);
    free(p.shard_path);
    free(index);
    return rc;
}

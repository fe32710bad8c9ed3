/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/shard.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "audio/clip.h"
#include "audio/decode.h"
#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/strbuf.h"
#include "base/xalloc.h"

enum {
    CHUNK = 16384
};
#define MAX_BYTES ((int64_t)1 << 53) /* what JSON numbers hold */

const char *const shard_codec_names[] = { "s16", "flac" };

static const char begin[] = "{\"mfm_shards\":";

struct recording_at {
    char *name;
    int64_t samples;
    size_t shard;
    int64_t offset;
    int64_t *piece; /* (pieces + 1) where each begins in the shard, and ends */
    uint32_t *crc;  /* (pieces) */
    int64_t pieces;
};

struct shards {
    char *dir; /* of the index, "" or with a slash at its end */
    int rate;
    enum shard_codec codec;
    int64_t piece;
    struct file_map *map;
    size_t n_maps;
    struct recording_at *item;
    size_t n, cap;
};

/* ---- the index ---- */

/* What is being read, for messages. */
struct place {
    const char *path;
    int line;
};

static int bad(const struct place *at, struct err *err, const char *what)
{
    return err_set(err, ERR_FORMAT, "%s:%d: %s", at->path, at->line, what);
}

/* A whole number in min .. max that may be larger than an int. */
static int whole(const cJSON *v, int64_t min, int64_t max, int64_t *out)
{
    if (!cJSON_IsNumber(v) || !(v->valuedouble >= (double)min) ||
        !(v->valuedouble <= (double)max) ||
        v->valuedouble != (double)(int64_t)v->valuedouble)
        return -1;
    *out = (int64_t)v->valuedouble;
    return 0;
}

static int field(const cJSON *o, const char *name, int64_t min, int64_t max,
                 int64_t *out, const struct place *at, struct err *err)
{
    if (!whole(cJSON_GetObjectItemCaseSensitive(o, name), min, max, out))
        return 0;
    return err_set(err, ERR_FORMAT, "%s:%d: \"%s\" is not a whole number in "
                   "%lld..%lld", at->path, at->line, name, (long long)min,
                   (long long)max);
}

static uint32_t le32(const unsigned char *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}

static int map_shard(struct shards *s, const cJSON *o, const struct place *at,
                     struct err *err)
{
    const char *name = cJSON_GetStringValue(
        cJSON_GetObjectItemCaseSensitive(o, "file"));
    struct file_map *m = &s->map[s->n_maps];
    int64_t bytes;
    char *path;
    int rc;

    TRY(field(o, "bytes", SHARD_HEADER, MAX_BYTES, &bytes, at, err));
    if (!name || !*name || strchr(name, '/'))
        return bad(at, err, "a shard without a name of its own");
    path = xasprintf("%s%s", s->dir, name);
    rc = file_map(m, path, err);
    if (!rc) {
        s->n_maps++;
        if ((int64_t)m->size != bytes)
            rc = err_set(err, ERR_FORMAT, "%s: has %zu bytes, but %lld by %s; "
                         "pack it again", path, m->size, (long long)bytes,
                         at->path);
        else if (memcmp(m->data, "MFMSHARD", 8) ||
                 le32(m->data + 8) != SHARD_VERSION ||
                 le32(m->data + 12) != s->n_maps - 1)
            rc = err_set(err, ERR_FORMAT, "%s: is not shard %zu of %s", path,
                         s->n_maps - 1, at->path);
    }
    free(path);
    return rc;
}

static int parse_codec(struct shards *s, const cJSON *o,
                       const struct place *at, struct err *err)
{
    const char *name = cJSON_GetStringValue(
        cJSON_GetObjectItemCaseSensitive(o, "codec"));

    for (int i = SHARD_S16; i <= SHARD_FLAC; i++)
        if (name && !strcmp(name, shard_codec_names[i])) {
            s->codec = (enum shard_codec)i;
            return 0;
        }
    return bad(at, err, "\"codec\" is neither s16 nor flac");
}

static int parse_head(struct shards *s, const cJSON *o, const struct place *at,
                      struct err *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(o, "shards"), *e;
    int64_t version, rate, n = cJSON_GetArraySize(list);

    TRY(field(o, "mfm_shards", 1, 1 << 30, &version, at, err));
    if (version != SHARD_VERSION)
        return err_set(err, ERR_UNSUPPORTED, "%s: shards of version %lld, this "
                       "mfm knows %d", at->path, (long long)version,
                       SHARD_VERSION);
    TRY(field(o, "rate", 1, 1 << 30, &rate, at, err));
    if (rate != s->rate)
        return err_set(err, ERR_UNSUPPORTED, "%s: packed at %lld Hz, but %d Hz "
                       "are needed", at->path, (long long)rate, s->rate);
    TRY(parse_codec(s, o, at, err));
    if (s->codec == SHARD_FLAC)
        TRY(field(o, "piece", 1, LIMIT_SHARD_PIECE, &s->piece, at, err));
    if (!cJSON_IsArray(list) || n > LIMIT_SHARDS)
        return bad(at, err, "\"shards\" is not a list of shards");
    s->map = xcalloc((size_t)n + 1, sizeof(*s->map));
    cJSON_ArrayForEach(e, list)
        TRY(map_shard(s, e, at, err));
    return 0;
}

static int parse_pieces(struct shards *s, struct recording_at *r,
                        const cJSON *o, const struct place *at,
                        struct err *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(o, "pieces"), *e;
    const cJSON *crc = cJSON_GetObjectItemCaseSensitive(o, "crc32");
    int64_t end = (int64_t)s->map[r->shard].size, n = 0;

    r->pieces = (r->samples + s->piece - 1) / s->piece;
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) != r->pieces ||
        !cJSON_IsArray(crc) || cJSON_GetArraySize(crc) != r->pieces)
        return bad(at, err, "\"pieces\" and \"crc32\" are not lists that fit "
                   "\"samples\"");
    r->piece = xcalloc((size_t)r->pieces + 1, sizeof(*r->piece));
    r->crc = xcalloc((size_t)r->pieces + 1, sizeof(*r->crc));
    r->piece[0] = r->offset;
    crc = crc->child;
    cJSON_ArrayForEach(e, list) {
        int64_t bytes, sum;

        if (whole(crc, 0, UINT32_MAX, &sum))
            return bad(at, err, "\"crc32\" has something else");
        r->crc[n] = (uint32_t)sum;
        crc = crc->next;
        if (whole(e, 1, end - r->piece[n], &bytes))
            return bad(at, err, "a piece reaches behind the end of its shard");
        r->piece[n + 1] = r->piece[n] + bytes;
        n++;
    }
    return 0;
}

static int parse_recording(struct shards *s, const cJSON *o,
                           const struct place *at, struct err *err)
{
    const char *name = cJSON_GetStringValue(
        cJSON_GetObjectItemCaseSensitive(o, "name"));
    struct recording_at *r;
    int64_t shard, end;

    if (!name)
        return bad(at, err, "no \"name\"");
    ARRAY_GROW(s->item, s->n, s->cap);
    r = &s->item[s->n++];
    *r = (struct recording_at){ .name = xstrdup(name) };
    TRY(field(o, "samples", 1, MAX_BYTES / 2, &r->samples, at, err));
    TRY(field(o, "shard", 0, (int64_t)s->n_maps - 1, &shard, at, err));
    r->shard = (size_t)shard;
    end = (int64_t)s->map[shard].size;
    TRY(field(o, "offset", SHARD_HEADER, end, &r->offset, at, err));
    if (s->codec == SHARD_FLAC)
        return parse_pieces(s, r, o, at, err);
    if (r->samples > (end - r->offset) / 2)
        return bad(at, err, "the recording reaches behind the end of its "
                   "shard");
    return 0;
}

static int parse_line(struct shards *s, const char *line, size_t n,
                      const struct place *at, int64_t *recordings,
                      struct err *err)
{
    cJSON *o = NULL;
    int rc;

    if (json_parse(&o, line, n, NULL) || !cJSON_IsObject(o))
        rc = bad(at, err, "not an object of JSON");
    else if (at->line > 1)
        rc = parse_recording(s, o, at, err);
    else
        rc = parse_head(s, o, at, err);
    if (!rc && at->line == 1)
        rc = field(o, "recordings", 0, 1 << 30, recordings, at, err);
    cJSON_Delete(o);
    return rc;
}

/* A line, or the limit's length of one and a byte; 0 at the end. */
static int next_line(struct strbuf *line, FILE *f)
{
    int c = 0;

    strbuf_reset(line);
    while (c != '\n' && line->len <= LIMIT_SHARD_LINE &&
           (c = getc_unlocked(f)) != EOF)
        strbuf_addch(line, (char)c);
    return line->len > 0;
}

static int read_index(struct shards *s, FILE *f, const char *path,
                      struct err *err)
{
    struct place at = { path, 0 };
    struct strbuf line = STRBUF_INIT;
    int64_t recordings = -1;
    int rc = 0;

    while (!rc && next_line(&line, f)) {
        at.line++;
        if (line.len > LIMIT_SHARD_LINE)
            rc = bad(&at, err, "a line of more than 16 MiB");
        else
            rc = parse_line(s, line.s, line.len, &at, &recordings, err);
    }
    strbuf_release(&line);
    if (!rc && ferror(f))
        rc = err_sys(err, "%s: cannot read", path);
    if (!rc && (int64_t)s->n != recordings)
        rc = err_set(err, ERR_FORMAT, "%s: has %zu recordings, not the %lld "
                     "that it says: cut off?", path, s->n,
                     (long long)recordings);
    return rc;
}

int shards_is(const char *path)
{
    char start[sizeof(begin) - 1];
    FILE *f = fopen(path, "rb");
    int is;

    if (!f)
        return 0;
    is = fread(start, 1, sizeof(start), f) == sizeof(start) &&
         !memcmp(start, begin, sizeof(start));
    fclose(f);
    return is;
}

int shards_open(struct shards **out, const char *index, int rate,
                struct err *err)
{
    const char *slash = strrchr(index, '/');
    FILE *f = fopen(index, "rb");
    struct shards *s;
    int rc;

    if (!f)
        return err_sys(err, "%s: cannot open", index);
    s = xcalloc(1, sizeof(*s));
    s->rate = rate;
    s->dir = xstrndup(index, slash ? (size_t)(slash - index) + 1 : 0);
    rc = read_index(s, f, index, err);
    fclose(f);
    if (rc)
        shards_free(s);
    else
        *out = s;
    return rc;
}

void shards_free(struct shards *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++) {
        free(s->item[i].name);
        free(s->item[i].piece);
        free(s->item[i].crc);
    }
    for (size_t i = 0; i < s->n_maps; i++)
        file_unmap(&s->map[i]);
    free(s->item);
    free(s->map);
    free(s->dir);
    free(s);
}

/* ---- samples ---- */

size_t shards_count(const struct shards *s)
{
    return s->n;
}

const char *shards_name(const struct shards *s, size_t i)
{
    return s->item[i].name;
}

int64_t shards_samples(const struct shards *s, size_t i)
{
    return s->item[i].samples;
}

static void read_s16(const struct shards *s, const struct recording_at *r,
                     int64_t from, int64_t n, float *out)
{
    const unsigned char *p = s->map[r->shard].data + r->offset + 2 * from;

    for (int64_t i = 0; i < n; i++)
        out[i] = (float)(int16_t)(uint16_t)(p[2 * i] | p[2 * i + 1] << 8) /
                 32768;
}

/* Opens piece k, if it is what it was when it was packed: FLAC's own checksums
 * are not looked at by FFmpeg. */
static int open_piece(const struct shards *s, const struct recording_at *r,
                      int64_t k, struct decoder **out, struct err *err)
{
    const struct decode_source src = {
        .path = r->name, .quiet = 1,
        .memory = s->map[r->shard].data + r->piece[k],
        .memory_len = (size_t)(r->piece[k + 1] - r->piece[k])
    };

    if (crc32_z(0, src.memory, src.memory_len) != r->crc[k])
        return err_set(err, ERR_FORMAT, "%s: damaged in its shard; pack it "
                       "again", r->name);
    return decoder_open(out, &src, s->rate, err);
}

/* Samples from .. from + n - 1 of an opened piece. */
static int read_piece(struct decoder *d, int64_t from, int64_t n, float *out,
                      const char *name, struct err *err)
{
    float skipped[CHUNK];
    size_t got = 0;

    while (from > 0) {
        size_t want = from < CHUNK ? (size_t)from : CHUNK;

        TRY(decoder_read(d, skipped, want, &got, err));
        if (got < want)
            break;
        from -= (int64_t)got;
    }
    if (!from)
        TRY(decoder_read(d, out, (size_t)n, &got, err));
    if (from || (int64_t)got < n || decoder_warning(d))
        return err_set(err, ERR_FORMAT, "%s: a piece of it has too few samples",
                       name);
    return 0;
}

static int read_flac(const struct shards *s, const struct recording_at *r,
                     int64_t from, int64_t n, float *out, struct err *err)
{
    while (n > 0) {
        int64_t k = from / s->piece, at = from % s->piece;
        int64_t part = n < s->piece - at ? n : s->piece - at;
        struct decoder *d = NULL;
        int rc;

        TRY(open_piece(s, r, k, &d, err));
        rc = read_piece(d, at, part, out, r->name, err);
        decoder_free(d);
        if (rc)
            return rc;
        out += part;
        from += part;
        n -= part;
    }
    return 0;
}

int shards_read(const struct shards *s, size_t i, int64_t from, int64_t n,
                float *out, struct err *err)
{
    const struct recording_at *r = &s->item[i];

    assert(from >= 0 && n >= 0 && from + n <= r->samples);
    if (s->codec == SHARD_FLAC)
        return read_flac(s, r, from, n, out, err);
    read_s16(s, r, from, n, out);
    return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/torchfile.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "base/zip.h"
#include "model/pickle.h"

/* The bytes behind one or more tensors. */
struct storage {
    const struct pickle_value *key; /* its text */
    const struct pickle_value *class;
    int type;                       /* enum stored_type; -1: not known */
    int64_t numel;
    const struct zip_entry *entry;  /* NULL in a legacy file */
    const unsigned char *data;      /* NULL while packed */
    int checked;                    /* checksum compared */
};

struct tensor {
    size_t storage;
    int64_t offset; /* of element 0 in its storage, in elements */
};

struct torchfile {
    struct file_map map;
    char *name;
    const unsigned char *data;
    size_t size;
    struct zip zip;
    void *pickle_copy; /* data.pkl if it was deflated */
    struct pickle pickle;
    struct stored *list;   /* n */
    struct tensor *tensor; /* n */
    size_t n, cap, cap_tensor;
    struct storage *storage; /* sorted by key once all are known */
    size_t n_storage;
    int wrapped;
    int warned; /* of a wrong checksum: once is enough */
    void *unpacked; /* of storage number unpacked_of */
    size_t unpacked_of;
};

static int bad(const struct torchfile *tf, const char *what, struct err *err)
{
    return err_set(err, ERR_FORMAT, "%s: damaged PyTorch file: %s", tf->name,
                   what);
}

/* ---- storages ---- */

/* ('storage', class, key, location, numel[, view]) */
static int read_persid(const struct torchfile *tf,
                       const struct pickle_value *id, struct storage *s,
                       struct err *err)
{
    const struct pickle_value *class;

    if (id->kind != PICKLE_TUPLE || id->n < 5 || id->n > 6 ||
        !pickle_is_text(id->item[0], "storage") ||
        id->item[1]->kind != PICKLE_GLOBAL ||
        id->item[2]->kind != PICKLE_STRING ||
        id->item[4]->kind != PICKLE_INT || id->item[4]->integer < 0 ||
        id->item[4]->integer > INT64_MAX / 64)
        return bad(tf, "a storage is described in an unknown way", err);
    class = id->item[1];
    if (class->len > 6 && !memcmp(class->text, "torch\n", 6))
        s->type = stored_type_by_torch(class->text + 6, class->len - 6);
    else if (pickle_is_global(class, "torch.storage UntypedStorage"))
        s->type = STORED_U8;
    else
        s->type = -1;
    s->class = class;
    s->key = id->item[2];
    s->numel = id->item[4]->integer;
    return 0;
}

static int compare_key(const struct pickle_value *a,
                       const struct pickle_value *b)
{
    size_t n = a->len < b->len ? a->len : b->len;
    int c = n ? memcmp(a->text, b->text, n) : 0;

    return c ? c : a->len < b->len ? -1 : a->len > b->len;
}

static int by_key(const void *a, const void *b)
{
    return compare_key(((const struct storage *)a)->key,
                       ((const struct storage *)b)->key);
}

static struct storage *find_storage(const struct torchfile *tf,
                                    const struct pickle_value *key)
{
    struct storage s = { .key = key };

    return tf->n_storage ? bsearch(&s, tf->storage, tf->n_storage, sizeof(s),
                                   by_key)
                         : NULL;
}

/* One storage for each key that the pickle mentions. */
static int read_storages(struct torchfile *tf, struct err *err)
{
    size_t n = tf->pickle.n_persid, kept = 0;

    tf->storage = xcalloc(n + 1, sizeof(*tf->storage));
    for (size_t i = 0; i < n; i++)
        TRY(read_persid(tf, tf->pickle.persid[i]->item[0], &tf->storage[i],
                        err));
    qsort(tf->storage, n, sizeof(*tf->storage), by_key);
    for (size_t i = 0; i < n; i++) {
        const struct storage *last = kept ? &tf->storage[kept - 1] : NULL;

        if (!last || compare_key(last->key, tf->storage[i].key))
            tf->storage[kept++] = tf->storage[i];
        else if (last->type != tf->storage[i].type ||
                 last->numel != tf->storage[i].numel)
            return bad(tf, "one storage is described in two ways", err);
    }
    tf->n_storage = kept;
    return 0;
}

static int64_t storage_bytes(const struct storage *s)
{
    return s->numel * stored_type_bits((enum stored_type)s->type) / 8;
}

static int unknown_class(const struct torchfile *tf, const struct storage *s,
                         const char *tensor, struct err *err)
{
    const char *class = s->class->text;
    size_t module = strcspn(class, "\n") + 1, len = s->class->len - module;

    return err_set(err, ERR_UNSUPPORTED, "%s: tensor \"%.200s\" is of a kind "
                   "that mfm does not read (%.*s)", tf->name, tensor,
                   len < 100 ? (int)len : 100, class + module);
}

/* ---- tensors ---- */

/* A tuple of whole numbers >= 0, as it is or as torch.Size(tuple). */
static int read_sizes(const struct pickle_value *v, int64_t *out, int *n)
{
    if (v->kind == PICKLE_CALL && pickle_is_global(v->item[0], "torch Size") &&
        v->item[1]->kind == PICKLE_TUPLE && v->item[1]->n == 1)
        v = v->item[1]->item[0];
    if (v->kind != PICKLE_TUPLE)
        return -1;
    *n = (int)(v->n < 1000 ? v->n : 1000);
    for (int i = 0; i < *n && i < STORED_MAX_DIMS; i++) {
        if (v->item[i]->kind != PICKLE_INT || v->item[i]->integer < 0)
            return -1;
        out[i] = v->item[i]->integer;
    }
    return 0;
}

/* The view of a legacy storage: None or (key, offset, size). */
static int64_t view_offset(const struct pickle_value *id)
{
    const struct pickle_value *view = id->n == 6 ? id->item[5] : NULL;

    if (!view || view->kind == PICKLE_NONE)
        return 0;
    if (view->kind != PICKLE_TUPLE || view->n != 3 ||
        view->item[1]->kind != PICKLE_INT)
        return -1;
    return view->item[1]->integer;
}

/* Whether every element lies in the storage; sets strides that do not matter
 * to 0, so that no sum of them can overflow. */
static int fits(struct stored *t, int64_t count, int64_t offset, int64_t numel)
{
    int64_t reach = offset, step;

    for (int i = 0; i < t->ndim; i++) {
        if (count == 0 || t->dim[i] == 1)
            t->stride[i] = 0;
        if (__builtin_mul_overflow(t->stride[i], t->dim[i] - 1, &step) ||
            (count > 0 && __builtin_add_overflow(reach, step, &reach)))
            return 0;
    }
    return count == 0 ? offset <= numel : reach < numel;
}

/* args of _rebuild_tensor[_v2]: storage, offset, sizes, strides, ... */
static int read_tensor(struct torchfile *tf, const char *name,
                       const struct pickle_value *args, struct err *err)
{
    struct stored t = {0};
    struct storage *s;
    int64_t offset, view, count;
    int n_stride = 0;

    if (args->kind != PICKLE_TUPLE || args->n < 4 ||
        args->item[0]->kind != PICKLE_PERSID ||
        args->item[1]->kind != PICKLE_INT || args->item[1]->integer < 0 ||
        read_sizes(args->item[2], t.dim, &t.ndim) ||
        read_sizes(args->item[3], t.stride, &n_stride) || t.ndim != n_stride)
        return err_set(err, ERR_FORMAT, "%s: tensor \"%.200s\" is described in "
                       "an unknown way", tf->name, name);
    if (t.ndim > STORED_MAX_DIMS)
        return err_set(err, ERR_UNSUPPORTED, "%s: tensor \"%.200s\" has %d "
                       "dimensions, more than %d", tf->name, name, t.ndim,
                       STORED_MAX_DIMS);
    s = find_storage(tf, args->item[0]->item[0]->item[2]);
    view = view_offset(args->item[0]->item[0]);
    if (s->type < 0)
        return unknown_class(tf, s, name, err);
    t.type = (enum stored_type)s->type;
    if (view < 0 ||
        __builtin_add_overflow(args->item[1]->integer, view, &offset) ||
        !stored_count_checked(&t, &count) ||
        !fits(&t, count, offset, s->numel))
        return err_set(err, ERR_FORMAT, "%s: tensor \"%.200s\" reaches beyond "
                       "its storage of %lld elements", tf->name, name,
                       (long long)s->numel);
    if (count > s->numel)
        return err_set(err, ERR_UNSUPPORTED, "%s: tensor \"%.200s\" repeats "
                       "elements (an expanded view); save it contiguous",
                       tf->name, name);
    ARRAY_GROW(tf->list, tf->n, tf->cap);
    ARRAY_GROW(tf->tensor, tf->n, tf->cap_tensor);
    t.name = xstrdup(name);
    tf->list[tf->n] = t;
    tf->tensor[tf->n++] = (struct tensor){ (size_t)(s - tf->storage), offset };
    return 0;
}

/* A call is a tensor, something that cannot be read, or of no interest. */
static int read_call(struct torchfile *tf, const char *name,
                     const struct pickle_value *v, struct err *err)
{
    const struct pickle_value *f = v->item[0], *args = v->item[1];
    static const char rebuild[] = "torch._utils\n_rebuild_";

    if (pickle_is_global(f, "torch._utils _rebuild_parameter") &&
        args->kind == PICKLE_TUPLE && args->n >= 1 &&
        args->item[0]->kind == PICKLE_CALL) {
        v = args->item[0];
        f = v->item[0];
        args = v->item[1];
    }
    if (pickle_is_global(f, "torch._utils _rebuild_tensor_v2") ||
        pickle_is_global(f, "torch._utils _rebuild_tensor"))
        return read_tensor(tf, name, args, err);
    if (f->kind == PICKLE_GLOBAL && f->len >= sizeof(rebuild) - 1 &&
        !memcmp(f->text, rebuild, sizeof(rebuild) - 1))
        return err_set(err, ERR_UNSUPPORTED, "%s: tensor \"%.200s\" is of a "
                       "kind that mfm does not read (%.*s)", tf->name, name,
                       f->len - 13 < 100 ? (int)(f->len - 13) : 100,
                       f->text + 13);
    return 0;
}

struct search {
    struct torchfile *tf;
    struct strbuf name;
    int visits;
    struct err *err;
};

static int find_tensors(struct search *s, const struct pickle_value *v,
                        int depth)
{
    struct torchfile *tf = s->tf;
    size_t len = s->name.len;

    if (s->visits++ > LIMIT_PICKLE_VISITS)
        return bad(tf, "too many values", s->err);
    if (v->kind == PICKLE_CALL)
        return read_call(tf, s->name.s, v, s->err);
    if (v->kind != PICKLE_DICT)
        return 0;
    if (depth > LIMIT_PICKLE_DEPTH)
        return bad(tf, "dicts are nested too deeply", s->err);
    for (size_t i = 0; i + 1 < v->n; i += 2) {
        const struct pickle_value *key = v->item[i];

        if (key->kind != PICKLE_STRING)
            continue; /* optimiser states are keyed by number */
        if (memchr(key->text, 0, key->len) || len + key->len > LIMIT_NAME)
            return err_set(s->err, ERR_UNSUPPORTED, "%s: a name has a zero "
                           "byte or more than %d bytes", tf->name, LIMIT_NAME);
        if (depth > 0)
            strbuf_addch(&s->name, '/');
        strbuf_add(&s->name, key->text, key->len);
        TRY(find_tensors(s, v->item[i + 1], depth + 1));
        if (s->name.len > len)
            s->name.s[len] = 0;
        s->name.len = len;
    }
    return 0;
}

static int read_tensors(struct torchfile *tf, struct err *err)
{
    const struct pickle_value *top = tf->pickle.value;
    const struct pickle_value *inner = pickle_get(top, "state_dict");
    struct search s = { .tf = tf, .name = STRBUF_INIT, .err = err };
    int rc;

    if (inner && inner->kind == PICKLE_DICT) {
        tf->wrapped = 1;
        top = inner;
    }
    rc = find_tensors(&s, top, 0);
    strbuf_release(&s.name);
    return rc;
}

/* ---- the two containers ---- */

/* All entries are in one folder, named after the file or "archive". */
static const struct zip_entry *find_member(const struct torchfile *tf,
                                           const char *name)
{
    const char *root = tf->zip.first;
    char *path = xasprintf("%.*s/%s", (int)strcspn(root, "/"), root, name);
    const struct zip_entry *e = zip_find(&tf->zip, path);

    free(path);
    return e;
}

static int check_kind(const struct torchfile *tf, struct err *err)
{
    const struct zip_entry *e = find_member(tf, "byteorder");

    if (find_member(tf, "constants.pkl"))
        return err_set(err, ERR_UNSUPPORTED, "%s: a TorchScript program; save "
                       "its state_dict with torch.save instead", tf->name);
    if (e && e->method == ZIP_STORED && e->size >= 3 &&
        !memcmp(tf->data + e->offset, "big", 3))
        return err_set(err, ERR_UNSUPPORTED, "%s: written on a big-endian "
                       "machine", tf->name);
    return 0;
}

static int locate_entries(struct torchfile *tf, struct err *err)
{
    for (size_t i = 0; i < tf->n_storage; i++) {
        struct storage *s = &tf->storage[i];
        struct strbuf name = STRBUF_INIT;
        int64_t bytes = s->type < 0 ? 0 : storage_bytes(s);

        if (s->type < 0)
            continue; /* an error only if a tensor that matters has it */
        strbuf_add(&name, "data/", 5);
        strbuf_add(&name, s->key->text, s->key->len < LIMIT_NAME
                                            ? s->key->len : LIMIT_NAME);
        s->entry = find_member(tf, name.s);
        strbuf_release(&name);
        if (!s->entry)
            return bad(tf, "the data of a storage are missing", err);
        if ((uint64_t)bytes != s->entry->size)
            return err_set(err, ERR_FORMAT, "%s: damaged PyTorch file: entry "
                           "\"%.200s\" has %llu bytes, %lld are due", tf->name,
                           s->entry->name, (unsigned long long)s->entry->size,
                           (long long)bytes);
        if (s->entry->method == ZIP_STORED)
            s->data = tf->data + s->entry->offset;
    }
    return 0;
}

static int read_zip(struct torchfile *tf, struct err *err)
{
    const struct zip_entry *e;
    const void *pickle;

    TRY(zip_read(&tf->zip, tf->data, tf->size, tf->name, err));
    e = find_member(tf, "data.pkl");
    if (!e)
        return err_set(err, ERR_FORMAT, "%s: a zip archive, but not one of "
                       "torch.save (no data.pkl)", tf->name);
    TRY(check_kind(tf, err));
    pickle = tf->data + e->offset;
    if (e->size > LIMIT_PICKLE)
        return bad(tf, "data.pkl is larger than 64 MiB", err);
    if (e->method != ZIP_STORED) {
        TRY(zip_unpack(&tf->zip, e, LIMIT_PICKLE, &tf->pickle_copy, err));
        pickle = tf->pickle_copy;
    }
    TRY(pickle_read(&tf->pickle, pickle, e->size, tf->name, err));
    TRY(read_storages(tf, err));
    TRY(locate_entries(tf, err));
    return read_tensors(tf, err);
}

/* The long 0x1950a86a20f9469cfc6c, as the first pickle of a legacy file. */
static const unsigned char legacy_magic[] = {
    0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50,
    0x19, '.'
};

/* Reads a pickle at *at and steps over it. */
static int next_pickle(const struct torchfile *tf, size_t *at,
                       struct pickle *p, struct err *err)
{
    size_t left = tf->size - *at;

    left = left < LIMIT_PICKLE ? left : LIMIT_PICKLE;
    TRY(pickle_read(p, tf->data + *at, left, tf->name, err));
    *at += p->used;
    return 0;
}

/* Raw storages follow in the order of keys: i64 numel, then the elements. */
static int locate_raw(struct torchfile *tf, size_t at,
                      const struct pickle_value *keys, struct err *err)
{
    if (keys->kind != PICKLE_LIST)
        return bad(tf, "no list of storages", err);
    for (size_t i = 0; i < keys->n; i++) {
        struct storage *s = keys->item[i]->kind == PICKLE_STRING
                                ? find_storage(tf, keys->item[i]) : NULL;
        int64_t bytes, numel = 0;

        if (s && s->type < 0) /* its size is not known */
            return unknown_class(tf, s, "?", err);
        bytes = s ? storage_bytes(s) : -1;
        if (bytes < 0 || s->data)
            return bad(tf, "the list of storages does not fit the tensors",
                       err);
        if (tf->size - at < 8 || (uint64_t)bytes > tf->size - at - 8)
            return bad(tf, "the data are cut off", err);
        memcpy(&numel, tf->data + at, 8);
        if (numel != s->numel)
            return bad(tf, "a storage has another size than its tensors say",
                       err);
        s->data = tf->data + at + 8;
        at += 8 + (size_t)bytes;
    }
    for (size_t i = 0; i < tf->n_storage; i++)
        if (!tf->storage[i].data)
            return bad(tf, "the data of a storage are missing", err);
    return 0;
}

static int read_legacy(struct torchfile *tf, struct err *err)
{
    struct pickle version = {0}, system = {0}, keys = {0};
    const struct pickle_value *little;
    size_t at = sizeof(legacy_magic);
    int rc;

    rc = next_pickle(tf, &at, &version, err);
    if (!rc && (version.value->kind != PICKLE_INT ||
                version.value->integer != 1001))
        rc = err_set(err, ERR_UNSUPPORTED, "%s: an unknown version of the old "
                     "PyTorch format", tf->name);
    if (!rc)
        rc = next_pickle(tf, &at, &system, err);
    little = rc ? NULL : pickle_get(system.value, "little_endian");
    if (little && !little->integer)
        rc = err_set(err, ERR_UNSUPPORTED, "%s: written on a big-endian "
                     "machine", tf->name);
    if (!rc)
        rc = next_pickle(tf, &at, &tf->pickle, err);
    if (!rc)
        rc = next_pickle(tf, &at, &keys, err);
    if (!rc)
        rc = read_storages(tf, err);
    if (!rc)
        rc = locate_raw(tf, at, keys.value, err);
    if (!rc)
        rc = read_tensors(tf, err);
    pickle_release(&version);
    pickle_release(&system);
    pickle_release(&keys);
    return rc;
}

static int read_any(struct torchfile *tf, struct err *err)
{
    const unsigned char *p = tf->data;

    if (tf->size >= 4 && !memcmp(p, "PK\3\4", 4))
        return read_zip(tf, err);
    if (tf->size >= sizeof(legacy_magic) &&
        !memcmp(p, legacy_magic, sizeof(legacy_magic)))
        return read_legacy(tf, err);
    if (tf->size >= 512 && !memcmp(p + 257, "ustar", 5))
        return err_set(err, ERR_UNSUPPORTED, "%s: a tar archive (PyTorch "
                       "before 0.2, or packed files); unpack it, or load and "
                       "save it with a newer PyTorch", tf->name);
    return err_set(err, ERR_FORMAT, "%s: not a PyTorch file", tf->name);
}

int torchfile_parse(struct torchfile **out, const void *data, size_t size,
                    const char *name, struct err *err)
{
    struct torchfile *tf = xcalloc(1, sizeof(*tf));
    int rc;

    tf->name = xstrdup(name);
    tf->data = data;
    tf->size = size;
    rc = read_any(tf, err);
    if (rc)
        torchfile_free(tf);
    else
        *out = tf;
    return rc;
}

int torchfile_open(struct torchfile **out, const char *path, struct err *err)
{
    struct file_map map = {0};
    int rc;

    TRY(file_map(&map, path, err));
    rc = torchfile_parse(out, map.data, map.size, path, err);
    if (rc)
        file_unmap(&map);
    else
        (*out)->map = map;
    return rc;
}

void torchfile_free(struct torchfile *tf)
{
    if (!tf)
        return;
    for (size_t i = 0; i < tf->n; i++)
        free(tf->list[i].name);
    free(tf->list);
    free(tf->tensor);
    free(tf->storage);
    free(tf->unpacked);
    free(tf->pickle_copy);
    free(tf->name);
    pickle_release(&tf->pickle);
    zip_release(&tf->zip);
    file_unmap(&tf->map);
    free(tf);
}

size_t torchfile_count(const struct torchfile *tf)
{
    return tf->n;
}

const struct stored *torchfile_tensor(const struct torchfile *tf, size_t i)
{
    return &tf->list[i];
}

int torchfile_wrapped(const struct torchfile *tf)
{
    return tf->wrapped;
}

static void check_sum(struct torchfile *tf, struct storage *s)
{
    const struct zip_entry *e = s->entry;

    if (e && !s->checked && !tf->warned &&
        crc32_z(0, s->data, e->size) != e->crc) {
        log_warn("%s: entry \"%.200s\" does not have the checksum that the "
                 "archive gives: the file may be damaged (others are not "
                 "checked)", tf->name, e->name);
        tf->warned = 1;
    }
    s->checked = 1;
}

int torchfile_load(struct torchfile *tf, size_t i, struct stored *out,
                   struct err *err)
{
    const struct tensor *t = &tf->tensor[i];
    struct storage *s = &tf->storage[t->storage];
    const unsigned char *data = s->data;

    if (data) {
        check_sum(tf, s);
    } else {
        if (!tf->unpacked || tf->unpacked_of != t->storage) {
            free(tf->unpacked);
            tf->unpacked = NULL;
            TRY(zip_unpack(&tf->zip, s->entry, s->entry->size, &tf->unpacked,
                           err));
            tf->unpacked_of = t->storage;
        }
        data = tf->unpacked;
    }
    *out = tf->list[i];
    out->data = data + t->offset * stored_type_bits(out->type) / 8;
    return 0;
}

void torchfile_forget(const struct torchfile *tf, size_t i)
{
    const struct storage *s = &tf->storage[tf->tensor[i].storage];

    if (s->data)
        file_map_forget(&tf->map, s->data, (size_t)storage_bytes(s));
}

int torchfile_note(const struct torchfile *tf, char **out, struct err *err)
{
    const struct zip_entry *e = tf->zip.n ? find_member(tf, TORCHFILE_NOTE)
                                          : NULL;
    void *bytes = NULL;

    *out = NULL;
    if (!e)
        return 0;
    TRY(zip_unpack(&tf->zip, e, LIMIT_JSON_BYTES, &bytes, err));
    *out = xstrndup(bytes, e->size);
    free(bytes);
    return 0;
}

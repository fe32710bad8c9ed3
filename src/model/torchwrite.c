/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "base/zip.h"
#include "model/torchfile.h"

/* torch.load takes any name for the folder; it writes this one to streams. */
#define ROOT "archive/"

struct torchfile_out {
    struct file_out file;
    struct zip_writer zip;
    const struct stored *tensor;
    size_t n;
    size_t notes;
};

/* Pickles, protocol 2. Nothing is memoised: torch.load does not need it. */

static void add_u32(struct strbuf *sb, char op, uint32_t v)
{
    strbuf_addch(sb, op);
    for (int i = 0; i < 4; i++)
        strbuf_addch(sb, (char)(v >> 8 * i));
}

static void add_text(struct strbuf *sb, const char *s)
{
    add_u32(sb, 'X', (uint32_t)strlen(s));
    strbuf_addstr(sb, s);
}

static void add_int(struct strbuf *sb, int64_t v)
{
    if (v <= INT32_MAX) {
        add_u32(sb, 'J', (uint32_t)v);
        return;
    }
    strbuf_add(sb, "\x8a\x08", 2);
    for (int i = 0; i < 8; i++)
        strbuf_addch(sb, (char)((uint64_t)v >> 8 * i));
}

static void add_tuple(struct strbuf *sb, const int64_t *v, int n)
{
    strbuf_addch(sb, '(');
    for (int i = 0; i < n; i++)
        add_int(sb, v[i]);
    strbuf_addch(sb, 't');
}

static void add_tensor(struct strbuf *sb, const struct stored *tensor,
                       size_t key)
{
    struct stored t = *tensor;
    char text[24];

    stored_set_strides(&t);
    snprintf(text, sizeof(text), "%zu", key);
    strbuf_addf(sb, "ctorch._utils\n_rebuild_tensor_v2\n((");
    add_text(sb, "storage");
    strbuf_addf(sb, "ctorch\n%s\n", stored_type_torch(t.type));
    add_text(sb, text);
    add_text(sb, "cpu");
    add_int(sb, stored_count(&t));
    strbuf_addstr(sb, "tQ"); /* ends the storage's tuple, persistent id */
    add_int(sb, 0);
    add_tuple(sb, t.dim, t.ndim);
    add_tuple(sb, t.stride, t.ndim);
    strbuf_addstr(sb, "\x89" "ccollections\nOrderedDict\n)RtR");
}

static void add_object(struct strbuf *sb, const struct stored *tensor,
                       size_t n, int wrapped)
{
    strbuf_add(sb, "\x80\x02", 2);
    if (wrapped) {
        strbuf_addch(sb, '}');
        add_text(sb, "state_dict");
    }
    strbuf_addstr(sb, "ccollections\nOrderedDict\n)R(");
    for (size_t i = 0; i < n; i++) {
        add_text(sb, tensor[i].name);
        add_tensor(sb, &tensor[i], i);
    }
    strbuf_addch(sb, 'u');
    if (wrapped)
        strbuf_addch(sb, 's');
    strbuf_addch(sb, '.');
}

static void add_member(struct zip_writer *zip, const char *name,
                       const void *data, size_t n)
{
    zip_begin(zip, name, n);
    zip_put(zip, data, n);
    zip_end(zip);
}

int torchfile_create(struct torchfile_out **out, const char *path,
                     const struct stored *tensor, size_t n, int wrapped,
                     struct err *err)
{
    struct torchfile_out *o;
    struct strbuf sb = STRBUF_INIT;
    int rc;

    for (size_t i = 0; i < n; i++)
        if (!stored_type_torch(tensor[i].type))
            return err_set(err, ERR_UNSUPPORTED, "%s: tensor \"%s\": PyTorch "
                           "files have no %s", path, tensor[i].name,
                           stored_type_name(tensor[i].type));
    o = xcalloc(1, sizeof(*o));
    o->tensor = tensor;
    o->n = n;
    rc = file_out_open(&o->file, path, err);
    if (rc) {
        free(o);
        return rc;
    }
    o->zip.f = o->file.f;
    o->zip.align = 64;
    add_object(&sb, tensor, n, wrapped);
    add_member(&o->zip, ROOT "data.pkl", sb.s, sb.len);
    add_member(&o->zip, ROOT "byteorder", "little", 6);
    strbuf_release(&sb);
    *out = o;
    return 0;
}

void torchfile_add_note(struct torchfile_out *out, const char *text)
{
    add_member(&out->zip, ROOT TORCHFILE_NOTE, text, strlen(text));
    out->notes++;
}

void torchfile_begin(struct torchfile_out *out, size_t i)
{
    char name[sizeof(ROOT) + 32];

    snprintf(name, sizeof(name), ROOT "data/%zu", i);
    zip_begin(&out->zip, name, (uint64_t)stored_bytes(&out->tensor[i]));
}

void torchfile_put(void *out, const void *data, size_t n)
{
    zip_put(&((struct torchfile_out *)out)->zip, data, n);
}

void torchfile_end(struct torchfile_out *out)
{
    zip_end(&out->zip);
}

int torchfile_commit(struct torchfile_out *out, struct err *err)
{
    assert(out->zip.n == out->n + out->notes + 2);
    add_member(&out->zip, ROOT "version", "3\n", 2);
    zip_finish(&out->zip);
    return file_out_commit(&out->file, err);
}

void torchfile_abort(struct torchfile_out *out)
{
    if (!out)
        return;
    file_out_abort(&out->file);
    zip_writer_release(&out->zip);
    free(out);
}

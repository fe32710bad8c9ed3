/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/pickle.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/xalloc.h"

enum { CHUNK = 512 }; /* values allocated at a time */

struct pickle_chunk {
    struct pickle_chunk *next;
    size_t n;
    struct pickle_value value[CHUNK];
};

/* The pickle machine: a stack, marks on it, and a memo. */
struct machine {
    struct pickle *p;
    const unsigned char *data;
    size_t size, at;
    const char *name;
    struct pickle_value **stack;
    size_t depth, cap;
    size_t *mark;
    size_t n_mark, cap_mark;
    struct pickle_value **memo;
    size_t n_memo;
    size_t values, items;
    struct err *err;
};

static int bad(struct machine *m, const char *what)
{
    return err_set(m->err, ERR_FORMAT, "%s: damaged pickle: %s at byte %zu",
                   m->name, what, m->at);
}

static uint64_t get(const unsigned char *p, int bytes)
{
    uint64_t v = 0;

    while (bytes-- > 0)
        v = v << 8 | p[bytes];
    return v;
}

/* n bytes of the pickle; NULL (and the message) if there are fewer. */
static const unsigned char *take(struct machine *m, uint64_t n)
{
    const unsigned char *p = m->data + m->at;

    if (n > m->size - m->at) {
        bad(m, "it is cut off");
        return NULL;
    }
    m->at += n;
    return p;
}

static int push(struct machine *m, struct pickle_value *v)
{
    if (m->depth >= LIMIT_PICKLE_STACK)
        return bad(m, "the stack is too deep");
    ARRAY_GROW(m->stack, m->depth, m->cap);
    m->stack[m->depth++] = v;
    return 0;
}

static int new_value(struct machine *m, enum pickle_kind kind,
                     struct pickle_value **out)
{
    struct pickle_chunk *c = m->p->chunk;

    if (m->values++ >= LIMIT_PICKLE_VALUES)
        return bad(m, "too many values");
    if (!c || c->n == CHUNK) {
        c = xmalloc(sizeof(*c));
        c->n = 0;
        c->next = m->p->chunk;
        m->p->chunk = c;
    }
    *out = &c->value[c->n++];
    memset(*out, 0, sizeof(**out));
    (*out)->kind = kind;
    return 0;
}

static int push_new(struct machine *m, enum pickle_kind kind,
                    struct pickle_value **out)
{
    TRY(new_value(m, kind, out));
    return push(m, *out);
}

static int push_int(struct machine *m, enum pickle_kind kind, int64_t i)
{
    struct pickle_value *v = NULL;

    TRY(push_new(m, kind, &v));
    v->integer = i;
    return 0;
}

/* Above the last mark, or above the bottom. */
static size_t base(const struct machine *m)
{
    return m->n_mark ? m->mark[m->n_mark - 1] : 0;
}

static int pop(struct machine *m, struct pickle_value **out)
{
    if (m->depth <= base(m))
        return bad(m, "nothing to pop");
    *out = m->stack[--m->depth];
    return 0;
}

static int append(struct machine *m, struct pickle_value *to,
                  struct pickle_value *v)
{
    if (m->items++ >= LIMIT_PICKLE_ITEMS)
        return bad(m, "too many items");
    if (to->n >= to->cap) {
        to->cap = to->cap ? 2 * to->cap : 2;
        to->item = xreallocarray(to->item, to->cap, sizeof(*to->item));
    }
    to->item[to->n++] = v;
    return 0;
}

/* Moves the values above stack position from into v. */
static int collect(struct machine *m, size_t from, struct pickle_value *v)
{
    for (size_t i = from; i < m->depth; i++)
        TRY(append(m, v, m->stack[i]));
    m->depth = from;
    return 0;
}

static int pop_mark(struct machine *m, size_t *from)
{
    if (!m->n_mark)
        return bad(m, "no mark");
    *from = m->mark[--m->n_mark];
    return 0;
}

static int push_tuple(struct machine *m, size_t from)
{
    struct pickle_value *v = NULL;

    TRY(new_value(m, PICKLE_TUPLE, &v));
    TRY(collect(m, from, v));
    return push(m, v);
}

static int push_text(struct machine *m, int size_bytes)
{
    const unsigned char *p = take(m, (uint64_t)size_bytes);
    struct pickle_value *v = NULL;
    uint64_t len;

    if (!p)
        return ERR_FORMAT;
    len = get(p, size_bytes);
    p = take(m, len);
    if (!p)
        return ERR_FORMAT;
    TRY(push_new(m, PICKLE_STRING, &v));
    v->text = (const char *)p;
    v->len = len;
    return 0;
}

/* "module\nname\n", kept as one text with the first line end in the middle. */
static int push_global(struct machine *m)
{
    const unsigned char *p = m->data + m->at, *mid, *end;
    struct pickle_value *v = NULL;

    mid = memchr(p, '\n', m->size - m->at);
    end = mid ? memchr(mid + 1, '\n', m->size - (size_t)(mid + 1 - m->data))
              : NULL;
    if (!end)
        return bad(m, "it is cut off");
    m->at = (size_t)(end + 1 - m->data);
    TRY(push_new(m, PICKLE_GLOBAL, &v));
    v->text = (const char *)p;
    v->len = (size_t)(end - p);
    return 0;
}

static int push_long(struct machine *m)
{
    const unsigned char *p = take(m, 1);
    unsigned n = p ? *p : 0;
    uint64_t v = 0;

    p = p ? take(m, n) : NULL;
    if (!p)
        return ERR_FORMAT;
    if (n > 8)
        return push_int(m, PICKLE_OPAQUE, 0);
    if (n > 0 && p[n - 1] & 0x80)
        v = ~(uint64_t)0;
    for (unsigned i = n; i-- > 0;)
        v = v << 8 | p[i];
    return push_int(m, PICKLE_INT, (int64_t)v);
}

static int push_float(struct machine *m)
{
    const unsigned char *p = take(m, 8);
    struct pickle_value *v = NULL;
    uint64_t bits = 0;

    if (!p)
        return ERR_FORMAT;
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | p[i];
    TRY(push_new(m, PICKLE_FLOAT, &v));
    memcpy(&v->real, &bits, 8);
    return 0;
}

static int memo_put(struct machine *m, int bytes)
{
    const unsigned char *p = take(m, (uint64_t)bytes);
    uint64_t i;
    size_t room;

    if (!p)
        return ERR_FORMAT;
    if (m->depth <= base(m))
        return bad(m, "nothing to remember");
    i = get(p, bytes);
    /* Python numbers them as they come, one for two bytes at the least */
    if (i > m->at || i > LIMIT_PICKLE_VALUES)
        return bad(m, "a memo number is too large");
    if (i >= m->n_memo) {
        room = 2 * (size_t)i + 16;
        m->memo = xreallocarray(m->memo, room, sizeof(*m->memo));
        memset(m->memo + m->n_memo, 0, (room - m->n_memo) * sizeof(*m->memo));
        m->n_memo = room;
    }
    m->memo[i] = m->stack[m->depth - 1];
    return 0;
}

static int memo_get(struct machine *m, int bytes)
{
    const unsigned char *p = take(m, (uint64_t)bytes);

    if (!p)
        return ERR_FORMAT;
    if (get(p, bytes) >= m->n_memo || !m->memo[get(p, bytes)])
        return bad(m, "a memo that was never filled");
    return push(m, m->memo[get(p, bytes)]);
}

/* The container below the values that go into it. Items of what is neither a
 * list nor a dict are dropped. */
static int add_items(struct machine *m, size_t from, enum pickle_kind kind)
{
    struct pickle_value *to;

    if (from <= base(m))
        return bad(m, "nothing to add to");
    to = m->stack[from - 1];
    if (kind == PICKLE_DICT && (m->depth - from) % 2)
        return bad(m, "a key without a value");
    if (to->kind == kind)
        return collect(m, from, to);
    m->depth = from;
    return 0;
}

static int add_marked(struct machine *m, enum pickle_kind kind)
{
    size_t from = 0;

    TRY(pop_mark(m, &from));
    return add_items(m, from, kind);
}

static int add_some(struct machine *m, size_t n, enum pickle_kind kind)
{
    if (m->depth < base(m) + n)
        return bad(m, "nothing to pop");
    return add_items(m, m->depth - n, kind);
}

/* REDUCE and NEWOBJ: never called, only kept. An OrderedDict is a dict. */
static int push_call(struct machine *m)
{
    struct pickle_value *f = NULL, *args = NULL, *v = NULL;

    TRY(pop(m, &args));
    TRY(pop(m, &f));
    if (pickle_is_global(f, "collections OrderedDict") &&
        args->kind == PICKLE_TUPLE && args->n == 0)
        return push_new(m, PICKLE_DICT, &v);
    TRY(push_new(m, PICKLE_CALL, &v));
    TRY(append(m, v, f));
    return append(m, v, args);
}

static int push_persid(struct machine *m)
{
    struct pickle *p = m->p;
    struct pickle_value *id = NULL, *v = NULL;

    TRY(pop(m, &id));
    TRY(push_new(m, PICKLE_PERSID, &v));
    ARRAY_GROW(p->persid, p->n_persid, p->cap_persid);
    p->persid[p->n_persid++] = v;
    return append(m, v, id);
}

static int push_number(struct machine *m, int bytes)
{
    const unsigned char *p = take(m, (uint64_t)bytes);

    if (!p)
        return ERR_FORMAT;
    return push_int(m, PICKLE_INT,
                    bytes == 4 ? (int32_t)get(p, 4) : (int64_t)get(p, bytes));
}

static int protocol(struct machine *m)
{
    const unsigned char *p = take(m, 1);

    if (!p)
        return ERR_FORMAT;
    if (*p > 3)
        return err_set(m->err, ERR_UNSUPPORTED, "%s: pickle protocol %d; save "
                       "it with protocol 2, the default of torch.save", m->name,
                       *p);
    return 0;
}

static int push_mark(struct machine *m)
{
    if (m->n_mark >= LIMIT_PICKLE_STACK)
        return bad(m, "too many marks");
    ARRAY_GROW(m->mark, m->n_mark, m->cap_mark);
    m->mark[m->n_mark++] = m->depth;
    return 0;
}

static int tuple_of(struct machine *m, size_t n)
{
    if (m->depth < base(m) + n)
        return bad(m, "nothing to pop");
    return push_tuple(m, m->depth - n);
}

static int marked_tuple(struct machine *m)
{
    size_t from = 0;

    TRY(pop_mark(m, &from));
    return push_tuple(m, from);
}

static int opcode(struct machine *m, unsigned char op)
{
    struct pickle_value *v = NULL;

    switch (op) {
    case 0x80: return protocol(m);
    case '}': return push_new(m, PICKLE_DICT, &v);
    case ']': return push_new(m, PICKLE_LIST, &v);
    case 0x8f: return push_new(m, PICKLE_OPAQUE, &v); /* a set */
    case ')': return push_new(m, PICKLE_TUPLE, &v);
    case 'N': return push_new(m, PICKLE_NONE, &v);
    case 0x88: return push_int(m, PICKLE_BOOL, 1);
    case 0x89: return push_int(m, PICKLE_BOOL, 0);
    case 'K': return push_number(m, 1);
    case 'M': return push_number(m, 2);
    case 'J': return push_number(m, 4);
    case 0x8a: return push_long(m);
    case 'G': return push_float(m);
    case 'X': case 'T': case 'B': return push_text(m, 4);
    case 'U': case 'C': return push_text(m, 1);
    case 'c': return push_global(m);
    case '(': return push_mark(m);
    case 't': return marked_tuple(m);
    case 0x85: return tuple_of(m, 1);
    case 0x86: return tuple_of(m, 2);
    case 0x87: return tuple_of(m, 3);
    case 'q': return memo_put(m, 1);
    case 'r': return memo_put(m, 4);
    case 'h': return memo_get(m, 1);
    case 'j': return memo_get(m, 4);
    case 'Q': return push_persid(m);
    case 'R': case 0x81: return push_call(m);
    case 'b': return pop(m, &v); /* the state of an object: not looked at */
    case '0': return pop(m, &v);
    case 's': return add_some(m, 2, PICKLE_DICT);
    case 'u': return add_marked(m, PICKLE_DICT);
    case 'a': return add_some(m, 1, PICKLE_LIST);
    case 'e': return add_marked(m, PICKLE_LIST);
    default:
        m->at--;
        return err_set(m->err, ERR_FORMAT, "%s: not a pickle of torch.save: "
                       "opcode 0x%02x at byte %zu", m->name, op, m->at);
    }
}

static int run(struct machine *m)
{
    const unsigned char *p;

    while ((p = take(m, 1)) != NULL) {
        if (*p == '.') {
            m->p->used = m->at;
            return pop(m, &m->p->value);
        }
        TRY(opcode(m, *p));
    }
    return ERR_FORMAT;
}

int pickle_read(struct pickle *p, const void *data, size_t size,
                const char *name, struct err *err)
{
    struct machine m = { .p = p, .data = data, .size = size, .name = name,
                         .err = err };
    int rc = run(&m);

    free(m.stack);
    free(m.mark);
    free(m.memo);
    if (rc)
        pickle_release(p);
    return rc;
}

void pickle_release(struct pickle *p)
{
    for (struct pickle_chunk *c = p->chunk, *next; c; c = next) {
        next = c->next;
        for (size_t i = 0; i < c->n; i++)
            free(c->value[i].item);
        free(c);
    }
    free(p->persid);
    memset(p, 0, sizeof(*p));
}

int pickle_is_text(const struct pickle_value *v, const char *text)
{
    return v->kind == PICKLE_STRING && v->len == strlen(text) &&
           !memcmp(v->text, text, v->len);
}

int pickle_is_global(const struct pickle_value *v, const char *name)
{
    if (v->kind != PICKLE_GLOBAL || v->len != strlen(name))
        return 0;
    for (size_t i = 0; i < v->len; i++)
        if ((v->text[i] == '\n' ? ' ' : v->text[i]) != name[i])
            return 0;
    return 1;
}

struct pickle_value *pickle_get(const struct pickle_value *v, const char *key)
{
    if (v && v->kind == PICKLE_DICT)
        for (size_t i = 0; i + 1 < v->n; i += 2)
            if (pickle_is_text(v->item[i], key))
                return v->item[i + 1];
    return NULL;
}

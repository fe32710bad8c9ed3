/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <string.h>

#include "base/xalloc.h"
#include "model/pickle.h"

/* String literals hold zero bytes: their size, not strlen. */
#define BYTES(s) s, sizeof(s) - 1

START_TEST(pickle_read_scalars)
{
    /* (1, 300, -5, 1 << 40, 0.001, True, None, 'ab', 2 ** 70) */
    static const char data[] =
        "\x80\x02(K\x01M\x2c\x01J\xfb\xff\xff\xff\x8a\x06\0\0\0\0\0\x01G"
        "\x3f\x50\x62\x4d\xd2\xf1\xa9\xfc\x88NX\x02\0\0\0ab\x8a\x09"
        "\0\0\0\0\0\0\0\0\x40t.";
    struct pickle p = {0};
    struct err err = {0};
    struct pickle_value **v;

    ck_assert_msg(!pickle_read(&p, data, sizeof(data) - 1, "x", &err), "%s",
                  err.msg);
    ck_assert_uint_eq(p.used, sizeof(data) - 1);
    ck_assert(p.value->kind == PICKLE_TUPLE && p.value->n == 9);
    v = p.value->item;
    ck_assert(v[0]->kind == PICKLE_INT && v[0]->integer == 1);
    ck_assert(v[1]->integer == 300 && v[2]->integer == -5);
    ck_assert(v[3]->kind == PICKLE_INT && v[3]->integer == 1ll << 40);
    ck_assert(v[4]->kind == PICKLE_FLOAT && v[4]->real == 0.001);
    ck_assert(v[5]->kind == PICKLE_BOOL && v[5]->integer == 1);
    ck_assert(v[6]->kind == PICKLE_NONE && pickle_is_text(v[7], "ab"));
    ck_assert(v[8]->kind == PICKLE_OPAQUE);
    pickle_release(&p);
}
END_TEST

START_TEST(pickle_read_containers_and_calls)
{
    /* {'a': [1, 2], 'b': OrderedDict([('c', os.system('x'))])} */
    static const char call[] =
        "\x80\x02}q\0(X\x01\0\0\0aq\x01]q\x02(K\x01K\x02" "eX\x01\0\0\0b"
        "ccollections\nOrderedDict\n)RX\x01\0\0\0ccos\nsystem\nX\x01\0\0\0x"
        "\x85Rsu.";
    struct pickle p = {0};
    struct err err = {0};
    const struct pickle_value *a, *c;

    ck_assert_msg(!pickle_read(&p, call, sizeof(call) - 1, "x", &err), "%s",
                  err.msg);
    a = pickle_get(p.value, "a");
    ck_assert(a && a->kind == PICKLE_LIST && a->n == 2 &&
              a->item[1]->integer == 2);
    c = pickle_get(pickle_get(p.value, "b"), "c");
    ck_assert(c && c->kind == PICKLE_CALL);
    ck_assert(pickle_is_global(c->item[0], "os system"));
    ck_assert(!pickle_is_global(c->item[0], "os systen"));
    ck_assert_ptr_null(pickle_get(p.value, "d"));
    ck_assert_ptr_null(pickle_get(a, "d"));
    pickle_release(&p);
}
END_TEST

/* l = []; l.append(l): a cycle is kept and freed once. */
START_TEST(pickle_read_cycle)
{
    struct pickle p = {0};

    ck_assert(!pickle_read(&p, BYTES("]q\0h\0a."), "x", NULL));
    ck_assert(p.value->n == 1 && p.value->item[0] == p.value);
    pickle_release(&p);
}
END_TEST

static const struct bad {
    const char *data;
    size_t n;
    const char *word;
} bad[] = {
    { BYTES(""), "cut off" },
    { BYTES("."), "nothing to pop" },
    { BYTES("(."), "nothing to pop" },
    { BYTES("N"), "cut off" },
    { BYTES("\x80\x02"), "cut off" },
    { BYTES("\x80\x04N."), "protocol 4" },
    { BYTES("X\xff\xff\xff\xffzz."), "cut off" },
    { BYTES("cos\nsystem."), "cut off" },
    { BYTES("t."), "no mark" },
    { BYTES("N(R."), "nothing to pop" },
    { BYTES("\x86."), "nothing to pop" },
    { BYTES("Nu."), "no mark" },
    { BYTES("}(Nu."), "without a value" },
    { BYTES("(s."), "nothing" },
    { BYTES("q\0."), "nothing to remember" },
    { BYTES("h\0."), "never filled" },
    { BYTES("Nr\xff\xff\xff\x7f."), "too large" },
    { BYTES("i__main__\nX\n."), "opcode 0x69 at byte 0" },
    { BYTES("I1\n."), "opcode" },
    { BYTES("\x93."), "opcode 0x93" },
};

START_TEST(pickle_read_refuses)
{
    struct pickle p = {0};
    struct err err = {0};
    char *copy = xmalloc(bad[_i].n + 1);

    memcpy(copy, bad[_i].data, bad[_i].n);
    ck_assert(pickle_read(&p, copy, bad[_i].n, "x", &err) < 0);
    ck_assert_msg(strstr(err.msg, bad[_i].word) != NULL, "%s", err.msg);
    ck_assert_ptr_null(p.value);
    free(copy);
}
END_TEST

/* Values, stack and marks have bounds of their own. */
START_TEST(pickle_read_bounded)
{
    enum { N = 6 << 20 };
    static const char ops[] = { 'N', '(', ']' };
    struct pickle p = {0};
    struct err err = {0};
    char *data = xmalloc(N);

    for (size_t i = 0; i < sizeof(ops); i++) {
        memset(data, ops[i], N);
        ck_assert_int_eq(pickle_read(&p, data, N, "x", &err), ERR_FORMAT);
        ck_assert_msg(strstr(err.msg, "too ") != NULL, "%s", err.msg);
    }
    for (size_t i = 0; i + 1 < N; i += 2) { /* push and pop */
        data[i] = 'N';
        data[i + 1] = '0';
    }
    ck_assert_int_eq(pickle_read(&p, data, N, "x", &err), ERR_FORMAT);
    free(data);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("model_pickle");
    TCase *t = tcase_create("pickle");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, pickle_read_scalars);
    tcase_add_test(t, pickle_read_containers_and_calls);
    tcase_add_test(t, pickle_read_cycle);
    tcase_add_loop_test(t, pickle_read_refuses, 0, (int)ARRAY_LEN(bad));
    tcase_add_test(t, pickle_read_bounded);
    suite_add_tcase(s, t);
    return unit_run(s);
}

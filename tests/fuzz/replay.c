/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Drives a fuzz target without a fuzzer: each file of its corpus as it is, then
 * changed a fixed number of times, by numbers drawn from its bytes, and so the
 * same everywhere. The corpus is tests/fuzz/corpus/TARGET, or the operands:
 * folders and files, which is also how to run what a fuzzer found.
 *
 * An input that ends the process is left in replay-TARGET.crash. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

#include "base/file.h"
#include "fuzz.h"

enum { CHANGES = 60 }; /* of each file */

static char crash_file[256];
static struct strbuf input; /* what the target has now */

static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static size_t below(uint64_t *state, size_t n)
{
    return n ? (size_t)(draw(state) % n) : 0;
}

static uint64_t hash(const struct strbuf *s)
{
    uint64_t h = 0xcbf29ce484222325;

    for (size_t i = 0; i < s->len; i++)
        h = (h ^ (unsigned char)s->s[i]) * 0x100000001b3;
    return h;
}

/* One change: of a bit, a byte, the digits of a number, a piece left out, put
 * in twice or copied over another, an end. */
static void change(struct strbuf *out, uint64_t *r)
{
    static const unsigned char telling[] = { 0, 1, 0x7f, 0x80, 0xff, '0', '9',
                                             '-', '"', '\n', '{', '[' };
    struct strbuf old = *out;
    size_t at = below(r, old.len), n = 1 + below(r, 32), to;

    if (!old.len)
        return;
    n = n < old.len - at ? n : old.len - at;
    to = below(r, old.len - n + 1);
    switch (below(r, 8)) {
    case 0:
        old.s[at] ^= (char)(1 << below(r, 8));
        return;
    case 1:
        old.s[at] = (char)telling[below(r, sizeof(telling))];
        return;
    case 2:
        old.s[at] = (char)draw(r);
        return;
    case 3:
        at += strcspn(old.s + at, "0123456789");
        while (at < old.len && old.s[at] >= '0' && old.s[at] <= '9')
            old.s[at++] = (char)('0' + below(r, 10));
        return;
    case 4:
        memmove(old.s + to, old.s + at, n);
        return;
    case 5:
        out->len = at;
        return;
    case 6:
        strbuf_init(out);
        strbuf_add(out, old.s, at);
        strbuf_add(out, old.s + at + n, old.len - at - n);
        break;
    default:
        strbuf_init(out);
        strbuf_add(out, old.s, at + n);
        strbuf_add(out, old.s + at, old.len - at);
    }
    strbuf_release(&old);
}

/* The target gets a copy of its own, so that reading behind it shows. */
static void one(const char *text, size_t n)
{
    uint8_t *copy = xmalloc(n + 1);

    strbuf_reset(&input);
    strbuf_add(&input, text, n);
    memcpy(copy, text, n);
    LLVMFuzzerTestOneInput(copy, n);
    free(copy);
}

static void on_signal(int sig)
{
    int fd = open(crash_file, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    static const char what[] = "the input is left in ";

    if (fd >= 0 && write(fd, input.s, input.len) == (ssize_t)input.len &&
        write(STDERR_FILENO, what, sizeof(what) - 1) > 0 &&
        write(STDERR_FILENO, crash_file, strlen(crash_file)) > 0)
        (void)!write(STDERR_FILENO, "\n", 1);
    signal(sig, SIG_DFL);
    raise(sig);
}

static size_t replay(const char *path, int changes)
{
    struct strbuf text = STRBUF_INIT;
    struct err err;
    uint64_t r;

    if (file_read(&text, path, 1 << 26, &err)) {
        fprintf(stderr, "%s\n", err.msg);
        exit(99);
    }
    one(text.s, text.len);
    r = hash(&text);
    for (int i = 0; i < changes; i++) {
        struct strbuf changed = STRBUF_INIT;

        strbuf_add(&changed, text.s, text.len);
        for (size_t n = 1 + below(&r, 4); n > 0; n--)
            change(&changed, &r);
        one(changed.s, changed.len);
        strbuf_release(&changed);
    }
    strbuf_release(&text);
    return (size_t)changes + 1;
}

static size_t replay_folder(const char *path)
{
    struct dirent **item;
    int n = scandir(path, &item, NULL, alphasort);
    size_t runs = 0;

    if (n < 0 && errno == ENOTDIR)
        return replay(path, 0);
    for (int i = 0; i < n; i++) {
        char *file = xasprintf("%s/%s", path, item[i]->d_name);

        if (*item[i]->d_name != '.')
            runs += replay(file, CHANGES);
        free(file);
        free(item[i]);
    }
    if (n >= 0)
        free(item);
    return runs;
}

int main(int argc, char **argv)
{
    static const int signals[] = { SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL,
                                   SIGTERM };
    const char *name = strstr(argv[0], "fuzz_"), *top = getenv("TOP_SRCDIR");
    size_t runs = 0;

    for (const char *next = name; next; next = strstr(next + 1, "fuzz_"))
        name = next;
    name = name ? name + 5 : "target";
    strbuf_init(&input);
    snprintf(crash_file, sizeof(crash_file), "replay-%s.crash", name);
    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        signal(signals[i], on_signal);
#ifndef __SANITIZE_ADDRESS__ /* whose shadow is larger than any memory */
    setrlimit(RLIMIT_AS, &(struct rlimit){ (rlim_t)4 << 30, (rlim_t)4 << 30 });
#endif
    if (argc < 2) {
        char *corpus = xasprintf("%s/tests/fuzz/corpus/%s", top ? top : ".",
                                 name);

        runs = replay_folder(corpus);
        free(corpus);
    }
    for (int i = 1; i < argc; i++)
        runs += replay_folder(argv[i]);
    printf("%s: %zu inputs\n", name, runs);
    strbuf_release(&input);
    return runs ? 0 : 99;
}

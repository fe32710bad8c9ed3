/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/suggest.h"

#include <string.h>

enum { CUT = 63 };

static int min(int a, int b)
{
    return a < b ? a : b;
}

int suggest_distance(const char *a, const char *b)
{
    int row[3][CUT + 1] = {0};
    int n = (int)strnlen(a, CUT), m = (int)strnlen(b, CUT);
    int *old = row[0], *last = row[1], *now = row[2];

    for (int j = 0; j <= m; j++)
        last[j] = j;
    for (int i = 1; i <= n; i++) {
        int *spare = old;

        now[0] = i;
        for (int j = 1; j <= m; j++) {
            now[j] = min(min(last[j] + 1, now[j - 1] + 1),
                         last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = min(now[j], old[j - 2] + 1);
        }
        old = last;
        last = now;
        now = spare;
    }
    return last[m];
}

static int is_end_of(const char *word, const char *name)
{
    size_t n = strlen(name), k = strlen(word);

    return k && n > k && name[n - k - 1] == '.' && !strcmp(name + n - k, word);
}

static int is_beginning(const char *word, const char *name)
{
    return *word && !strncmp(word, name, strlen(word));
}

const char *suggest_name(const char *word, const char *const *names, size_t n)
{
    int len = (int)strnlen(word, CUT);
    int best = len < 4 ? 1 : len < 9 ? 2 : len / 3;
    const char *found = NULL;

    for (size_t i = 0; i < n; i++)
        if (is_end_of(word, names[i]) || is_beginning(word, names[i]))
            return names[i];
    for (size_t i = 0; i < n; i++) {
        int d = suggest_distance(word, names[i]);

        if (d < best || (d == best && !found)) {
            best = d;
            found = names[i];
        }
    }
    return found;
}

int suggest_error(struct err *err, int code, const char *path,
                  const char *word, const char *const *names, size_t n)
{
    const char *name = suggest_name(word, names, n), *dot = *path ? "." : "";

    if (!name)
        return err_set(err, code, "%s%s%.60s: no such setting", path, dot,
                       word);
    return err_set(err, code, "%s%s%.60s: no such setting (did you mean "
                   "%s%s%s?)", path, dot, word, path, dot, name);
}

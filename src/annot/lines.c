/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/lines.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char space[] = " \t\r\v\f";

void lines_init(struct lines *l, char *text, const char *name)
{
    *l = (struct lines){ .next = text, .name = name };
    if (!strncmp(text, "\xef\xbb\xbf", 3))
        l->next += 3;
}

int lines_bad(const struct lines *l, struct err *err, const char *what)
{
    return err_set(err, ERR_FORMAT, "%s:%d: %s", l->name, l->number, what);
}

bool lines_only_space(const char *s)
{
    return !s[strspn(s, " \t\r\v\f\n")];
}

bool lines_done(const struct lines *l)
{
    return lines_only_space(l->next);
}

/* An empty line may stand here. */
static bool gap_allowed(const struct lines *l, const char *line)
{
    return l->gaps == LINES_GAPS ||
           (l->gaps == LINES_BLANK_GAPS && (*line == ' ' || *line == '\t'));
}

int lines_next(struct lines *l, char **line, struct err *err)
{
    *line = NULL;
    while (*l->next) {
        char *s = l->next;
        size_t len = strcspn(s, "\n");

        l->number++;
        l->next = s + len + (s[len] != 0);
        s[len] = 0;
        if ((*s == '#' && !l->comments) || *s == '\\')
            continue;
        while (len && strchr(space, s[len - 1]))
            len--;
        if (!len) {
            if (gap_allowed(l, s))
                continue;
            if (lines_done(l))
                break;
            return lines_bad(l, err, "an empty line: remove it");
        }
        s[len] = 0;
        *line = s;
        return 0;
    }
    return 0;
}

char *lines_column(char **s)
{
    char *begin = *s + strspn(*s, space);
    size_t len = strcspn(begin, space);

    *s = begin + len;
    if (**s)
        *(*s)++ = 0;
    return len ? begin : NULL;
}

/* strtod alone would take more than decimals. */
bool lines_number(double *out, const char *word)
{
    char *end;

    if (!word || word[strspn(word, "0123456789+-.eE")])
        return false;
    *out = strtod(word, &end);
    return end != word && !*end && isfinite(*out);
}

bool lines_position(int *out, const char *word)
{
    double v;

    if (!lines_number(&v, word) || v < 0 || v > 1000 || v != floor(v))
        return false;
    *out = (int)v;
    return true;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

char strbuf_empty[1];

static void grow(struct strbuf *sb, size_t n)
{
    size_t cap = sb->cap ? sb->cap : 64;

    if (sb->cap && sb->len + n + 1 <= sb->cap)
        return;
    while (cap < sb->len + n + 1)
        cap *= 2;
    sb->s = xreallocarray(sb->cap ? sb->s : NULL, cap, 1);
    sb->s[sb->len] = 0;
    sb->cap = cap;
}

void strbuf_init(struct strbuf *sb)
{
    *sb = (struct strbuf)STRBUF_INIT;
}

void strbuf_release(struct strbuf *sb)
{
    if (sb->cap)
        free(sb->s);
    strbuf_init(sb);
}

void strbuf_reset(struct strbuf *sb)
{
    sb->len = 0;
    if (sb->cap)
        sb->s[0] = 0;
}

void strbuf_add(struct strbuf *sb, const void *data, size_t n)
{
    grow(sb, n);
    memcpy(sb->s + sb->len, data, n);
    sb->len += n;
    sb->s[sb->len] = 0;
}

void strbuf_addstr(struct strbuf *sb, const char *s)
{
    strbuf_add(sb, s, strlen(s));
}

void strbuf_addch(struct strbuf *sb, char c)
{
    strbuf_add(sb, &c, 1);
}

void strbuf_addf(struct strbuf *sb, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    grow(sb, (size_t)n);
    va_start(ap, fmt);
    vsnprintf(sb->s + sb->len, (size_t)n + 1, fmt, ap);
    va_end(ap);
    sb->len += (size_t)n;
}

char *strbuf_detach(struct strbuf *sb)
{
    char *s;

    grow(sb, 0);
    s = sb->s;
    strbuf_init(sb);
    return s;
}

void strbuf_addmarkup(struct strbuf *sb, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '&')
            strbuf_addstr(sb, "&amp;");
        else if (c == '<')
            strbuf_addstr(sb, "&lt;");
        else if (c == '>')
            strbuf_addstr(sb, "&gt;");
        else if (c == '"')
            strbuf_addstr(sb, "&quot;");
        else if (c == '\'')
            strbuf_addstr(sb, "&#39;");
        else if (c < 0x20 && c != '\n' && c != '\t')
            strbuf_addstr(sb, "&#xfffd;");
        else
            strbuf_addch(sb, (char)c);
    }
}

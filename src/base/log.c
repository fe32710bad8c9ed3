/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

static int current = LOG_WARN;

void log_set_level(int level)
{
    current = level;
}

int log_level(void)
{
    return current;
}

/* Those of ASCII and, in UTF-8, C1. *n becomes the bytes at p to pass over. */
static int is_control(const unsigned char *p, int *n)
{
    *n = p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0 ? 2 : 1;
    return *n == 2 || p[0] < ' ' || p[0] == 0x7f;
}

char *log_plain(char *out, size_t size, const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t at = 0;
    int n;

    for (; *p && at + 9 < size; p += n)
        if (!is_control(p, &n))
            out[at++] = (char)*p;
        else if (*p == '\n' || *p == '\r' || *p == '\t')
            at += (size_t)sprintf(out + at, "\\%c",
                                  *p == '\n' ? 'n' : *p == '\r' ? 'r' : 't');
        else
            for (int i = 0; i < n; i++)
                at += (size_t)sprintf(out + at, "\\x%02x", p[i]);
    out[at] = '\0';
    return out;
}

/* One write, so that the lines of several workers do not mix. */
static void say(int level, const char *kind, const char *fmt, va_list ap)
{
    char line[2048], plain[4096];

    if (level > current)
        return;
    vsnprintf(line, sizeof(line), fmt, ap);
    fprintf(stderr, "mfm: %s%s\n", kind,
            log_plain(plain, sizeof(plain), line));
}

#define LOG_BODY(level, kind)        \
    va_list ap;                      \
    va_start(ap, fmt);               \
    say(level, kind, fmt, ap);       \
    va_end(ap)

void log_error(const char *fmt, ...)
{
    LOG_BODY(LOG_ERROR, "");
}

void log_warn(const char *fmt, ...)
{
    LOG_BODY(LOG_WARN, "warning: ");
}

void log_note(const char *fmt, ...)
{
    LOG_BODY(LOG_WARN, "");
}

void log_info(const char *fmt, ...)
{
    LOG_BODY(LOG_INFO, "");
}

void log_debug(const char *fmt, ...)
{
    LOG_BODY(LOG_DEBUG, "");
}

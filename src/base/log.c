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

/* One write, so that the lines of several workers do not mix. */
static void say(int level, const char *kind, const char *fmt, va_list ap)
{
    char line[2048];

    if (level > current)
        return;
    vsnprintf(line, sizeof(line), fmt, ap);
    fprintf(stderr, "mfm: %s%s\n", kind, line);
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

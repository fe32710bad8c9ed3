/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void progress_init(struct progress *p, const struct cmd_common *c,
                   size_t total, int stderr_is_tty)
{
    *p = (struct progress){ .total = total, .start = now() };
    p->last = p->start;
    if (c->quiet || !strcmp(c->progress, "never"))
        p->mode = PROGRESS_OFF;
    else if (stderr_is_tty || !strcmp(c->progress, "always"))
        p->mode = PROGRESS_BAR;
    else
        p->mode = PROGRESS_LINES;
}

static int add_time(char *buf, size_t n, double seconds)
{
    long s = (long)(seconds + 0.5);

    if (s >= 3600)
        return snprintf(buf, n, ", %ld:%02ld:%02ld left", s / 3600,
                        s / 60 % 60, s % 60);
    return snprintf(buf, n, ", %ld:%02ld left", s / 60, s % 60);
}

void progress_text(char *buf, size_t n, size_t done, size_t total, double part,
                   double seconds, const char *name)
{
    double share;
    size_t at;

    part = part > 0 ? part < 1 ? part : 1 : 0;
    share = total ? ((double)done + part) / (double)total : 1;
    snprintf(buf, n, "%zu/%zu files, %d %%", done, total, (int)(100 * share));
    at = strlen(buf);
    /* an estimate from less would jump about */
    if (share > 0.01 && share < 1 && seconds > 1)
        add_time(buf + at, n - at, seconds * (1 - share) / share);
    at = strlen(buf);
    if (name && done < total)
        snprintf(buf + at, n - at, ": %s", name);
}

void progress_show(struct progress *p, size_t done, double part,
                   const char *name)
{
    enum { WIDTH = 79 };
    double t, every = p->mode == PROGRESS_BAR ? 0.1 : 10;
    char text[512];
    int n;

    if (p->mode == PROGRESS_OFF)
        return;
    t = now();
    if (t - p->last < every)
        return;
    p->last = t;
    progress_text(text, sizeof(text), done, p->total, part, t - p->start,
                  name);
    if (p->mode == PROGRESS_LINES) {
        fprintf(stderr, "mfm: %s\n", text);
        return;
    }
    n = (int)strlen(text);
    n = n < WIDTH ? n : WIDTH;
    fprintf(stderr, "\r%-*.*s", p->drawn, n, text);
    p->drawn = n;
}

void progress_clear(struct progress *p)
{
    if (p->drawn)
        fprintf(stderr, "\r%*s\r", p->drawn, "");
    p->drawn = 0;
}

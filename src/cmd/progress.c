/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"

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

double progress_seconds(const struct progress *p)
{
    return now() - p->start;
}

void progress_rate(char *buf, size_t n, double heard, double seconds)
{
    double rate = seconds > 0 ? heard / seconds : 0;

    *buf = '\0';
    if (rate >= 0.05)
        snprintf(buf, n, rate < 10 ? ", %.1f times real time"
                                   : ", %.0f times real time", rate);
}

static void add_time(char *buf, size_t n, double seconds)
{
    long s = (long)(seconds + 0.5);

    if (s >= 3600)
        snprintf(buf, n, ", %ld:%02ld:%02ld left", s / 3600, s / 60 % 60,
                 s % 60);
    else
        snprintf(buf, n, ", %ld:%02ld left", s / 60, s % 60);
}

static double share_done(const struct progress *p)
{
    double share = p->total ? ((double)p->done + p->parts) / (double)p->total
                            : 1;

    return share < 0 ? 0 : share < 1 ? share : 1;
}

void progress_text(char *buf, size_t n, const struct progress *p,
                   double seconds, const char *name)
{
    double share = share_done(p);
    size_t at;

    snprintf(buf, n, "%zu/%zu files, %d %%", p->done, p->total,
             (int)(100 * share));
    at = strlen(buf);
    /* estimates from less would jump about */
    if (seconds > 1)
        progress_rate(buf + at, n - at, p->heard, seconds);
    at = strlen(buf);
    if (share > 0.01 && share < 1 && seconds > 1)
        add_time(buf + at, n - at, seconds * (1 - share) / share);
    at = strlen(buf);
    if (name && p->done < p->total)
        snprintf(buf + at, n - at, ": %s", name);
}

static void draw_bar(char *buf, double share)
{
    enum { CELLS = 10 };
    int full = (int)(share * CELLS);

    *buf++ = '[';
    for (int i = 0; i < CELLS; i++)
        *buf++ = i < full ? '#' : '.';
    strcpy(buf, "] ");
}

void progress_show(struct progress *p, const char *name)
{
    enum { WIDTH = 79 };
    double t, every = p->mode == PROGRESS_BAR ? 0.1 : 10;
    char text[512], plain[512];
    size_t at;
    int n;

    if (p->mode == PROGRESS_OFF)
        return;
    t = now();
    if (t - p->last < every)
        return;
    p->last = t;
    *text = '\0';
    if (p->mode == PROGRESS_BAR)
        draw_bar(text, share_done(p));
    at = strlen(text);
    progress_text(text + at, sizeof(text) - at, p, t - p->start,
                  log_plain(plain, sizeof(plain), name));
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

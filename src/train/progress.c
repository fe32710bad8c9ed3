/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/progress.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void train_progress_init(struct train_progress *p, FILE *f,
                         enum train_progress_mode mode, int64_t first)
{
    *p = (struct train_progress){ .f = f, .mode = mode, .first = first };
    p->last = p->start = now();
}

__attribute__((format(printf, 3, 4)))
static void append(char *buf, size_t n, const char *fmt, ...)
{
    size_t at = strlen(buf);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(buf + at, n - at, fmt, ap);
    va_end(ap);
}

static void append_time(char *buf, size_t n, double seconds)
{
    long s = (long)(seconds + 0.5);

    if (s >= 86400)
        append(buf, n, ", %ld d %ld h left", s / 86400, s / 3600 % 24);
    else if (s >= 3600)
        append(buf, n, ", %ld:%02ld:%02ld left", s / 3600, s / 60 % 60,
               s % 60);
    else
        append(buf, n, ", %ld:%02ld left", s / 60, s % 60);
}

void train_progress_text(char *buf, size_t n, const struct train_state *s,
                         int64_t first, double seconds)
{
    int64_t done = s->step - first;

    snprintf(buf, n, "step %lld/%lld", (long long)s->step,
             (long long)s->steps);
    if (!isnan(s->loss))
        append(buf, n, ", loss %.4f", s->loss);
    if (!isnan(s->accuracy))
        append(buf, n, ", accuracy %.1f %%", 100 * s->accuracy);
    if (!isnan(s->hours_per_s))
        append(buf, n, ", %.3g h/s", s->hours_per_s);
    /* an estimate from less would jump about */
    if (done > 0 && seconds > 1 && s->step < s->steps)
        append_time(buf, n, seconds * (double)(s->steps - s->step) /
                    (double)done);
}

void train_progress_show(struct train_progress *p,
                         const struct train_state *s)
{
    enum { WIDTH = 79 };
    double t, every = p->mode == TRAIN_BAR ? 0.1 : 10;
    char text[256];
    int n;

    if (p->mode == TRAIN_SILENT)
        return;
    t = now();
    if (t - p->last < every)
        return;
    p->last = t;
    train_progress_text(text, sizeof(text), s, p->first, t - p->start);
    if (p->mode == TRAIN_LINES) {
        fprintf(p->f, "mfm: %s\n", text);
        fflush(p->f);
        return;
    }
    n = (int)strlen(text);
    n = n < WIDTH ? n : WIDTH;
    fprintf(p->f, "\r%-*.*s", p->drawn, n, text);
    fflush(p->f);
    p->drawn = n;
}

void train_progress_clear(struct train_progress *p)
{
    if (p->drawn) {
        fprintf(p->f, "\r%*s\r", p->drawn, "");
        fflush(p->f);
    }
    p->drawn = 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/chart.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/xalloc.h"

/* The picture in units of its own, which the page scales. */
enum { WIDTH = 560, HEIGHT = 240, LEFT = 56, RIGHT = 12, TOP = 10,
       BOTTOM = 26, MANY = 200 };

struct axes {
    double x0, x1, y0, y1;
};

double chart_tick(double span, int n)
{
    double raw = span / n, unit = pow(10, floor(log10(raw)));
    double share = raw / unit;

    return unit * (share < 1.5 ? 1 : share < 3.5 ? 2 : share < 7.5 ? 5 : 10);
}

/* The difference of two such values is a number too. */
static int is_usable(double v)
{
    return fabs(v) < 1e300;
}

static double at_x(const struct axes *a, double x)
{
    return LEFT + (x - a->x0) / (a->x1 - a->x0) * (WIDTH - LEFT - RIGHT);
}

static double at_y(const struct axes *a, double y)
{
    return HEIGHT - BOTTOM -
           (y - a->y0) / (a->y1 - a->y0) * (HEIGHT - TOP - BOTTOM);
}

static struct axes fit(const struct metrics_series *const *curve, int n,
                       int64_t first, int64_t last)
{
    struct axes a = { (double)first, (double)last, INFINITY, -INFINITY };
    double room;

    for (int k = 0; k < n; k++)
        for (size_t i = 0; i < curve[k]->n; i++) {
            double v = curve[k]->value[i];

            if (is_usable(v)) {
                a.y0 = v < a.y0 ? v : a.y0;
                a.y1 = v > a.y1 ? v : a.y1;
            }
        }
    if (a.y0 > a.y1)
        a.y0 = a.y1 = 0;
    room = 0.05 * (a.y1 - a.y0);
    /* a level line, or one whose width is lost in rounding */
    if (!(room > 1e-12 * (fabs(a.y0) + fabs(a.y1))) || !isfinite(room))
        room = a.y1 ? 0.1 * fabs(a.y1) : 1;
    /* 0 is a bound of most that is measured here */
    a.y0 = a.y0 >= 0 && a.y0 < 2 * room ? 0 : a.y0 - room;
    a.y1 += room;
    if (a.x1 <= a.x0)
        a.x1 = a.x0 + 1;
    return a;
}

static void step_label(struct strbuf *out, double v)
{
    double m = fabs(v);

    if (m >= 1e6)
        strbuf_addf(out, "%gM", v / 1e6);
    else if (m >= 1e4)
        strbuf_addf(out, "%gk", v / 1e3);
    else
        strbuf_addf(out, "%g", v);
}

static void grid_x(struct strbuf *out, const struct axes *a)
{
    double tick = chart_tick(a->x1 - a->x0, 6);

    tick = tick < 1 ? 1 : tick;
    for (double v = ceil(a->x0 / tick) * tick; v <= a->x1; v += tick) {
        double x = at_x(a, v);

        strbuf_addf(out, "<text class=\"tick\" x=\"%.1f\" y=\"%d\" "
                    "text-anchor=\"middle\">", x, HEIGHT - 8);
        step_label(out, v);
        strbuf_addstr(out, "</text>");
    }
}

static void grid_y(struct strbuf *out, const struct axes *a)
{
    double tick = chart_tick(a->y1 - a->y0, 4);
    double from = ceil(a->y0 / tick);

    for (int i = 0; i < 12 && (from + i) * tick <= a->y1; i++) {
        double v = (from + i) * tick, y = at_y(a, v);

        strbuf_addf(out, "<line class=\"grid\" x1=\"%d\" x2=\"%d\" "
                    "y1=\"%.1f\" y2=\"%.1f\"/><text class=\"tick\" x=\"%d\" "
                    "y=\"%.1f\" text-anchor=\"end\">%.4g</text>", LEFT,
                    WIDTH - RIGHT, y, y, LEFT - 6, y + 4,
                    fabs(v) < 1e-9 * tick ? 0.0 : v);
    }
}

/* The lowest and highest value of one column, in the order they came. */
struct column {
    double x_low, low, x_high, high;
    int n, at;
};

static void column_put(struct strbuf *out, const struct axes *a,
                       const struct column *c, char *pen)
{
    double x[2] = { c->x_low, c->x_high }, y[2] = { c->low, c->high };
    int first = c->x_high < c->x_low;

    if (!c->n)
        return;
    for (int k = 0; k < (c->low == c->high ? 1 : 2); k++) {
        strbuf_addf(out, "%c%.1f %.1f", *pen, at_x(a, x[k ^ first]),
                    at_y(a, y[k ^ first]));
        *pen = 'L';
    }
}

static void column_add(struct column *c, double x, double y)
{
    if (!c->n || y < c->low) {
        c->low = y;
        c->x_low = x;
    }
    if (!c->n || y > c->high) {
        c->high = y;
        c->x_high = x;
    }
    c->n++;
}

static void path(struct strbuf *out, const struct axes *a,
                 const struct metrics_series *s, const double *value,
                 const char *class)
{
    struct column c = {0};
    char pen = 'M';

    strbuf_addf(out, "<path class=\"%s\" d=\"", class);
    for (size_t i = 0; i < s->n; i++) {
        double x = (double)s->step[i];
        int at = (int)at_x(a, x);
        int finite = is_usable(value[i]);

        if (at != c.at || !finite) {
            column_put(out, a, &c, &pen);
            c = (struct column){ .at = at };
        }
        if (finite)
            column_add(&c, x, value[i]);
        else
            pen = 'M';
    }
    column_put(out, a, &c, &pen);
    strbuf_addstr(out, "\"/>");
}

/* The mean of the finite ones among the values around each. */
static double *smooth(const struct metrics_series *s)
{
    double *out = xcalloc(s->n, sizeof(*out)), sum = 0;
    size_t half = s->n / 100, from = 0, to = 0, count = 0;

    for (size_t i = 0; i < s->n; i++) {
        for (; to < s->n && to <= i + half; to++)
            if (is_usable(s->value[to])) {
                sum += s->value[to];
                count++;
            }
        for (; from + half < i; from++)
            if (is_usable(s->value[from])) {
                sum -= s->value[from];
                count--;
            }
        out[i] = count ? sum / (double)count : NAN;
    }
    return out;
}

/* Whether a curve goes up and down so often that a mean tells more: a schedule
 * does not. */
static int is_noisy(const struct metrics_series *s)
{
    double way = 0, low = INFINITY, high = -INFINITY, before = NAN;

    for (size_t i = 0; i < s->n; i++) {
        double v = s->value[i];

        if (!is_usable(v))
            continue;
        if (is_usable(before))
            way += fabs(v - before);
        before = v;
        low = v < low ? v : low;
        high = v > high ? v : high;
    }
    return s->n > MANY && way > 5 * (high - low);
}

static void curve_svg(struct strbuf *out, const struct axes *a,
                      const struct metrics_series *s, int k)
{
    int noisy = is_noisy(s);
    char class[32];

    snprintf(class, sizeof(class), noisy ? "c%d raw" : "c%d", k);
    path(out, a, s, s->value, class);
    if (noisy) {
        double *mean = smooth(s);

        snprintf(class, sizeof(class), "c%d", k);
        path(out, a, s, mean, class);
        free(mean);
    } else if (s->n == 1 && is_usable(s->value[0])) {
        strbuf_addf(out, "<circle class=\"c%d\" r=\"3\" cx=\"%.1f\" "
                    "cy=\"%.1f\"/>", k, at_x(a, (double)s->step[0]),
                    at_y(a, s->value[0]));
    }
}

void chart_svg(struct strbuf *out, const struct metrics_series *const *curve,
               int n, int64_t first, int64_t last)
{
    struct axes a = fit(curve, n, first, last);

    strbuf_addf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\">", WIDTH,
                HEIGHT);
    grid_y(out, &a);
    grid_x(out, &a);
    for (int k = 0; k < n; k++)
        curve_svg(out, &a, curve[k], k);
    strbuf_addstr(out, "</svg>");
}

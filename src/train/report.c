/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "train/chart.h"
#include "train/metrics.h"

enum { CURVES = 6 }; /* in one picture: colours c0..c5 */

/* What pretraining and probing write, in the order of the page. */
static const struct known {
    const char *name, *title;
} known[] = {
    { "loss", "Loss" },
    { "accuracy", "Accuracy on masked frames" },
    { "grad_norm", "Gradient norm" },
    { "lr", "Learning rate" },
    { "hours_per_s", "Speed, hours of audio a second" },
    { "perplexity", "Codebook perplexity" },
    { "codes_used", "Codebook use" },
};

struct panel {
    char *base;
    const char *title;
    const struct metrics_series *curve[CURVES];
    int n;
};

struct page {
    struct panel *panel;
    size_t n, cap;
    int64_t first, last; /* steps */
};

/* The picture that a number belongs to: its name without valid_ before and,
 * where a known name is followed by _, without what comes behind. */
static char *base_of(const char *name)
{
    if (!strncmp(name, "valid_", 6) && name[6])
        name += 6;
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        size_t n = strlen(known[i].name);

        if (!strncmp(name, known[i].name, n) && name[n] == '_')
            return xstrdup(known[i].name);
    }
    return xstrdup(name);
}

static void add_panel(struct page *p, const char *base, const char *title)
{
    ARRAY_GROW(p->panel, p->n, p->cap);
    p->panel[p->n++] = (struct panel){ .base = xstrdup(base),
                                       .title = title };
}

static struct panel *find_panel(struct page *p, const char *base)
{
    for (size_t i = 0; i < p->n; i++)
        if (!strcmp(p->panel[i].base, base) && p->panel[i].n < CURVES)
            return &p->panel[i];
    add_panel(p, base, NULL);
    return &p->panel[p->n - 1];
}

static void page_make(struct page *p, const struct metrics_table *t)
{
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        add_panel(p, known[i].name, known[i].title);
    p->first = INT64_MAX;
    p->last = INT64_MIN;
    for (size_t i = 0; i < t->n; i++) {
        const struct metrics_series *s = &t->series[i];
        char *base = base_of(s->name);
        struct panel *panel = find_panel(p, base);

        panel->curve[panel->n++] = s;
        free(base);
        for (size_t k = 0; k < s->n; k++) {
            p->first = s->step[k] < p->first ? s->step[k] : p->first;
            p->last = s->step[k] > p->last ? s->step[k] : p->last;
        }
    }
}

static void page_release(struct page *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->panel[i].base);
    free(p->panel);
}

static const char head[] =
    "<meta name=\"viewport\" content=\"width=device-width\">\n<style>\n"
    ":root{color-scheme:light dark;--bg:#f6f6f4;--card:#fff;--ink:#1d1d1f;"
    "--soft:#6b6b70;--line:#e4e4e0;--c0:#2563c9;--c1:#c2570c;--c2:#15803d;"
    "--c3:#9333b5;--c4:#b91c44;--c5:#0e7490}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#141416;--card:#1d1d20;"
    "--ink:#ececee;--soft:#9a9aa2;--line:#323238;--c0:#6ea4ff;--c1:#ff9f5a;"
    "--c2:#5fd38a;--c3:#d291f0;--c4:#ff7d9c;--c5:#5cc9dd}}\n"
    "*{box-sizing:border-box}body{margin:0;padding:28px;background:var(--bg);"
    "color:var(--ink);font:15px/1.45 system-ui,sans-serif}\n"
    "main{max-width:1240px;margin:auto}h1{font-size:22px;margin:0;"
    "overflow-wrap:anywhere}\n"
    ".sub{color:var(--soft);margin:2px 0 20px}\n"
    ".grid2{display:grid;gap:16px;grid-template-columns:repeat(auto-fill,"
    "minmax(min(100%,400px),1fr))}\n"
    "section,details{background:var(--card);border:1px solid var(--line);"
    "border-radius:10px;padding:14px 16px}\n"
    "h2{font-size:15px;font-weight:600;margin:0;overflow-wrap:anywhere}\n"
    ".key{display:flex;flex-wrap:wrap;gap:2px 14px;margin:2px 0 6px;"
    "font-size:13px;color:var(--soft);font-variant-numeric:tabular-nums}\n"
    ".key i{display:inline-block;width:10px;height:10px;border-radius:3px;"
    "margin-right:6px}.key b{color:var(--ink);font-weight:600}\n"
    "svg{display:block;width:100%;height:auto}\n"
    "path{fill:none;stroke-width:2;stroke-linejoin:round;"
    "stroke-linecap:round}.raw{stroke-width:1;opacity:.3}\n"
    ".grid{stroke:var(--line)}.tick{fill:var(--soft);font-size:11px;"
    "font-variant-numeric:tabular-nums}\n"
    "details{margin-top:16px}summary{cursor:pointer;font-weight:600}"
    "pre{white-space:pre-wrap;overflow-wrap:anywhere;font-size:13px;"
    "margin:10px 0 0}\n";

static void put_head(struct strbuf *out, const char *title)
{
    strbuf_addstr(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n"
                  "<meta charset=\"utf-8\">\n<title>");
    strbuf_addmarkup(out, title);
    strbuf_addstr(out, "</title>\n");
    strbuf_addstr(out, head);
    for (int i = 0; i < CURVES; i++)
        strbuf_addf(out, "path.c%d{stroke:var(--c%d)}circle.c%d,i.c%d{"
                    "fill:var(--c%d);background:var(--c%d)}\n", i, i, i, i, i,
                    i);
    strbuf_addstr(out, "</style>\n</head>\n<body>\n<main>\n<h1>");
    strbuf_addmarkup(out, title);
    strbuf_addstr(out, "</h1>\n");
}

static void put_number(struct strbuf *out, double v)
{
    if (isfinite(v))
        strbuf_addf(out, "%.4g", v);
    else
        strbuf_addstr(out, "no number");
}

static void put_panel(struct strbuf *out, const struct page *page,
                      const struct panel *p)
{
    strbuf_addstr(out, "<section><h2>");
    strbuf_addmarkup(out, p->title ? p->title : p->base);
    strbuf_addstr(out, "</h2><div class=\"key\">");
    for (int i = 0; i < p->n; i++) {
        strbuf_addf(out, "<span><i class=\"c%d\"></i>", i);
        strbuf_addmarkup(out, p->curve[i]->name);
        strbuf_addstr(out, " <b>");
        put_number(out, p->curve[i]->value[p->curve[i]->n - 1]);
        strbuf_addstr(out, "</b></span>");
    }
    strbuf_addstr(out, "</div>");
    chart_svg(out, p->curve, p->n, page->first, page->last);
    strbuf_addstr(out, "</section>\n");
}

static void put_page(struct strbuf *out, const struct page *page,
                     const char *title, const char *note)
{
    put_head(out, title);
    if (page->first > page->last)
        strbuf_addstr(out, "<p class=\"sub\">No steps yet</p>\n");
    else
        strbuf_addf(out, "<p class=\"sub\">Step %lld</p>\n",
                    (long long)page->last);
    strbuf_addstr(out, "<div class=\"grid2\">\n");
    for (size_t i = 0; i < page->n; i++)
        if (page->panel[i].n)
            put_panel(out, page, &page->panel[i]);
    strbuf_addstr(out, "</div>\n");
    if (note) {
        strbuf_addstr(out, "<details><summary>Settings</summary><pre>");
        strbuf_addmarkup(out, note);
        strbuf_addstr(out, "</pre></details>\n");
    }
    strbuf_addstr(out, "</main>\n</body>\n</html>\n");
}

int report_write(const char *html, const char *metrics, const char *title,
                 const char *note, struct err *err)
{
    struct strbuf text = STRBUF_INIT;
    struct metrics_table t = {0};
    struct file_out out = {0};
    struct page page = {0};
    int rc;

    TRY(metrics_read(&t, metrics, err));
    page_make(&page, &t);
    put_page(&text, &page, title, note);
    rc = file_out_open(&out, html, err);
    if (!rc) {
        fwrite(text.s, 1, text.len, out.f);
        rc = file_out_commit(&out, err);
    }
    file_out_abort(&out);
    page_release(&page);
    metrics_table_release(&t);
    strbuf_release(&text);
    return rc;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "write/html.h"

#include <math.h>
#include <nettle/base64.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "audio/encode.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "write/json.h"
#include "write/text.h"

enum { PEAKS_PER_S = 100 };

/* The files, as the bytes that make turns them into. */
static const unsigned char page_html[] = {
#include "write/page.html.inc"
};
static const unsigned char page_css[] = {
#include "write/page.css.inc"
};
static const unsigned char page_js[] = {
#include "write/page.js.inc"
#include "write/page_play.js.inc"
};

static void add_base64(struct strbuf *out, const unsigned char *x, size_t n)
{
    enum { PIECE = 3 << 12 };
    char text[BASE64_ENCODE_RAW_LENGTH(PIECE)];

    for (size_t at = 0; at < n; at += PIECE) {
        size_t part = n - at < PIECE ? n - at : PIECE;

        base64_encode_raw(text, part, x + at);
        strbuf_add(out, text, BASE64_ENCODE_RAW_LENGTH(part));
    }
}

static void add_bytes(cJSON *o, const char *name, const unsigned char *x,
                      size_t n)
{
    struct strbuf text = STRBUF_INIT;

    add_base64(&text, x, n);
    cJSON_AddStringToObject(o, name, text.s);
    strbuf_release(&text);
}

/* Of each hundredth of a second the largest sample and the root of the mean
 * square, 255 is full scale. */
static void add_peaks(cJSON *o, const struct sound *s)
{
    size_t n = (s->n * PEAKS_PER_S + (size_t)s->rate - 1) / (size_t)s->rate;
    unsigned char *peak = xcalloc(n, 1), *rms = xcalloc(n, 1);

    cJSON_AddNumberToObject(o, "rate", PEAKS_PER_S);
    for (size_t i = 0; i < n; i++) {
        size_t at = i * (size_t)s->rate / PEAKS_PER_S;
        size_t end = (i + 1) * (size_t)s->rate / PEAKS_PER_S, len;
        double most = 0, sum = 0;

        end = end < s->n ? end : s->n;
        len = end > at ? end - at : 1;
        for (; at < end; at++) {
            double x = s->x[at] / 32768.;

            most = fmax(most, fabs(x));
            sum += x * x;
        }
        peak[i] = (unsigned char)lrint(255 * most);
        rms[i] = (unsigned char)lrint(255 * sqrt(sum / (double)len));
    }
    add_bytes(o, "peak", peak, n);
    add_bytes(o, "rms", rms, n);
    free(peak);
    free(rms);
}

/* JSON inside a script: what could end the script is written as its number, and
 * so are the two ends of lines that old browsers find in strings. */
static void add_in_script(struct strbuf *out, const char *json)
{
    for (const char *p = json; *p; p++) {
        if (*p == '<') {
            strbuf_addstr(out, "\\u003c");
        } else if (!strncmp(p, "\xe2\x80\xa8", 3) ||
                   !strncmp(p, "\xe2\x80\xa9", 3)) {
            strbuf_addf(out, "\\u202%x", (unsigned char)p[2] & 15);
            p += 2;
        } else {
            strbuf_addch(out, *p);
        }
    }
}

static int add_data(struct strbuf *out, const struct result *r,
                    struct err *err)
{
    cJSON *o = write_json_object(r);
    char *s;

    if (r->sound)
        add_peaks(cJSON_AddObjectToObject(o, "peaks"), r->sound);
    s = cJSON_PrintUnformatted(o);
    cJSON_Delete(o);
    if (!s)
        return err_set(err, ERR_NOMEM, "no memory to write the result");
    strbuf_addstr(out, "<script id=\"result\" type=\"application/json\">");
    add_in_script(out, s);
    strbuf_addstr(out, "</script>\n");
    cJSON_free(s);
    return 0;
}

static int add_sound(struct strbuf *out, const struct result *r,
                     struct err *err)
{
    struct strbuf flac = STRBUF_INIT;
    struct err why = {0};
    int rc = r->sound ? encode_flac(&flac, r->sound->x, r->sound->n,
                                    r->sound->rate, &why) : 0;

    if (rc == ERR_UNSUPPORTED) {
        log_warn("%s: the page is without its sound: %s", r->file, why.msg);
        strbuf_reset(&flac);
    } else if (rc) {
        return err_set(err, rc, "%s", why.msg);
    }
    strbuf_addstr(out, "<audio id=\"audio\" preload=\"none\"");
    if (flac.len) {
        strbuf_addstr(out, " src=\"data:audio/flac;base64,");
        add_base64(out, (const unsigned char *)flac.s, flac.len);
        strbuf_addch(out, '"');
    }
    strbuf_addstr(out, "></audio>\n");
    strbuf_release(&flac);
    return 0;
}

static void add_markup(struct strbuf *out, const char *text)
{
    struct strbuf sb = STRBUF_INIT;

    write_utf8(&sb, text);
    strbuf_addmarkup(out, sb.s);
    strbuf_release(&sb);
}

/* What there is to read where scripts do not run. */
static int add_noscript(struct strbuf *out, const char *name,
                        const struct result *r, struct err *err)
{
    struct strbuf text = STRBUF_INIT;

    TRY(write_text(&text, r, err));
    strbuf_addstr(out, "<noscript><h1>");
    add_markup(out, name);
    strbuf_addstr(out, "</h1>\n<p>With JavaScript, this page shows and plays "
                  "the song.</p>\n<pre>\n");
    add_markup(out, text.s);
    strbuf_addstr(out, "</pre></noscript>\n");
    strbuf_release(&text);
    return 0;
}

static void add_head(struct strbuf *out, const char *name,
                     const struct result *r)
{
    strbuf_addf(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n"
                "<meta charset=\"utf-8\">\n<meta name=\"generator\" "
                "content=\"mfm %s\">\n", r->version ? r->version : "");
    strbuf_addstr(out, "<meta http-equiv=\"Content-Security-Policy\" content=\""
                  "default-src 'none'; script-src 'unsafe-inline'; style-src "
                  "'unsafe-inline'; media-src data: blob:\">\n"
                  "<meta name=\"viewport\" "
                  "content=\"width=device-width, initial-scale=1\">\n"
                  "<meta name=\"color-scheme\" content=\"light dark\">\n"
                  "<title>");
    add_markup(out, name);
    strbuf_addstr(out, "</title>\n<style>\n");
    strbuf_add(out, page_css, sizeof(page_css));
    strbuf_addstr(out, "</style>\n</head>\n<body>\n");
}

int write_html(struct strbuf *out, const struct result *r, struct err *err)
{
    const char *slash = strrchr(r->file, '/');
    const char *name = slash ? slash + 1 : r->file;

    add_head(out, name, r);
    TRY(add_noscript(out, name, r, err));
    strbuf_add(out, page_html, sizeof(page_html));
    TRY(add_sound(out, r, err));
    TRY(add_data(out, r, err));
    strbuf_addstr(out, "<script>\n");
    strbuf_add(out, page_js, sizeof(page_js));
    strbuf_addstr(out, "</script>\n</body>\n</html>\n");
    return 0;
}

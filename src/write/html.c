/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "write/html.h"

#include <nettle/base64.h>
#include <string.h>

#include "audio/encode.h"
#include "base/json.h"
#include "write/json.h"
#include "write/page.inc" /* page_css, page_js: of the files of that name */

enum { PEAKS = 100 }; /* in a second, as page.js has it */

static void add_escaped(struct strbuf *out, const char *s)
{
    struct strbuf text = STRBUF_INIT;

    write_utf8(&text, s);
    for (const char *p = text.s; *p; p++)
        switch (*p) {
        case '&': strbuf_addstr(out, "&amp;"); break;
        case '<': strbuf_addstr(out, "&lt;"); break;
        case '>': strbuf_addstr(out, "&gt;"); break;
        case '"': strbuf_addstr(out, "&quot;"); break;
        default: strbuf_addch(out, *p);
        }
    strbuf_release(&text);
}

/* Nothing in an element script may look like its end. */
static void add_data(struct strbuf *out, const struct result *r)
{
    struct strbuf text = STRBUF_INIT;
    cJSON *o = write_json_object(r);

    json_print(&text, o);
    cJSON_Delete(o);
    strbuf_addstr(out, "<script type=\"application/json\" id=\"data\">");
    for (const char *p = text.s; *p; p++)
        if (*p == '<')
            strbuf_addstr(out, "\\u003c");
        else
            strbuf_addch(out, *p);
    strbuf_addstr(out, "</script>\n");
    strbuf_release(&text);
}

static void add_base64(struct strbuf *out, const char *id, const void *data,
                       size_t n)
{
    enum { PIECE = 3 << 12 };
    char text[BASE64_ENCODE_RAW_LENGTH(PIECE)];
    const uint8_t *p = data;

    strbuf_addf(out, "<script type=\"text/plain\" id=\"%s\">", id);
    for (size_t at = 0; at < n; at += PIECE) {
        size_t part = n - at < PIECE ? n - at : PIECE;

        base64_encode_raw(text, part, p + at);
        strbuf_add(out, text, BASE64_ENCODE_RAW_LENGTH(part));
    }
    strbuf_addstr(out, "</script>\n");
}

static void add_peaks(struct strbuf *out, const struct sound *s)
{
    struct strbuf peaks = STRBUF_INIT;
    size_t at = 0;

    for (size_t i = 0; at < s->n; i++) {
        /* so that no rate drifts */
        size_t end = (i + 1) * (size_t)s->rate / PEAKS;
        int low = s->x[at], high = low;

        for (end = end < s->n ? end : s->n; at < end; at++) {
            low = s->x[at] < low ? s->x[at] : low;
            high = s->x[at] > high ? s->x[at] : high;
        }
        strbuf_addch(&peaks, (char)(low >> 8));
        strbuf_addch(&peaks, (char)(high >> 8));
    }
    add_base64(out, "peaks", peaks.s, peaks.len);
    strbuf_release(&peaks);
}

static int add_sound(struct strbuf *out, const struct sound *s,
                     struct err *err)
{
    struct strbuf flac = STRBUF_INIT;
    int rc = encode_flac(&flac, s->x, s->n, s->rate, err);

    if (!rc) {
        add_peaks(out, s);
        add_base64(out, "sound", flac.s, flac.len);
    }
    strbuf_release(&flac);
    return rc;
}

int write_html(struct strbuf *out, const struct result *r, struct err *err)
{
    const char *slash = strrchr(r->file, '/');

    strbuf_addstr(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n"
                  "<meta charset=\"utf-8\">\n"
                  "<meta name=\"generator\" content=\"mfm ");
    add_escaped(out, r->version);
    strbuf_addstr(out, "\">\n<meta name=\"viewport\" content=\"width="
                  "device-width, initial-scale=1\">\n<title>");
    add_escaped(out, slash ? slash + 1 : r->file);
    strbuf_addstr(out, "</title>\n<style>\n");
    strbuf_add(out, page_css, sizeof(page_css));
    strbuf_addstr(out, "</style>\n</head>\n<body>\n<noscript>A script draws "
                  "this page; the labels are in it as JSON.</noscript>\n");
    add_data(out, r);
    if (r->sound)
        TRY(add_sound(out, r->sound, err));
    strbuf_addstr(out, "<script>\n");
    strbuf_add(out, page_js, sizeof(page_js));
    strbuf_addstr(out, "</script>\n</body>\n</html>\n");
    return 0;
}

/* html.h - a result as a page to look at and to listen to, in one file that
 * needs no network: page.css and page.js draw it in a browser. */
#ifndef WRITE_HTML_H
#define WRITE_HTML_H

#include "base/err.h"
#include "base/strbuf.h"
#include "write/result.h"

/* Appends an HTML document. Its first 512 bytes have <meta name="generator"
 * content="mfm VERSION">. Element "data" is the object of write_json; "peaks"
 * is the least and the greatest sample of each 10 ms, two bytes (int8) in
 * base64; "sound" is r->sound as FLAC, in base64. Without sound the page has no
 * player until the user shows it the recording. Errors of encode_flac. */
int write_html(struct strbuf *out, const struct result *r, struct err *err);

#endif

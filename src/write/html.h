/* html.h - a result as a page to look at and to listen to. */
#ifndef WRITE_HTML_H
#define WRITE_HTML_H

#include "base/err.h"
#include "base/strbuf.h"
#include "write/result.h"

/* Appends one HTML file that needs nothing else, no network either: page.html,
 * page.css and page.js of this folder, the JSON object of write_json_object
 * with {"peaks": {"rate", "peak", "rms"}} of the sound added (100 a second,
 * bytes in base64), the sound as FLAC, and for where scripts do not run the
 * lines of write_text. Without r->sound, and where FFmpeg cannot write FLAC (a
 * warning says so), the page lets one open the song. Its first 512 bytes name
 * mfm as the generator. ERR_NOMEM, or of encode_flac. */
int write_html(struct strbuf *out, const struct result *r, struct err *err);

#endif

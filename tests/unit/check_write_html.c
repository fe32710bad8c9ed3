/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "formats.h"

#include <nettle/base64.h>

#include "audio/decode.h"
#include "base/json.h"
#include "write/html.h"

/* What stands in the element script of this id; the caller frees it. */
static char *element(const struct strbuf *page, const char *id)
{
    char start[40];
    const char *at;

    snprintf(start, sizeof(start), "id=\"%s\">", id);
    at = strstr(page->s, start);
    ck_assert_ptr_nonnull(at);
    at += strlen(start);
    return strndup(at, (size_t)(strstr(at, "</script>") - at));
}

START_TEST(write_html_begins)
{
    struct strbuf page = STRBUF_INIT;
    struct whole w;
    char *mark, *json;
    cJSON *o;

    whole_init(&w);
    w.r.file = "a/<b>&\"c\".mp3";
    ck_assert(!write_html(&page, &w.r, NULL));
    mark = strstr(page.s, "<meta name=\"generator\" content=\"mfm 0.1\">");
    ck_assert_ptr_nonnull(mark);
    ck_assert_int_lt(mark - page.s, 400);
    ck_assert_ptr_nonnull(
        strstr(page.s, "<title>&lt;b&gt;&amp;&quot;c&quot;.mp3</title>"));
    ck_assert_ptr_null(strstr(page.s, "id=\"sound\""));
    ck_assert_ptr_null(strstr(page.s, "http://"));
    ck_assert_ptr_null(strstr(page.s, "https://"));
    /* a tag is called </script>: it must not end the element */
    json = element(&page, "data");
    ck_assert(!json_parse(&o, json, strlen(json), NULL));
    ck_assert_str_eq(cJSON_GetObjectItem(o, "file")->valuestring, w.r.file);
    ck_assert_str_eq(cJSON_GetObjectItem(cJSON_GetObjectItem(o, "tags")->child,
                                         "label")->valuestring,
                     "\xef\xbf\xbd</script>");
    cJSON_Delete(o);
    free(json);
    strbuf_release(&page);
    whole_release(&w);
}
END_TEST

static uint8_t *decoded(const struct strbuf *page, const char *id, size_t *n)
{
    char *text = element(page, id);
    uint8_t *out = xmalloc(BASE64_DECODE_LENGTH(strlen(text)) + 1);
    struct base64_decode_ctx ctx;

    base64_decode_init(&ctx);
    ck_assert(base64_decode_update(&ctx, n, out, strlen(text), text));
    ck_assert(base64_decode_final(&ctx));
    free(text);
    return out;
}

START_TEST(write_html_sound)
{
    enum { N = 33333, RATE = 24000 };
    static int16_t x[N];
    static float y[N + 10];
    const struct sound sound = { x, N, RATE };
    struct strbuf page = STRBUF_INIT;
    struct decoder *d = NULL;
    uint8_t *flac, *peaks;
    struct whole w;
    size_t n, got;

    for (int i = 0; i < N; i++)
        x[i] = (int16_t)(i % 241 * 100 - 12000);
    x[24000] = 32767;
    whole_init(&w);
    w.r.sound = &sound;
    ck_assert(!write_html(&page, &w.r, NULL));
    flac = decoded(&page, "sound", &n);
    ck_assert(!decoder_open(&d, &(struct decode_source){ .path = "page.flac",
                                    .memory = flac, .memory_len = n },
                            RATE, NULL));
    ck_assert(!decoder_read(d, y, N + 10, &got, NULL));
    ck_assert_uint_eq(got, N);
    for (int i = 0; i < N; i++)
        ck_assert_float_eq(y[i], (float)x[i] / 32768);
    decoder_free(d);
    peaks = decoded(&page, "peaks", &n);
    ck_assert_uint_eq(n, 2 * 139); /* 33333 / 240, and a rest */
    ck_assert_int_eq((int8_t)peaks[0], -12000 >> 8);
    ck_assert_int_eq((int8_t)peaks[1], 11900 >> 8);
    ck_assert_int_eq((int8_t)peaks[201], 127);
    free(flac);
    free(peaks);
    strbuf_release(&page);
    whole_release(&w);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("write_html");
    TCase *t = tcase_create("html");

    tcase_add_test(t, write_html_begins);
    tcase_add_test(t, write_html_sound);
    suite_add_tcase(s, t);
    return unit_run(s);
}

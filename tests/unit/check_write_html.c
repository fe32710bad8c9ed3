/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "formats.h"
#include "write/html.h"

#include <cjson/cJSON.h>
#include <nettle/base64.h>

#include "audio/clip.h"

/* What stands between two texts, for the caller to free. */
static char *between(const char *text, const char *a, const char *b)
{
    const char *from = strstr(text, a), *to;

    ck_assert_msg(from, "no %s", a);
    from += strlen(a);
    to = strstr(from, b);
    ck_assert_msg(to, "no %s", b);
    return strndup(from, (size_t)(to - from));
}

static cJSON *data_of(const char *page)
{
    char *s = between(page, "<script id=\"result\" type=\"application/json\">",
                      "</script>");
    cJSON *o = cJSON_Parse(s);

    ck_assert_msg(o, "no JSON: %s", s);
    free(s);
    return o;
}

static const char *string_of(const cJSON *o, const char *name)
{
    const char *s = cJSON_GetStringValue(cJSON_GetObjectItem(o, name));

    ck_assert_msg(s, "no %s", name);
    return s;
}

START_TEST(write_html_has_all)
{
    struct strbuf sb = STRBUF_INIT;
    struct whole w;
    cJSON *o, *tag;
    char *s;

    whole_init(&w);
    w.r.file = "music/<b>\xe4 & \xe2\x80\xa8</script>.mp3";
    ck_assert(!write_html(&sb, &w.r, NULL));
    s = between(sb.s, "<meta name=\"generator\" content=\"mfm ", "\">");
    ck_assert_str_eq(s, "0.1");
    free(s);
    ck_assert(strstr(sb.s, "content=\"mfm 0.1") - sb.s < 500);
    s = between(sb.s, "<title>", "</title>");
    ck_assert_str_eq(s, "script&gt;.mp3"); /* behind the last slash */
    free(s);
    ck_assert_ptr_null(strstr(sb.s, "src=\"data:"));
    s = between(sb.s, "id=\"result\"", "</script>");
    ck_assert_ptr_null(strstr(s, "<b"));
    ck_assert_ptr_null(strstr(s, "\xe2\x80\xa8"));
    free(s);
    s = between(sb.s, "<noscript><h1>", "</noscript>");
    ck_assert(strstr(s, "script&gt;.mp3</h1>"));
    ck_assert(strstr(s, "\n# chords\n10.000000\t11.500000\tC:maj\n"));
    ck_assert(strstr(s, "\n\xef\xbf\xbd&lt;/script&gt;\t0.125000\n"));
    free(s);
    o = data_of(sb.s);
    ck_assert_str_eq(string_of(o, "file"), "music/<b>\xef\xbf\xbd & "
                     "\xe2\x80\xa8</script>.mp3");
    tag = cJSON_GetArrayItem(cJSON_GetObjectItem(o, "tags"), 0);
    ck_assert_str_eq(string_of(tag, "label"), "\xef\xbf\xbd</script>");
    ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItem(o, "beats")), 2);
    ck_assert(!cJSON_HasObjectItem(o, "peaks"));
    cJSON_Delete(o);
    strbuf_release(&sb);
    whole_release(&w);
}
END_TEST

START_TEST(write_html_title)
{
    struct strbuf sb = STRBUF_INIT;
    struct result r = { .file = "a/<i>&\xff\"", .duration = NAN };
    char *s;

    ck_assert(!write_html(&sb, &r, NULL));
    s = between(sb.s, "<title>", "</title>");
    ck_assert_str_eq(s, "&lt;i&gt;&amp;\xef\xbf\xbd&quot;");
    free(s);
    strbuf_release(&sb);
}
END_TEST

/* 2.005 s at a rate that hundredths of a second do not divide: silence but for
 * one sample in the second second, and full scale at the end. */
START_TEST(write_html_peaks)
{
    enum { RATE = 8001, N = 16042 };
    static int16_t x[N];
    struct sound sound = { x, N, RATE };
    struct result r = { .file = "a", .duration = 2, .sound = &sound };
    struct strbuf sb = STRBUF_INIT;
    const cJSON *peaks;
    cJSON *o;

    x[RATE] = 16384;
    for (size_t i = 16003; i < N; i++)
        x[i] = -32768;
    ck_assert(!write_html(&sb, &r, NULL));
    o = data_of(sb.s);
    peaks = cJSON_GetObjectItem(o, "peaks");
    ck_assert_int_eq(cJSON_GetObjectItem(peaks, "rate")->valueint, 100);
    /* 201 bytes are 67 groups of four digits; the bytes 99 to 101 are the group
     * 33: 0, then 128, then 0; the last group is 0 255 255 or so */
    ck_assert_uint_eq(strlen(string_of(peaks, "peak")), 268);
    ck_assert(!strncmp(string_of(peaks, "peak") + 132, "AIAA", 4));
    ck_assert_str_eq(string_of(peaks, "peak") + 264, "AAD/");
    /* sqrt(0.25 / 80) * 255 = 14.3 */
    ck_assert(!strncmp(string_of(peaks, "rms") + 132, "AA4A", 4));
    cJSON_Delete(o);
    strbuf_release(&sb);
}
END_TEST

/* What the page plays is the samples. */
START_TEST(write_html_sound)
{
    enum { RATE = 24000, N = 30001 };
    static int16_t x[N];
    struct sound sound = { x, N, RATE };
    struct result r = { .file = "a", .duration = 1.25, .sound = &sound };
    struct base64_decode_ctx base64;
    struct strbuf sb = STRBUF_INIT;
    struct err err = {0};
    struct clip c;
    uint8_t *flac;
    size_t len;
    char *s;

    for (size_t i = 0; i < N; i++)
        x[i] = (int16_t)(uint16_t)((uint32_t)i * 2654435761u >> 16);
    ck_assert_msg(!write_html(&sb, &r, &err), "%s", err.msg);
    s = between(sb.s, "src=\"data:audio/flac;base64,", "\"");
    flac = malloc(BASE64_DECODE_LENGTH(strlen(s)));
    base64_decode_init(&base64);
    ck_assert(base64_decode_update(&base64, &len, flac, strlen(s), s));
    ck_assert(base64_decode_final(&base64));
    ck_assert_msg(!clip_read(&c, &(struct decode_source){
        .path = "x", .memory = flac, .memory_len = len
    }, RATE, &err), "%s", err.msg);
    ck_assert_uint_eq(c.n, N);
    ck_assert_mem_eq(c.x, x, sizeof(x));
    clip_release(&c);
    free(flac);
    free(s);
    strbuf_release(&sb);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("write_html");
    TCase *t = tcase_create("html");

    tcase_add_test(t, write_html_has_all);
    tcase_add_test(t, write_html_title);
    tcase_add_test(t, write_html_peaks);
    tcase_add_test(t, write_html_sound);
    suite_add_tcase(s, t);
    return unit_run(s);
}

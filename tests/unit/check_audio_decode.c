/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "audio/decode.h"
#include "base/log.h"

enum { RATE = 24000, MAX = 1 << 20 };

static char dir[] = "check_audio_decode.XXXXXX";

/* dir/name in one of four static buffers. */
static const char *in_dir(const char *name)
{
    static char buf[4][256];
    static int next;
    char *b = buf[next++ & 3];

    snprintf(b, sizeof(buf[0]), "%s/%s", dir, name);
    return b;
}

static const char *write_file(const char *name, const void *bytes, size_t n)
{
    const char *path = in_dir(name);
    FILE *f = fopen(path, "wb");

    ck_assert_ptr_nonnull(f);
    ck_assert(fwrite(bytes, 1, n, f) == n);
    ck_assert(!fclose(f));
    return path;
}

/* Runs a shell command in dir; whether it succeeded. */
__attribute__((format(printf, 1, 2)))
static int shell(const char *fmt, ...)
{
    char command[1024];
    int len = snprintf(command, sizeof(command), "cd %s && ", dir);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(command + len, sizeof(command) - (size_t)len, fmt, ap);
    va_end(ap);
    return system(command) == 0;
}

static int have_ffmpeg(const char *what)
{
    if (shell("command -v ffmpeg >/dev/null"))
        return 1;
    printf("skipped: no ffmpeg to make %s\n", what);
    return 0;
}

/* A canonical wav header for n samples of one 16-bit channel. */
static size_t wav_header(unsigned char *h, uint32_t n, uint32_t rate)
{
    uint32_t v[11] = { 0x46464952, 36 + 2 * n, 0x45564157, 0x20746d66, 16,
                       1 | 1 << 16, rate, 2 * rate, 2 | 16 << 16, 0x61746164,
                       2 * n };

    for (int i = 0; i < 44; i++)
        h[i] = (unsigned char)(v[i / 4] >> 8 * (i % 4));
    return 44;
}

static int16_t ramp(uint32_t i)
{
    return (int16_t)(uint16_t)(i * 40503u);
}

/* A wav of said samples of which only n are there. */
static size_t make_wav(unsigned char *out, uint32_t said, uint32_t n)
{
    size_t len = wav_header(out, said, RATE);

    for (uint32_t i = 0; i < n; i++) {
        out[len++] = (unsigned char)ramp(i);
        out[len++] = (unsigned char)((uint16_t)ramp(i) >> 8);
    }
    return len;
}

/* Decodes all of src in reads of chunk samples; returns how many samples. */
static size_t decode(const struct decode_source *src, size_t chunk, float *x,
                     int *warned)
{
    struct decoder *d;
    struct err err = {0};
    size_t n = 0, got;

    ck_assert_msg(!decoder_open(&d, src, RATE, &err), "%s", err.msg);
    do {
        ck_assert_uint_le(n + chunk, MAX);
        ck_assert_msg(!decoder_read(d, x + n, chunk, &got, &err), "%s",
                      err.msg);
        n += got;
    } while (got == chunk);
    ck_assert(!decoder_read(d, x, 1, &got, &err) && got == 0);
    if (warned)
        *warned = decoder_warning(d) != NULL;
    decoder_free(d);
    return n;
}

static void check_ramp(const float *x, size_t n, uint32_t want)
{
    ck_assert_uint_eq(n, want);
    for (uint32_t i = 0; i < want; i++)
        ck_assert(x[i] == (float)ramp(i) / 32768);
}

static float buf[MAX], buf2[MAX];
static unsigned char bytes[MAX];

START_TEST(decoder_read_exact)
{
    static const size_t chunks[] = { 1, 4999, 5000, 5001, MAX };
    size_t len = make_wav(bytes, 5000, 5000);
    struct decode_source src = { .path = write_file("a.wav", bytes, len) };
    int warned;

    check_ramp(buf, decode(&src, chunks[_i], buf, &warned), 5000);
    ck_assert(!warned);
}
END_TEST

/* Puts bytes on stdin through a pipe, written by a child. */
static void pipe_to_stdin(const void *data, size_t n)
{
    int fd[2];

    ck_assert(!pipe(fd));
    if (!fork()) {
        close(fd[0]);
        _exit(write(fd[1], data, n) != (ssize_t)n);
    }
    close(fd[1]);
    ck_assert(dup2(fd[0], STDIN_FILENO) == STDIN_FILENO);
    close(fd[0]);
}

START_TEST(decoder_open_pipe_with_prefix)
{
    size_t len = make_wav(bytes, 60000, 60000);
    char taken[6];
    struct decode_source src = { .path = "-", .prefix = taken,
                                 .prefix_len = 6 };

    pipe_to_stdin(bytes, len);
    ck_assert(read(STDIN_FILENO, taken, 6) == 6);
    check_ramp(buf, decode(&src, 777, buf, NULL), 60000);
}
END_TEST

/* The lengths that ffmpeg, sox and others write where they cannot know. */
START_TEST(decoder_read_unknown_length)
{
    static const uint32_t unknown[] = { 0xffffffff, 0x7ffff000, 0 };
    size_t len = make_wav(bytes, 60000, 60000);
    struct decode_source src = { .path = "-" };
    int warned;

    memcpy(bytes + 4, &unknown[_i], 4);
    memcpy(bytes + 40, &unknown[_i], 4);
    pipe_to_stdin(bytes, len);
    check_ramp(buf, decode(&src, 4096, buf, &warned), 60000);
    ck_assert(!warned);
    src.path = write_file("a.wav", bytes, len);
    check_ramp(buf, decode(&src, 4096, buf, &warned), 60000);
    ck_assert(!warned);
}
END_TEST

/* A length that could be true and is not is damage, in a pipe too. */
START_TEST(decoder_read_cut_off_pipe)
{
    size_t len = make_wav(bytes, 100000, 20001);
    struct decode_source src = { .path = "-" };
    int warned;

    log_set_level(LOG_ERROR);
    pipe_to_stdin(bytes, len);
    check_ramp(buf, decode(&src, 4096, buf, &warned), 20001);
    ck_assert(warned);
}
END_TEST

START_TEST(decoder_open_raw)
{
    float f32[4] = { 0.5f, 1, -0.25f, 0.25f };
    struct decode_source src = {
        .path = write_file("a.raw", bytes + 44, make_wav(bytes, 0, 3000) - 44),
        .raw = DECODE_S16LE, .raw_rate = RATE, .raw_channels = 1
    };

    check_ramp(buf, decode(&src, 1000, buf, NULL), 3000);
    pipe_to_stdin(f32, sizeof(f32));
    src.path = "-";
    src.raw = DECODE_F32LE;
    src.raw_channels = 2;
    ck_assert_uint_eq(decode(&src, 100, buf, NULL), 2);
    ck_assert(buf[0] == 0.75f && buf[1] == 0);
}
END_TEST

START_TEST(decoder_read_cut_off)
{
    size_t len = make_wav(bytes, 100000, 20000);
    struct decode_source src = { .path = write_file("a.wav", bytes, len) };
    int warned;

    log_set_level(LOG_ERROR);
    check_ramp(buf, decode(&src, 4096, buf, &warned), 20000);
    ck_assert(warned);
}
END_TEST

static const struct made {
    const char *name, *options;
} made[] = {
    { "s16.wav", "-ar 44100 -ac 2" },
    { "s24.wav", "-ar 48000 -ac 2 -c:a pcm_s24le" },
    { "u8.wav", "-ar 8000 -ac 2 -c:a pcm_u8" },
    { "f64.wav", "-ar 96000 -ac 2 -c:a pcm_f64le" },
    { "a.flac", "-ar 44100 -ac 2" },
    { "a.mp3", "-ar 44100 -ac 2" },
    { "a.ogg", "-ar 44100 -ac 2 -c:a libvorbis" },
    { "a.opus", "-ac 2 -c:a libopus" },
    { "a.m4a", "-ar 44100 -ac 2 -c:a aac" },
    { "v.mp4", "-f lavfi -i testsrc=d=3:s=64x64:r=5 -ar 44100 -ac 2 -c:a aac" },
    { "v.mkv",
      "-f lavfi -i testsrc=d=3:s=64x64:r=5 -ar 48000 -ac 2 -c:a flac" },
};

/* Every container gives as many samples as the ffmpeg program, and the same:
 * 1e-6 is for the order of the sum over channels. */
START_TEST(decoder_read_as_ffmpeg)
{
    const struct made *m = &made[_i];
    struct decode_source src = { .path = in_dir(m->name) };
    FILE *f;
    size_t n, want;

    if (!have_ffmpeg(m->name))
        return;
    if (!shell("ffmpeg -v error -y -f lavfi -i 'aevalsrc=0.4*sin(900*t*t)|"
               "0.3*sin(2000*t):d=3' %s %s", m->options, m->name)) {
        printf("skipped: this ffmpeg cannot make %s\n", m->name);
        return;
    }
    ck_assert(shell("ffmpeg -v error -y -i %s -af 'aformat=sample_fmts=flt,"
                    "pan=mono|c0=0.5*c0+0.5*c1,aresample=24000' -f f32le "
                    "ref.f32", m->name));
    f = fopen(in_dir("ref.f32"), "rb");
    want = fread(buf2, sizeof(*buf2), MAX, f);
    fclose(f);
    n = decode(&src, 10000, buf, NULL);
    ck_assert_uint_gt(n, 70000);
    ck_assert_uint_eq(n, want);
    for (size_t i = 0; i < n; i++)
        ck_assert_float_eq_tol(buf[i], buf2[i], 1e-6f);
}
END_TEST

/* Two ogg streams in one file, 44.1 kHz stereo and 16 kHz mono, 2 s each: what
 * the resampler of the first held back is not lost. */
START_TEST(decoder_read_rate_changes)
{
    struct decode_source src = { .path = in_dir("chain.oga") };
    float energy[2] = {0};
    size_t n;

    if (!have_ffmpeg("chain.oga"))
        return;
    ck_assert(shell("ffmpeg -v error -y -f lavfi -i "
                    "'aevalsrc=sin(2000*t)|sin(2000*t):d=2:s=44100' "
                    "-c:a flac c1.oga && ffmpeg -v error -y -f lavfi -i "
                    "'aevalsrc=sin(2000*t):d=2:s=16000' -c:a flac c2.oga && "
                    "cat c1.oga c2.oga >chain.oga"));
    n = decode(&src, 4096, buf, NULL);
    ck_assert_uint_eq(n, 4 * RATE);
    for (size_t i = 0; i < n; i++)
        energy[i / (2 * RATE)] += buf[i] * buf[i];
    ck_assert_float_eq_tol(energy[0] / RATE, 1, 0.01f);
    ck_assert_float_eq_tol(energy[1] / RATE, 1, 0.01f);
}
END_TEST

static void *decode_in_thread(void *path)
{
    struct decode_source src = { .path = path };
    struct decoder *d;
    float *x = malloc(MAX * sizeof(*x));
    size_t got = 0;

    if (!decoder_open(&d, &src, 16000, NULL)) {
        if (decoder_read(d, x, MAX, &got, NULL))
            got = 0;
        decoder_free(d);
    }
    x[MAX - 1] = (float)got;
    return x;
}

START_TEST(decoder_open_in_threads)
{
    size_t len = make_wav(bytes, 90000, 90000);
    char path[256];
    pthread_t thread[4];
    float *x[4];

    snprintf(path, sizeof(path), "%s", write_file("a.wav", bytes, len));
    for (int i = 0; i < 4; i++)
        ck_assert(!pthread_create(&thread[i], NULL, decode_in_thread, path));
    for (int i = 0; i < 4; i++)
        ck_assert(!pthread_join(thread[i], (void **)&x[i]));
    ck_assert(x[0][MAX - 1] == 60000);
    for (int i = 1; i < 4; i++)
        ck_assert(!memcmp(x[i], x[0], 60000 * sizeof(float)));
    for (int i = 0; i < 4; i++)
        free(x[i]);
}
END_TEST

static void refuse(const struct decode_source *src, int code,
                   const char *words)
{
    struct decoder *d = NULL;
    struct err err = {0};
    size_t got;
    int rc = decoder_open(&d, src, RATE, &err);

    if (!rc)
        rc = decoder_read(d, buf, MAX, &got, &err);
    ck_assert_msg(rc == code && strstr(err.msg, words), "%s: %d %s",
                  src->path, rc, err.msg);
    ck_assert_msg(strstr(err.msg, src->path) == err.msg, "%s", err.msg);
    ck_assert_ptr_null(strchr(err.msg, '\n'));
    decoder_free(d);
}

static void refuse_text(const char *name, const char *text,
                        const char *words)
{
    struct decode_source src = { .path = write_file(name, text,
                                                    strlen(text)) };

    refuse(&src, ERR_FORMAT, words);
}

START_TEST(decoder_open_refuses)
{
    struct decode_source none = { .path = in_dir("none.wav") };
    struct decode_source folder = { .path = dir };
    struct decode_source raw = { .path = in_dir("none.wav"),
                                 .raw = DECODE_S16LE };
    struct decoder *d = NULL;

    refuse(&none, ERR_IO, "cannot open: No such file");
    refuse(&folder, ERR_IO, "is a directory");
    refuse(&raw, ERR_ARG, "raw audio of 0 Hz");
    raw.raw_rate = RATE;
    refuse(&raw, ERR_ARG, "0 channels");
    refuse_text("empty.wav", "", "the file is empty");
    refuse_text("a.txt", "words and no audio\n", "not audio");
    refuse_text("text.mp3", "words and no audio\n", "not audio");
    refuse_text("cut.wav", "RIFF\x40\0", "not audio");
    ck_assert_int_eq(decoder_open(&d, &none, 0, NULL), ERR_ARG);
    ck_assert_ptr_null(d);
    write_file("head.wav", bytes, wav_header(bytes, 0, RATE));
    refuse(&(struct decode_source){ .path = in_dir("head.wav") }, ERR_FORMAT,
           "audio");
}
END_TEST

/* Both name a file, from the working directory, that could be decoded. */
START_TEST(decoder_open_follows_nothing)
{
    char text[512];

    write_file("a.wav", bytes, make_wav(bytes, 5000, 5000));
    snprintf(text, sizeof(text), "#EXTM3U\n#EXT-X-TARGETDURATION:1\n"
             "#EXTINF:1,\n%s\n#EXT-X-ENDLIST\n", in_dir("a.wav"));
    refuse_text("list.m3u8", text, "not audio");
    snprintf(text, sizeof(text), "ffconcat version 1.0\nfile %s\n",
             in_dir("a.wav"));
    refuse_text("list.ffconcat", text, "not audio");
}
END_TEST

START_TEST(decoder_open_needs_audio_stream)
{
    struct decode_source src = { .path = in_dir("only.mp4") };

    if (!have_ffmpeg("only.mp4"))
        return;
    ck_assert(shell("ffmpeg -v error -y -f lavfi -i "
                    "testsrc=d=1:s=64x64:r=5 only.mp4"));
    refuse(&src, ERR_FORMAT, "no audio stream");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("audio_decode");
    TCase *t = tcase_create("decode");
    int rc;

    if (!mkdtemp(dir))
        return 99;
    tcase_add_loop_test(t, decoder_read_exact, 0, 5);
    tcase_add_test(t, decoder_open_pipe_with_prefix);
    tcase_add_loop_test(t, decoder_read_unknown_length, 0, 3);
    tcase_add_test(t, decoder_read_cut_off_pipe);
    tcase_add_test(t, decoder_open_raw);
    tcase_add_test(t, decoder_read_cut_off);
    tcase_add_loop_test(t, decoder_read_as_ffmpeg, 0,
                        sizeof(made) / sizeof(*made));
    tcase_add_test(t, decoder_read_rate_changes);
    tcase_add_test(t, decoder_open_in_threads);
    tcase_add_test(t, decoder_open_refuses);
    tcase_add_test(t, decoder_open_follows_nothing);
    tcase_add_test(t, decoder_open_needs_audio_stream);
    tcase_set_timeout(t, 120);
    suite_add_tcase(s, t);
    rc = unit_run(s);
    if (!shell("rm -f -- *") || rmdir(dir))
        rc = rc ? rc : 99;
    return rc;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* golden_check [--device NAME] [--bf16] FOLDER...: exit 0 if all agree, 1 if
 * not, 77 if no folder is there, no such device, or if it has no bf16. */
#include "golden.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audio/decode.h"
#include "base/file.h"
#include "mel/mel.h"
#include "tensor/backend.h"

void golden_report(struct golden *g, const char *what, double difference,
                   double tolerance)
{
    int ok = difference <= tolerance; /* false for NaN */

    printf("%-4s %s: %s: %.3g (tolerance %.3g)\n", ok ? "ok" : "FAIL",
           g->folder, what, difference, tolerance);
    g->checked++;
    g->failed += !ok;
}

void golden_broken(struct golden *g, const char *what, const char *why)
{
    printf("FAIL %s: %s: %s\n", g->folder, what, why);
    g->checked++;
    g->failed++;
}

const char *golden_path(const struct golden *g, const char *name)
{
    static char buf[4][4096];
    static int next;
    char *b = buf[next++ & 3];

    snprintf(b, sizeof(buf[0]), "%s/%s", g->folder, name);
    return b;
}

int golden_has(const struct golden *g, const char *name)
{
    return !access(golden_path(g, name), R_OK);
}

double golden_relative(const float *a, const float *b, size_t n)
{
    double diff = 0, norm = 0;

    for (size_t i = 0; i < n; i++) {
        double d = (double)a[i] - b[i];

        diff += d * d;
        norm += (double)b[i] * b[i];
    }
    if (diff == 0)
        return 0;
    return isfinite(diff) ? sqrt(diff / norm) : INFINITY;
}

static double cosine(const float *a, const float *b, size_t n)
{
    double ab = 0, aa = 0, bb = 0;

    for (size_t i = 0; i < n; i++) {
        ab += (double)a[i] * b[i];
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
    }
    return aa == 0 && bb == 0 ? 1 : ab / sqrt(aa * bb);
}

void golden_states(struct golden *g, const char *what, const float *a,
                   const float *b, size_t n, size_t dim, double tolerance)
{
    static const double tolerance_bf16 = 1e-3;
    double worst = 0;
    char name[160];

    if (!g->bf16) {
        golden_report(g, what, golden_relative(a, b, n * dim), tolerance);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        double off = 1 - cosine(a + i * dim, b + i * dim, dim);

        if (!(off <= worst))
            worst = off;
    }
    snprintf(name, sizeof(name), "%s, bf16, 1 - cosine", what);
    if (worst < 1e-9)
        golden_broken(g, name, "as exact as f32: it was not bf16");
    else
        golden_report(g, name, worst, tolerance_bf16);
}

/* Where FFmpeg's libraries are not there, as on a machine that is lent for its
 * GPU: 16-bit mono WAV at the rate asked for. */
static int read_wav(const char *path, int rate, float **x, size_t *n,
                    struct err *err)
{
    enum { HEADER = 44 };
    struct file_map m = {0};
    const unsigned char *p;
    uint32_t hz = 0;

    TRY(file_map(&m, path, err));
    p = m.data;
    if (m.size > HEADER)
        memcpy(&hz, p + 24, 4);
    if (m.size <= HEADER || memcmp(p, "RIFF", 4) || p[20] != 1 || p[22] != 1 ||
        p[34] != 16 || hz != (uint32_t)rate || memcmp(p + 36, "data", 4)) {
        file_unmap(&m);
        return err_set(err, ERR_UNSUPPORTED, "%s: not 16-bit mono WAV of %d "
                       "Hz, and FFmpeg is not there", path, rate);
    }
    *n = (m.size - HEADER) / 2;
    *x = malloc((*n + 1) * sizeof(**x));
    for (size_t i = 0; *x && i < *n; i++) {
        int16_t v;

        memcpy(&v, p + HEADER + 2 * i, 2);
        (*x)[i] = (float)v / 32768;
    }
    file_unmap(&m);
    return *x ? 0 : err_set(err, ERR_NOMEM, "%s: no memory", path);
}

int golden_samples(const char *path, int rate, float **x, size_t *n,
                   struct err *err)
{
    enum { CHUNK = 1 << 16 };
    struct decode_source src = { .path = path };
    struct decoder *d = NULL;
    size_t got = 0;
    int rc = decoder_open(&d, &src, rate, err);

    *x = NULL;
    *n = 0;
    if (rc == ERR_UNSUPPORTED)
        return read_wav(path, rate, x, n, err);
    do {
        float *more = realloc(*x, (*n + CHUNK) * sizeof(*more));

        if (!more)
            rc = err_set(err, ERR_NOMEM, "%s: no memory", path);
        else
            *x = more;
        if (!rc)
            rc = decoder_read(d, *x + *n, CHUNK, &got, err);
        *n += got;
    } while (!rc && got == CHUNK);
    decoder_free(d);
    return rc;
}

int golden_mel(const char *path, int hop, float **x, size_t *frames,
               struct err *err)
{
    struct mel_config config = MEL_CONFIG_INIT;
    struct mel *m = NULL;
    float *samples = NULL;
    size_t n = 0;
    int rc;

    config.hop = hop;
    *x = NULL;
    rc = golden_samples(path, config.rate, &samples, &n, err);
    if (!rc)
        rc = mel_new(&m, &config, err);
    if (!rc) {
        *frames = n / (size_t)hop;
        *x = malloc((*frames + 1) * (size_t)config.bands * sizeof(**x));
        mel_clip(m, samples, n, *x);
    }
    mel_free(m);
    free(samples);
    return rc;
}

/* A name in the folder that ends so. */
static int has_ending(const struct golden *g, const char *ending)
{
    DIR *d = opendir(g->folder);
    const struct dirent *e;
    size_t n = strlen(ending);
    int found = 0;

    while (d && (e = readdir(d)) != NULL)
        found |= strlen(e->d_name) > n &&
                 !strcmp(e->d_name + strlen(e->d_name) - n, ending);
    if (d)
        closedir(d);
    return found;
}

static void check_folder(struct golden *g)
{
    if (golden_has(g, "model.pt") && golden_has(g, "forward.safetensors"))
        check_conformer(g);
    if (golden_has(g, "pytorch_model.bin") &&
        golden_has(g, "forward_backward.safetensors"))
        check_bert(g);
    if (g->bf16 && g->checked)
        return;
    if (golden_has(g, "cases.json"))
        check_dbn(g);
    if (golden_has(g, "pieces.safetensors"))
        check_pieces(g);
    if (golden_has(g, "logmel229.npy"))
        check_features(g);
    if (has_ending(g, ".hop240.npy") || has_ending(g, ".hop160.npy"))
        check_mel(g);
    if (!g->checked)
        golden_broken(g, "folder", "nothing in it that is known");
}

static int has_device(const char *device, int bf16)
{
    struct backend *be = NULL;
    struct err err = {0};
    int rc = backend_open(&be, device, 0, &err);

    if (!rc && bf16)
        rc = backend_set_precision(be, PRECISION_BF16, &err);
    backend_close(be);
    if (rc)
        printf("skipped: %s\n", err.msg);
    return !rc;
}

int main(int argc, char **argv)
{
    struct golden g = { .device = "cpu" };
    int checked = 0, failed = 0, at = 1;

    if (at + 1 < argc && !strcmp(argv[at], "--device")) {
        g.device = argv[at + 1];
        at += 2;
    }
    if (at < argc && !strcmp(argv[at], "--bf16")) {
        g.bf16 = 1;
        at++;
    }
    if (at == argc) {
        fprintf(stderr, "usage: golden_check [--device NAME] [--bf16] "
                "FOLDER...\n");
        return 2;
    }
    if (!has_device(g.device, g.bf16))
        return 77;
    for (; at < argc; at++) {
        g.folder = argv[at];
        if (access(g.folder, R_OK)) {
            printf("skip %s: not there\n", g.folder);
            continue;
        }
        g.checked = g.failed = 0;
        check_folder(&g);
        checked += g.checked;
        failed += g.failed;
    }
    printf("%d quantities, %d beyond tolerance\n", checked, failed);
    return failed ? 1 : checked ? 0 : 77;
}

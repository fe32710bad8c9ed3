/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kbench - time one part of mfm, or a whole command; one JSON line on stdout.
 *
 *   kbench mel SECONDS [REPEAT]              log-mel of noise, one thread
 *   kbench dbn FILE.npy|noise FPS REPEAT [SECONDS]   downbeats, bars of 3 and 4,
 *                                            of activations tiled to SECONDS
 *   kbench cpu REPEAT COMMAND [ARG...]       processor time of whole processes
 *   kbench watch COMMAND [ARG...]            resident memory, second by second
 *
 * All print what, seconds (the median), runs and rss_mb. The commands' own
 * output is thrown away. tools/bench runs this beside the peers of tools/peers,
 * on the same input: `check` is a figure of the result that must agree. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "annot/annot.h"
#include "base/err.h"
#include "base/npy.h"
#include "base/xalloc.h"
#include "decode/dbn.h"
#include "mel/mel.h"

enum { MAX_REPEAT = 10000, MAX_SECONDS = 1000000, RATE = 24000 };

/* ---- time, memory, numbers ---- */

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Sorts x (n >= 1). */
static double median(double *x, int n)
{
    qsort(x, (size_t)n, sizeof(*x), compare);
    return n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
}

static double own_rss_mb(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_maxrss / 1024;
}

static double cpu_s(const struct rusage *u)
{
    return (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec)
        + 1e-6 * (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec);
}

static int number(const char *text, int least, int most, const char *what,
                  int *out, struct err *err)
{
    char *end;
    long v;

    errno = 0;
    v = strtol(text, &end, 10);
    if (errno || end == text || *end || v < least || v > most)
        return err_set(err, ERR_ARG, "%s \"%s\" is not a number from %d to %d",
                       what, text, least, most);
    *out = (int)v;
    return 0;
}

/* Noise in [-1, 1): the generator of tools/peers/torch_bench.py (Numerical
 * Recipes' constants). */
static void noise(float *x, size_t n)
{
    uint32_t state = 1;

    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        x[i] = (float)(state >> 8) / 8388608.0f - 1;
    }
}

static void report(const char *what, double *runs, int n, double check)
{
    printf("{\"what\": \"%s\", \"seconds\": %.6f, \"runs\": %d, "
           "\"rss_mb\": %.1f, \"check\": %.9g}\n", what, median(runs, n), n,
           own_rss_mb(), check);
}

/* ---- mel ---- */

/* The sum in dB over all frames of `seconds` of noise that repeats each second;
 * streamed, so that memory does not grow. */
static double mel_pass(struct mel *m, const float *second, int seconds,
                       float *frames, size_t bands, size_t *count)
{
    double sum = 0;

    *count = 0;
    for (int s = 0; s <= seconds; s++) {
        size_t n = s < seconds ? mel_push(m, second, RATE, frames)
                               : mel_finish(m, frames);

        for (size_t i = 0; i < n * bands; i++)
            sum += (double)frames[i];
        *count += n * bands;
    }
    return sum;
}

static int bench_mel(int argc, char **argv, struct err *err)
{
    struct mel_config config = MEL_CONFIG_INIT;
    struct mel *m = NULL;
    float *second = NULL, *frames = NULL;
    double *runs = NULL, sum = 0;
    size_t count = 0, room;
    int seconds, repeat = 3, rc;

    TRY(number(argv[0], 1, MAX_SECONDS, "SECONDS", &seconds, err));
    if (argc > 1)
        TRY(number(argv[1], 1, MAX_REPEAT, "REPEAT", &repeat, err));
    rc = mel_new(&m, &config, err);
    if (rc)
        goto out;
    second = xcalloc(RATE, sizeof(*second));
    room = mel_room(m, RATE);
    if (mel_room(m, 0) > room)
        room = mel_room(m, 0);
    frames = xcalloc(room * (size_t)config.bands, sizeof(*frames));
    runs = xcalloc((size_t)repeat, sizeof(*runs));
    noise(second, RATE);
    for (int i = 0; i < RATE; i++)
        second[i] *= 0.1f;
    for (int i = -1; i < repeat; i++) { /* the first warms up */
        double start = now();

        sum = mel_pass(m, second, seconds, frames, (size_t)config.bands,
                       &count);
        if (i >= 0)
            runs[i] = now() - start;
    }
    report("mel", runs, repeat, sum / (double)count);
out:
    free(runs);
    free(frames);
    free(second);
    mel_free(m);
    return rc;
}

/* ---- dbn ---- */

/* *act (*frames, 2), owned by the caller: the file's frames repeated to
 * *frames (0: as many as there are), or dense noise in [0, 0.5). */
static int activations(const char *source, float **act, size_t *frames,
                       struct err *err)
{
    struct npy file = { 0 };
    float *x = NULL;
    size_t n;
    int rc;

    if (!strcmp(source, "noise")) {
        x = xcalloc(*frames, 2 * sizeof(*x));
        noise(x, 2 * *frames);
        for (size_t i = 0; i < 2 * *frames; i++)
            x[i] = 0.25f * (x[i] + 1);
        *act = x;
        return 0;
    }
    rc = npy_read(&file, source, err);
    if (!rc && (file.ndim != 2 || file.dim[1] != 2 || file.dim[0] < 1))
        rc = err_set(err, ERR_FORMAT, "%s: its shape is not (frames, 2)",
                     source);
    if (!rc)
        rc = npy_floats(&file, &x, err);
    if (!rc) {
        n = (size_t)file.dim[0];
        *frames = *frames ? *frames : n;
        *act = xcalloc(*frames, 2 * sizeof(*x));
        for (size_t i = 0; i < 2 * *frames; i++)
            (*act)[i] = x[i % (2 * n)];
    }
    free(x);
    npy_release(&file);
    return rc;
}

static int bench_dbn(int argc, char **argv, struct err *err)
{
    struct dbn_config config;
    float *act = NULL;
    double *runs = NULL;
    size_t frames, found = 0;
    int fps, repeat, seconds = 0, rc;

    TRY(number(argv[1], 1, 1000, "FPS", &fps, err));
    TRY(number(argv[2], 1, MAX_REPEAT, "REPEAT", &repeat, err));
    if (argc > 3)
        TRY(number(argv[3], 0, MAX_SECONDS, "SECONDS", &seconds, err));
    frames = (size_t)seconds * (size_t)fps;
    TRY(activations(argv[0], &act, &frames, err));
    dbn_config_init(&config, fps, 1);
    runs = xcalloc((size_t)repeat, sizeof(*runs));
    rc = 0;
    for (int i = -1; i < repeat && !rc; i++) {
        struct beats beats = { 0 };
        double start = now();

        rc = dbn_decode(&beats, act, frames, &config, err);
        if (i >= 0)
            runs[i] = now() - start;
        found = beats.n;
        beats_release(&beats);
    }
    if (!rc)
        report("dbn", runs, repeat, (double)found);
    free(runs);
    free(act);
    return rc;
}

/* ---- whole processes ---- */

/* Starts a command with its output thrown away. */
static int start_child(char **argv, pid_t *out, struct err *err)
{
    pid_t pid = fork();

    if (pid < 0)
        return err_sys(err, "cannot start %s", argv[0]);
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);

        if (null >= 0) {
            dup2(null, STDIN_FILENO);
            dup2(null, STDOUT_FILENO);
        }
        execvp(argv[0], argv);
        _exit(127);
    }
    *out = pid;
    return 0;
}

static int child_failed(const char *name, int status, struct err *err)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return err_set(err, ERR_IO, "cannot run %s", name);
    if (WIFEXITED(status) && WEXITSTATUS(status))
        return err_set(err, ERR_IO, "%s ended with exit status %d", name,
                       WEXITSTATUS(status));
    if (WIFSIGNALED(status))
        return err_set(err, ERR_IO, "%s was ended by signal %d", name,
                       WTERMSIG(status));
    return 0;
}

static int bench_cpu(int argc, char **argv, struct err *err)
{
    double *cpu, *wall, rss = 0;
    int repeat, rc = 0;

    (void)argc;
    TRY(number(argv[0], 1, MAX_REPEAT, "REPEAT", &repeat, err));
    cpu = xcalloc((size_t)repeat, sizeof(*cpu));
    wall = xcalloc((size_t)repeat, sizeof(*wall));
    for (int i = -1; i < repeat && !rc; i++) { /* the first warms caches */
        double start = now();
        struct rusage u;
        int status;
        pid_t pid = 0;

        rc = start_child(argv + 1, &pid, err);
        if (rc)
            break;
        if (wait4(pid, &status, 0, &u) < 0)
            rc = err_sys(err, "cannot wait for %s", argv[1]);
        else
            rc = child_failed(argv[1], status, err);
        if (rc || i < 0)
            continue;
        wall[i] = now() - start;
        cpu[i] = cpu_s(&u);
        rss = fmax(rss, (double)u.ru_maxrss / 1024);
    }
    if (!rc)
        printf("{\"what\": \"cpu\", \"seconds\": %.6f, \"runs\": %d, "
               "\"rss_mb\": %.1f, \"wall_s\": %.6f}\n", median(cpu, repeat),
               repeat, rss, median(wall, repeat));
    free(cpu);
    free(wall);
    return rc;
}

/* Resident memory of a process now, 0 if it is gone. */
static double rss_mb_of(pid_t pid)
{
    char path[64];
    long pages = 0;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%ld/statm", (long)pid);
    f = fopen(path, "r");
    if (!f)
        return 0;
    if (fscanf(f, "%*d %ld", &pages) != 1)
        pages = 0;
    fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / (1024 * 1024);
}

/* The largest of x[from..to), 0 if there is none. */
static double largest(const double *x, size_t from, size_t to)
{
    double most = 0;

    for (size_t i = from; i < to; i++)
        most = fmax(most, x[i]);
    return most;
}

/* growth: the largest value of the last quarter over that of the second
 * quarter; 1 is flat. The first quarter is left out: caches fill there. */
static void report_watch(const double *rss, size_t n, double wall,
                         const struct rusage *u)
{
    double early = largest(rss, n / 4, n / 2);

    printf("{\"what\": \"watch\", \"seconds\": %.3f, \"runs\": 1, "
           "\"rss_mb\": %.1f, \"cpu_s\": %.3f, \"growth\": ", wall,
           (double)u->ru_maxrss / 1024, cpu_s(u));
    if (n >= 8 && early > 0)
        printf("%.4f", largest(rss, n - n / 4, n) / early);
    else
        printf("null"); /* too short to tell */
    printf(", \"rss_mb_by_second\": [");
    for (size_t i = 0; i < n; i++)
        printf("%s%.1f", i ? ", " : "", rss[i]);
    printf("]}\n");
}

static int bench_watch(int argc, char **argv, struct err *err)
{
    double *rss = NULL, start = now(), next = start + 1;
    size_t n = 0, cap = 0;
    struct rusage u;
    int status, rc;
    pid_t pid = 0, done;

    (void)argc;
    TRY(start_child(argv, &pid, err));
    while ((done = wait4(pid, &status, WNOHANG, &u)) == 0) {
        struct timespec nap = { 0, 20000000 };

        nanosleep(&nap, NULL);
        if (now() < next)
            continue;
        ARRAY_GROW(rss, n, cap);
        rss[n] = rss_mb_of(pid);
        n += rss[n] > 0; /* it may just have ended */
        next += 1;
    }
    rc = done < 0 ? err_sys(err, "cannot wait for %s", argv[0])
                  : child_failed(argv[0], status, err);
    if (!rc)
        report_watch(rss, n, now() - start, &u);
    free(rss);
    return rc;
}

/* ---- which ---- */

static const struct bench {
    const char *name;
    int args; /* at least */
    int (*run)(int argc, char **argv, struct err *err);
} benches[] = {
    { "mel", 1, bench_mel },
    { "dbn", 3, bench_dbn },
    { "cpu", 2, bench_cpu },
    { "watch", 1, bench_watch },
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < ARRAY_LEN(benches); i++) {
        struct err err = { 0, "" };

        if (strcmp(argv[1], benches[i].name) || argc - 2 < benches[i].args)
            continue;
        if (!benches[i].run(argc - 2, argv + 2, &err))
            return 0;
        fprintf(stderr, "kbench: %s\n", err.msg);
        return 1;
    }
    fputs("usage: kbench mel SECONDS [REPEAT]\n"
          "       kbench dbn FILE.npy|noise FPS REPEAT [SECONDS]\n"
          "       kbench cpu REPEAT COMMAND [ARG...]\n"
          "       kbench watch COMMAND [ARG...]\n", stderr);
    return 2;
}

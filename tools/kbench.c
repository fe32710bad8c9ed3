/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kbench - time one part of mfm, or a whole command; one JSON line on stdout.
 *
 *   kbench mel SECONDS [REPEAT]              log-mel of noise, one thread
 *   kbench dbn FILE.npy|noise FPS REPEAT [SECONDS]   downbeats of activations,
 *                                            tiled to SECONDS; bars of 3 and 4
 *   kbench encoder MODEL SECONDS REPEAT [OPTION...]   forward pass of windows
 *   kbench bf16 MODEL SECONDS [MEL.npy]      cosines of hidden states in bf16
 *                                            and in f32, layer by layer, of
 *                                            noise or of what mfm embed --layer
 *                                            mel wrote
 *   kbench train MODEL SECONDS REPEAT [OPTION...]   forward, loss, backward
 *   kbench cpu REPEAT COMMAND [ARG...]       processor time of whole processes
 *   kbench watch COMMAND [ARG...]            resident memory, second by second
 *
 * OPTION: threads=N, batch=N (windows at once), device=cuda, checkpoint,
 * precision=f32|bf16|tf32|fp16.
 *
 * All but bf16 print what, seconds (the median), runs and rss_mb. The commands'
 * own output is thrown away. tools/bench runs this beside the peers of
 * tools/peers, on the same input: `check` is a figure of the result that must
 * agree. */
#include "kbench.h"

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

#include "base/xalloc.h"

/* ---- time, memory, numbers ---- */

double kbench_now(void)
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
double kbench_median(double *x, int n)
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

int kbench_number(const char *text, int least, int most, const char *what,
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

int kbench_options(struct kbench_options *o, int argc, char **argv,
                   struct err *err)
{
    static const char *const precision[] = { "f32", "bf16", "tf32", "fp16" };

    *o = (struct kbench_options){ .batch = 1, .device = "cpu" };
    for (int i = 0; i < argc; i++) {
        const char *v = strchr(argv[i], '=');
        int known = 0;

        v = v ? v + 1 : "";
        if (!strncmp(argv[i], "threads=", 8)) {
            TRY(kbench_number(v, 0, 1024, "threads", &o->threads, err));
        } else if (!strncmp(argv[i], "batch=", 6)) {
            TRY(kbench_number(v, 1, 1024, "batch", &o->batch, err));
        } else if (!strncmp(argv[i], "device=", 7)) {
            o->device = v;
        } else if (!strcmp(argv[i], "checkpoint")) {
            o->checkpoint = 1;
        } else {
            for (int k = 0; k < 4 && !known; k++) {
                known = !strncmp(argv[i], "precision=", 10) &&
                        !strcmp(v, precision[k]);
                o->precision = (enum precision)k;
            }
            if (!known)
                return err_set(err, ERR_ARG, "unknown option \"%s\"", argv[i]);
        }
    }
    return 0;
}

int kbench_open(struct backend **be, const struct kbench_options *o,
                struct err *err)
{
    TRY(backend_open(be, o->device, o->threads, err));
    return backend_set_precision(*be, o->precision, err);
}

/* Noise in [-1, 1): the generator of tools/peers/torch_bench.py (Numerical
 * Recipes' constants). */
void kbench_noise(float *x, size_t n)
{
    uint32_t state = 1;

    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        x[i] = (float)(state >> 8) / 8388608.0f - 1;
    }
}

void kbench_report(const char *what, double *runs, int n, double check)
{
    printf("{\"what\": \"%s\", \"seconds\": %.6f, \"runs\": %d, "
           "\"rss_mb\": %.1f, \"check\": %.9g}\n", what, kbench_median(runs, n),
           n, own_rss_mb(), check);
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

static int kbench_cpu(int argc, char **argv, struct err *err)
{
    double *cpu, *wall, rss = 0;
    int repeat, rc = 0;

    (void)argc;
    TRY(kbench_number(argv[0], 1, MAX_REPEAT, "REPEAT", &repeat, err));
    cpu = xcalloc((size_t)repeat, sizeof(*cpu));
    wall = xcalloc((size_t)repeat, sizeof(*wall));
    for (int i = -1; i < repeat && !rc; i++) { /* the first warms caches */
        double start = kbench_now();
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
        wall[i] = kbench_now() - start;
        cpu[i] = cpu_s(&u);
        rss = fmax(rss, (double)u.ru_maxrss / 1024);
    }
    if (!rc)
        printf("{\"what\": \"cpu\", \"seconds\": %.6f, \"runs\": %d, "
               "\"rss_mb\": %.1f, \"wall_s\": %.6f}\n",
               kbench_median(cpu, repeat), repeat, rss,
               kbench_median(wall, repeat));
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

static int kbench_watch(int argc, char **argv, struct err *err)
{
    double *rss = NULL, start = kbench_now(), next = start + 1;
    size_t n = 0, cap = 0;
    struct rusage u;
    int status, rc;
    pid_t pid = 0, done;

    (void)argc;
    TRY(start_child(argv, &pid, err));
    while ((done = wait4(pid, &status, WNOHANG, &u)) == 0) {
        struct timespec nap = { 0, 20000000 };

        nanosleep(&nap, NULL);
        if (kbench_now() < next)
            continue;
        ARRAY_GROW(rss, n, cap);
        rss[n] = rss_mb_of(pid);
        n += rss[n] > 0; /* it may just have ended */
        next += 1;
    }
    rc = done < 0 ? err_sys(err, "cannot wait for %s", argv[0])
                  : child_failed(argv[0], status, err);
    if (!rc)
        report_watch(rss, n, kbench_now() - start, &u);
    free(rss);
    return rc;
}

/* ---- which ---- */

static const struct bench {
    const char *name;
    int args; /* at least */
    int (*run)(int argc, char **argv, struct err *err);
} benches[] = {
    { "mel", 1, kbench_mel },
    { "dbn", 3, kbench_dbn },
    { "encoder", 3, kbench_encoder },
    { "bf16", 2, kbench_bf16 },
    { "train", 3, kbench_train },
    { "cpu", 2, kbench_cpu },
    { "watch", 1, kbench_watch },
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
          "       kbench encoder MODEL SECONDS REPEAT [OPTION...]\n"
          "       kbench bf16 MODEL SECONDS [MEL.npy]\n"
          "       kbench train MODEL SECONDS REPEAT [OPTION...]\n"
          "       kbench cpu REPEAT COMMAND [ARG...]\n"
          "       kbench watch COMMAND [ARG...]\n", stderr);
    return 2;
}

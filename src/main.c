/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Global options, the command, and whether stdout took everything. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cmd/cmd.h"
#include "cmd/common.h"
#include "tensor/module.h"
#include "config.h"

/* The reader has gone: nobody wants the rest, or a message about it. */
static void on_sigpipe(int signo)
{
    (void)signo;
    _exit(CMD_FAILED);
}

/* A closed stdin, stdout or stderr must not become a file that mfm opens. What
 * takes their place refuses, so that reads and writes still fail. */
static void hold_standard_files(void)
{
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 &&
            open("/dev/null", fd ? O_RDONLY : O_WRONLY) < 0)
            _exit(CMD_FAILED);
}

/* OpenMP's threads wait for each other by spinning, by default for
 * milliseconds: where another program has one of two cores, that took mfm four
 * times as long. A thirtieth of it keeps the speed of an idle machine and loses
 * half there. libgomp reads its settings when it is loaded, so they must be
 * there before: once more from the start. */
static void spin_less(char **argv)
{
    char self[4096];
    ssize_t n;

    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT"))
        return;
    /* not the link itself: under valgrind that is another program */
    n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (n <= 0 || setenv("GOMP_SPINCOUNT", "10000", 1))
        return;
    self[n] = '\0';
    execv(self, argv); /* a failure costs only speed */
}

/* Starting twice costs 3 ms, which is half of scoring a pair of files. */
static int runs_encoder(int argc, char **argv)
{
    if (!strcmp(argv[1], "eval")) {
        for (int i = 2; i < argc; i++)
            if (!strncmp(argv[i], "--root", 6))
                return 1;
        return 0;
    }
    return strcmp(argv[1], "help") && strcmp(argv[1], "convert");
}

/* Whether the CUDA module is there, which is not loaded for that: with the
 * driver's libraries it takes a tenth of a second. */
static void find_cuda(char version[24], char module[MODULE_PATH])
{
    struct module_about a;
    struct err err = {0};

    strcpy(version, "no");
    if (module_find(module, &err))
        *module = '\0';
    else if (module_read(&a, module, &err))
        snprintf(module, MODULE_PATH, "%s", err.msg);
    else
        snprintf(version, 24, "%d.%d%s", a.cuda / 1000, a.cuda % 1000 / 10,
                 a.emulated ? " emulated" : "");
}

static void print_version(void)
{
    char cuda[24], module[MODULE_PATH];

    find_cuda(cuda, module);
    printf("mfm %s\n"
           "features: oneDNN %s, libavformat %d and libavcodec %d, OpenMP %d, "
           "CUDA %s, MPI %s\n",
           PACKAGE_VERSION, MFM_DNNL_VERSION, MFM_LIBAVFORMAT_MAJOR,
           MFM_LIBAVCODEC_MAJOR, _OPENMP, cuda,
#ifdef HAVE_MPI
           "yes"
#else
           "no"
#endif
    );
    if (*module)
        printf("CUDA module: %s\n", module);
    printf("licence: GPL-3.0-or-later; free software without any warranty\n");
}

static int print_list(FILE *f)
{
    struct strbuf text = STRBUF_INIT;

    cmd_list(&text);
    fputs(text.s, f);
    strbuf_release(&text);
    return CMD_DONE;
}

static int run(int argc, char **argv)
{
    const struct cmd *c;

    if (argc < 2) {
        print_list(stderr);
        return CMD_USAGE;
    }
    if (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help"))
        return print_list(stdout);
    if (!strcmp(argv[1], "--version")) {
        print_version();
        return CMD_DONE;
    }
    if (argv[1][0] == '-') {
        log_error("unknown option %s (see mfm -h)", argv[1]);
        return CMD_USAGE;
    }
    c = cmd_find(argv[1]);
    if (!c)
        return cmd_unknown(argv[1]);
    if (runs_encoder(argc, argv))
        spin_less(argv);
    return c->run(argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
    int rc, failed;

    hold_standard_files();
    signal(SIGPIPE, on_sigpipe);
    signal(SIGXFSZ, SIG_IGN); /* writing fails instead */
    rc = run(argc, argv);
    errno = 0;
    failed = fflush(stdout);
    if (rc == CMD_FAILED) /* that has been said */
        return rc;
    if (failed || ferror(stdout)) {
        log_error("stdout: cannot write%s%s", errno ? ": " : "",
                  errno ? strerror(errno) : "");
        return CMD_FAILED;
    }
    return rc;
}

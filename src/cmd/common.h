/* common.h - options that the commands share, -h, and usage errors.
 *
 *     int cmd_beats(int argc, char **argv)
 *     {
 *         struct cmd_common c = CMD_COMMON_INIT;
 *         int no_correct = 0, n;
 *         const struct opt own[] = {
 *             { 0, "no-correct", OPT_FLAG, &no_correct, NULL, "..." },
 *             { .kind = OPT_END }
 *         };
 *         const struct cmd_usage usage = {
 *             "beats", "mfm beats [OPTIONS] [FILE...]", "About...\n", own,
 *             CMD_MODEL | CMD_INPUT | CMD_OUTPUT | CMD_PROGRESS
 *         };
 *         int rc = cmd_begin(&usage, &c, argc, argv, &n);
 *
 *         if (rc != CMD_GO)
 *             return rc;
 *         ... argv[0..n-1] are the operands ...
 *     }
 */
#ifndef CMD_COMMON_H
#define CMD_COMMON_H

#include <math.h>
#include "audio/decode.h"
#include "base/err.h"
#include "base/opt.h"
#include "base/strbuf.h"

enum {
    CMD_DONE = 0,   /* exit codes */
    CMD_FAILED = 1, /* at least one input failed */
    CMD_USAGE = 2,
    CMD_GO = -1     /* cmd_begin: go on */
};

/* Which options a command takes besides its own; -q -v -h it always takes. */
enum {
    CMD_MODEL = 1,    /* -m --device --precision --threads */
    CMD_INPUT = 2,    /* --files-from -0 -r --raw --from --to */
    CMD_OUTPUT = 4,   /* -o --force */
    CMD_OUT_DIR = 8,  /* --out-dir --keep-folders --resume */
    CMD_FORMAT = 16,  /* --format, of the words in cmd_common.formats */
    CMD_PROGRESS = 32, /* --progress */
    CMD_MODELS = 64,  /* with CMD_MODEL: -m may be given several times */
    CMD_COMPUTE = 128, /* CMD_MODEL without -m */
    CMD_JOBS = 256    /* -j */
};

/* Values of the shared options; strings are borrowed from argv. */
struct cmd_common {
    const char *model;      /* file or name; "default"; of several the last */
    struct opt_list models; /* CMD_MODELS: all that were given */
    const char *device;     /* checked: backend_check_device */
    const char *precision;  /* "auto", "f32", "tf32", "bf16" or "fp16" */
    int threads;            /* of a job; 0: as many as there are cores; already
                               set */
    int jobs;               /* CMD_JOBS: inputs at once; 0: not given */
    const char *files_from; /* NULL, or "-" for stdin */
    int nul, recurse;       /* -0, -r */
    const char *raw;        /* --raw as given; NULL: not given */
    struct cmd_pcm {
        enum decode_raw kind;
        int rate, channels;
    } pcm;                  /* what it means */
    double from, to;        /* s: the part of each input; to is INFINITY where
                               it is the end */
    const char *output;     /* -o; NULL is stdout, as "-" is */
    const char *out_dir;    /* NULL or a folder */
    const char *formats;    /* set before cmd_begin: "json|text" */
    const char *format;     /* one of formats; set before: the default */
    int force;
    int resume, keep_folders; /* CMD_OUT_DIR */
    const char *progress;   /* "auto", "always", "never" */
    int quiet, verbose, help;
    struct opt_given given; /* of all options, the command's own too */
};
#define CMD_COMMON_INIT \
    { .model = "default", .device = "auto", .precision = "auto", \
      .progress = "auto", .to = INFINITY }

struct cmd_usage {
    const char *name;      /* "beats" */
    const char *synopsis;  /* lines as in the man page's SYNOPSIS */
    const char *about;     /* one paragraph, broken into lines */
    const struct opt *own; /* its own options; NULL if it has none */
    int groups;            /* CMD_MODEL | ... */
};

/* From now on cmd_begin reads nothing, but calls visit with the command's
 * tables (NULL at the end) and returns CMD_DONE; NULL: no longer. */
typedef void cmd_visit(void *ctx, const struct cmd_usage *usage,
                       const struct opt *const *tables);
void cmd_show_options(cmd_visit *visit, void *ctx);

/* Reads the options of argv[1..], of usage->own and of the groups, sets the log
 * level and the number of threads. *n operands are then in argv[0..]. Returns
 * CMD_GO; or the exit code: CMD_DONE after -h has been printed, CMD_USAGE after
 * one line about a use that cannot be meant. The caller frees OPT_LISTs,
 * models too. */
int cmd_begin(const struct cmd_usage *usage, struct cmd_common *c, int argc,
              char **argv, int *n);

/* What -h prints. */
void cmd_usage_text(struct strbuf *out, const struct cmd_usage *usage,
                    struct cmd_common *c);

/* A usage error, as below, that begins with the option, if one of names
 * ("window|hop") was given: it would say nothing. Else CMD_GO. */
int cmd_refuse(const struct cmd_common *c, const char *command,
               const char *names, const char *why);

/* Prints "mfm: NAME: message (see mfm NAME -h)" on stderr, one line; returns
 * CMD_USAGE. */
int cmd_usage_error(const char *name, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Prints the error and returns the exit code that goes with it: a usage error
 * for ERR_ARG, else CMD_FAILED. For errors before work begins. */
int cmd_start_error(const char *name, const struct err *err);

#endif

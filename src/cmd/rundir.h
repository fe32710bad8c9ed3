/* rundir.h - what training commands share: the folder of a run, its corpora,
 * signals. */
#ifndef CMD_RUNDIR_H
#define CMD_RUNDIR_H

#include <signal.h>
#include "base/err.h"
#include "base/json.h"
#include "base/opt.h"
#include "cmd/common.h"
#include "train/manifest.h"
#include "train/progress.h"

/* Makes the folder of a new run. ERR_ARG if something is in it, unless resume:
 * then it must hold a run (config.json). ERR_IO if another process works on
 * it; from now on others are kept off. */
int rundir_make(const char *dir, int resume, struct err *err);

/* Removes what an earlier run left in dir, so that rundir_make finds it empty;
 * nothing where it holds no run (config.json), and nothing else. */
void rundir_clear(const char *dir);

/* For the object "run" of config.json: paths as a list under a name, absolute
 * where they exist; and back, where l is empty (borrowed from run). */
void rundir_remember(cJSON *run, const char *name, const struct opt_list *l);
void rundir_recall(const cJSON *run, const char *name, struct opt_list *l);

/* Adds the recordings of paths (manifest.h) and, if dataset ("fma") is given,
 * of the dataset under root. */
int rundir_recordings(struct manifest *m, const struct opt_list *paths,
                      const char *dataset, const char *root, struct err *err);

/* The recordings of paths (manifest.h) and, if dataset ("fma") is given, of the
 * dataset under root; probed, those shorter than least seconds left out with a
 * message. ERR_ARG where none is left. */
int rundir_corpus(struct manifest *m, const struct opt_list *paths,
                  const char *dataset, const char *root, double least,
                  int threads, struct err *err);

/* "150 recordings, 8.7 h, 0123456789abcdef": equal for equal corpora (names
 * without folders, and lengths). The caller frees. */
char *rundir_fingerprint(const struct manifest *m);

/* How --progress and -q say that training reports. */
enum train_progress_mode rundir_progress(const struct cmd_common *c);

/* From now on SIGINT and SIGTERM set this flag; a second one ends at once. */
const volatile sig_atomic_t *rundir_signals(void);

#endif

/* outputs.h - where results go, and which files may be replaced.
 *
 * A file that mfm did not write is not overwritten without --force. mfm knows
 * its own files by what is in them:
 *   - JSON and NDJSON: the first object has the key "mfm", or is {"file",
 *     "error"}; of JAMS, its sandbox has it;
 *   - NAME.npy: NAME.npy.json beside it is such a JSON (the sidecar that
 *     `mfm embed` and `mfm tokenize` write);
 *   - NAME.wav, or sound of another name: OUTPUTS_WAV_MARK is in its first
 *     bytes;
 *   - NAME.npz: an array of it is called "mfm";
 *   - NAME.html: its first lines say that mfm generated it;
 *   - text formats say nothing about who wrote them, and a reference annotation
 *     looks just the same: only a file that holds exactly the new text is
 *     replaced (a run that is repeated finds nothing to do).
 * Empty files, pipes, terminals and devices are written to, always. */
#ifndef CMD_OUTPUTS_H
#define CMD_OUTPUTS_H

#include "base/err.h"
#include "base/strbuf.h"
#include "cmd/common.h"
#include "cmd/inputs.h"

#define OUTPUTS_WAV_MARK "mfm beats --click"

/* Before work begins: several inputs in a text format need --out-dir (text is 1
 * where the format is such a one); --out-dir is made, with the folders above
 * it; of inputs that would have the same names there all but the first become
 * failed inputs. */
int outputs_prepare(const struct cmd_common *c, struct inputs *in, int text,
                    struct err *err);

/* What the results of an input are called without a suffix: its name without
 * the extension, "album/song". The caller frees it. */
char *outputs_stem(const struct input *in);

/* dir/STEM suffix, as "out/song.chords.lab"; the caller frees it. */
char *outputs_path(const char *dir, const struct input *in, const char *suffix);

/* Sets done of each input that has all of its files (suffix ends with NULL). */
void outputs_find_done(const char *dir, struct inputs *in,
                       const char *const *suffix);

/* 0 if path may be written, else ERR_ARG and what to do about it. text is the
 * new content; NULL where it is not known yet, which then refuses only JSON and
 * .npy files of others: call it so before work begins, to fail early. */
int outputs_may_write(const char *path, int force, const struct strbuf *text,
                      struct err *err);

/* ERR_ARG where the output is the input itself, by whatever name: it would be
 * lost, and --force does not mean that. */
int outputs_spare_input(const char *path, const char *input, struct err *err);

/* Writes text to path ("-" is stdout) if it may be written; whole or not at
 * all. */
int outputs_write(const char *path, int force, const struct strbuf *text,
                  struct err *err);

#endif

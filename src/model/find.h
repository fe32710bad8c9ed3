/* find.h - where models and presets are. */
#ifndef MODEL_FIND_H
#define MODEL_FIND_H

#include "base/err.h"

/* What -m/--model means. name is a file if it has a "/", ends in .safetensors
 * or is the name of an existing file here; else NAME.safetensors is looked for
 * in the folders of $MFM_MODELS (":" between them), then
 * ${XDG_DATA_HOME:-~/.local/share}/mfm/models, then the installed folder, then
 * data/models and share/mfm/models beside or up to three folders above the
 * running program (an uninstalled build, a moved installation). Returns 0 and
 * the path, which the caller frees; or ERR_IO with the folders that were tried.
 * A named file is not checked. */
int model_find(char **out, const char *name, struct err *err);

/* The same for what --preset means: NAME.json, $MFM_PRESETS, and folders
 * "presets" in the place of "models". */
int preset_find(char **out, const char *name, struct err *err);

/* Calls visit for each name that these find, folder by folder in their order,
 * sorted in each; what a folder before has already is left out. */
typedef void find_visit(void *ctx, const char *name, const char *path);
void model_list(find_visit *visit, void *ctx);
void preset_list(find_visit *visit, void *ctx);

#endif

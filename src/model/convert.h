/* convert.h - checkpoints of other programs to model files, and back. One pass
 * over the input, one tensor in memory at a time. */
#ifndef MODEL_CONVERT_H
#define MODEL_CONVERT_H

#include "base/err.h"

enum convert_precision {
    CONVERT_KEEP, /* element types as they are */
    CONVERT_F32,  /* all floats */
    CONVERT_BF16  /* weights of two and more dimensions; other floats F32 */
};

struct convert {
    const char *in;     /* a PyTorch or safetensors file */
    const char *out;    /* "-" is stdout */
    const char *name;   /* of the model, if its file has none */
    const char *stats;  /* JSON files, or NULL: see musicfm_config */
    const char *config; /* the same, MERT's config.json (if NULL, that in the
                           input's folder), or a whole configuration
                           (config.h) */
    enum convert_precision precision;
    int to_pt;          /* write a PyTorch file, else safetensors */
};

/* A MusicFM or MERT checkpoint becomes a model file, with the original names
 * kept in __metadata__.torch; a model file becomes another precision, or a
 * PyTorch file with its original names. Any named tensors go from one container
 * to the other with to_pt. Errors as musicfm_config, mert_config,
 * torchfile_open, safetensors_open, with the file's name in front; nothing is
 * left behind. */
int convert_run(const struct convert *job, struct err *err);

#endif

/* modelmel.h - the mel that a model was trained on, as mel.h takes it; here,
 * since neither folder knows the other. */
#ifndef TRAIN_MODELMEL_H
#define TRAIN_MODELMEL_H

#include "mel/mel.h"
#include "model/config.h"

/* rate: of the samples, Hz. From 0 Hz to half of it. */
static inline struct mel_config mel_config_of(const struct mel_settings *s,
                                              int rate)
{
    return (struct mel_config){ rate, s->n_fft, s->hop, s->bands, 0,
                                rate / 2.0 };
}

#endif

/* meldevice.h - the frames of mel.h, made on a device that has the operation
 * (struct backend_ops, mel), where they stay: samples go there, and nothing but
 * what the encoder made of them comes back. Normalised. Within 1e-4 dB of mel.h
 * but for bands far below a frame's peak, where f32 spectra differ. */
#ifndef MEL_MELDEVICE_H
#define MEL_MELDEVICE_H

#include "mel/mel.h"
#include "tensor/backend.h"

struct mel_device;

/* What comes out is (dB - mean) * scale. be is borrowed, and has the operation.
 * Errors as mel_new, ERR_DEVICE. */
int mel_device_new(struct mel_device **out, const struct mel_config *config,
                   float mean, float scale, struct backend *be,
                   struct err *err);
void mel_device_free(struct mel_device *m); /* NULL is allowed */

/* Takes n samples, and with n 0 the end of the recording: *out (frames, bands),
 * valid until the next call, are the frames that are complete now. */
int mel_device_push(struct mel_device *m, const float *x, size_t n,
                    const struct tensor **out, struct err *err);

#endif

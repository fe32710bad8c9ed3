/* encode.h - samples -> FLAC, in memory. What decode.h reads is the same
 * samples, to the bit. */
#ifndef AUDIO_ENCODE_H
#define AUDIO_ENCODE_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/strbuf.h"

/* Appends a FLAC file of x (n samples of one channel, n >= 1) at rate (Hz).
 * Threads are independent. ERR_UNSUPPORTED where FFmpeg lacks FLAC or a library
 * is missing, ERR_NOMEM, ERR_ARG for a rate that FLAC has not. */
int encode_flac(struct strbuf *out, const int16_t *x, size_t n, int rate,
                struct err *err);

#endif

/* click.h - a recording with a click on each beat, as a WAV file to listen
 * to. */
#ifndef CMD_CLICK_H
#define CMD_CLICK_H

#include <stdint.h>
#include "annot/annot.h"
#include "base/err.h"

struct click; /* samples, kept in a temporary file */

/* One channel at rate (Hz). ERR_IO. */
int click_new(struct click **out, int rate, struct err *err);
void click_free(struct click *c); /* NULL is allowed */

int click_push(struct click *c, const float *x, int64_t n, struct err *err);

/* Writes path ("-" is stdout): 16-bit PCM, the recording at half its level and
 * on each beat 30 ms of 1 kHz, on downbeats (position 1) of 2 kHz. Times of
 * beats are those of the file, of which the samples are from start (s) on. A
 * WAV that mfm did not write is replaced only with force. ERR_ARG for no
 * samples and for more than 4 GiB, which WAV cannot hold; ERR_IO. */
int click_write(struct click *c, const char *path, int force,
                const struct beats *beats, double start, struct err *err);

#endif

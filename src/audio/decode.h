/* decode.h - audio of anything libavformat reads -> mono float samples at one
 * rate, in chunks. Memory does not grow with the length of the audio.
 *
 * libavformat, libavcodec, libswresample and libavutil are loaded when the
 * first decoder is opened. Decoders of several threads are independent; one
 * decoder belongs to one thread at a time.
 *
 * - The best audio stream of any container is taken (av_find_best_stream);
 *   video, pictures, text and other audio streams are passed over.
 * - Mono is the plain mean of the channels, not the ITU downmix of players;
 *   then libswresample brings it to the rate. Where the input already has the
 *   rate and one channel of 16 bits, a sample is exactly int16 / 32768.
 * - Priming and padding that the container declares (mp3, opus, aac) are cut,
 *   as ffmpeg does. Time stamps are otherwise ignored: samples follow each
 *   other without gaps.
 * - Rate and channels may change in mid-stream.
 * - Samples of lossy and float formats may leave [-1, 1] a little, as in the
 *   programs the published models were trained with. NaN and infinities become
 *   0, and nothing exceeds 1e6, so that a power spectrum stays finite.
 * - Playlists and files that refer to others are never followed: libavformat
 *   is given the bytes of this one file and may open nothing. */
#ifndef AUDIO_DECODE_H
#define AUDIO_DECODE_H

#include <stddef.h>
#include "base/err.h"

struct decoder;

enum decode_raw { DECODE_CONTAINER, DECODE_S16LE, DECODE_F32LE };

enum {
    DECODE_MIN_RATE = 1000,    /* Hz: limits of what is read and of what */
    DECODE_MAX_RATE = 6144000, /* can be asked for */
    DECODE_MAX_CHANNELS = 512
};

struct decode_source {
    const char *path;    /* "-" is stdin, a stream or a file */
    int fd;              /* above 0: path, opened before; borrowed until free */
    const void *prefix;  /* bytes that were already taken from that, or from */
    size_t prefix_len;   /* a stream, with read(2) (stdio takes more) */
    enum decode_raw raw; /* headerless PCM instead of a container, of */
    int raw_rate;        /* this many Hz and */
    int raw_channels;    /* interleaved channels */
    const void *memory;  /* a whole file in memory, borrowed; path is then */
    size_t memory_len;   /* only its name */
    int quiet;           /* damage is not logged */
};

/* Opens src for reading at rate (Hz). Returns 0 and sets *out, freed by
 * decoder_free; src->path is borrowed until then, the prefix is copied.
 * ERR_IO: cannot be opened or read; ERR_FORMAT: empty, no audio stream, or
 * nothing that libavformat knows; ERR_UNSUPPORTED: the libraries or a codec are
 * missing; ERR_ARG: rate or raw_* outside the limits; ERR_NOMEM. Each message
 * begins with the path ("stdin"). */
int decoder_open(struct decoder **out, const struct decode_source *src,
                 int rate, struct err *err);
void decoder_free(struct decoder *d); /* NULL is allowed */

/* Fills buf with the next n samples; *got < n only at the end of the audio.
 * Damage does not fail: what can be decoded is returned, and at the end one
 * warning is logged (decoder_warning). ERR_FORMAT or ERR_IO if the input ends
 * without a single sample; ERR_NOMEM. */
int decoder_read(struct decoder *d, float *buf, size_t n, size_t *got,
                 struct err *err);

/* What was damaged up to now, as "song.mp3: 3 damaged places, the first at
 * 12.4 s: ..."; NULL if nothing. Borrowed until the next call for d. */
const char *decoder_warning(struct decoder *d);

/* The length in seconds that the container claims, 0 if unknown. Good for
 * progress, not for results. */
double decoder_duration_hint(const struct decoder *d);

/* The same where the container tells it and no damage is in sight, else 0 (mp3
 * without a Xing header, a wav that was written to a pipe...). */
double decoder_duration_exact(const struct decoder *d);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "audio/decode.h"

#include <ctype.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libswresample/swresample.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audio/mono.h"
#include "audio/oggend.h"
#include "audio/source.h"
#include "base/dynlib.h"
#include "base/log.h"
#include "base/xalloc.h"

enum {
    IO_BYTES = 32768,    /* libavformat's buffer */
    IO_ROUNDS = 16,      /* times that a file may be read, to and fro, */
    IO_SPARE = 1 << 24,  /* and so many bytes more each time */
    CHUNK = 8192,        /* samples mixed and resampled at a time */
    RETRIES = 64,        /* failed packets in succession before giving up */
    IDLE = 1000000       /* packets in succession that give no sample */
};
/* No real file holds more than a day and a second for each byte: one that
 * claims it refers to the same bytes for ever. */
static const double max_seconds = 86400, max_seconds_per_byte = 1;

/* ---- the libraries ---- */

#define UTIL_FUNCTIONS(F)                                              \
    F(av_dict_free) F(av_dict_set) F(av_dict_set_int) F(av_frame_alloc) \
    F(av_frame_free) F(av_free) F(av_log_set_level) F(av_malloc)       \
    F(av_sample_fmt_is_planar) F(av_strerror)
#define CODEC_FUNCTIONS(F)                                             \
    F(av_packet_alloc) F(av_packet_free) F(av_packet_unref)            \
    F(avcodec_alloc_context3) F(avcodec_free_context)                  \
    F(avcodec_open2) F(avcodec_parameters_to_context)                  \
    F(avcodec_receive_frame) F(avcodec_send_packet)
#define FORMAT_FUNCTIONS(F)                                            \
    F(av_find_best_stream) F(av_find_input_format) F(av_read_frame)    \
    F(avformat_alloc_context) F(avformat_close_input)                  \
    F(avformat_find_stream_info) F(avformat_open_input)                \
    F(avio_alloc_context) F(avio_context_free)
#define RESAMPLE_FUNCTIONS(F)                                          \
    F(swr_alloc_set_opts2) F(swr_convert) F(swr_free) F(swr_init)

/* Written once, by load_all under pthread_once. */
static struct av {
    UTIL_FUNCTIONS(DYNLIB_FIELD)
    CODEC_FUNCTIONS(DYNLIB_FIELD)
    FORMAT_FUNCTIONS(DYNLIB_FIELD)
    RESAMPLE_FUNCTIONS(DYNLIB_FIELD)
} av;
static struct err load_err;
static pthread_once_t load_once = PTHREAD_ONCE_INIT;

static void load_all(void)
{
    DYNLIB_LOAD("libavutil", LIBAVUTIL_VERSION_MAJOR, UTIL_FUNCTIONS,
                &load_err);
    DYNLIB_LOAD("libswresample", LIBSWRESAMPLE_VERSION_MAJOR,
                RESAMPLE_FUNCTIONS, &load_err);
    DYNLIB_LOAD("libavcodec", LIBAVCODEC_VERSION_MAJOR, CODEC_FUNCTIONS,
                &load_err);
    DYNLIB_LOAD("libavformat", LIBAVFORMAT_VERSION_MAJOR, FORMAT_FUNCTIONS,
                &load_err);
    av.av_log_set_level(log_level() >= LOG_DEBUG ? AV_LOG_INFO
                                                 : AV_LOG_QUIET);
}

static int load_libraries(struct err *err)
{
    pthread_once(&load_once, load_all);
    if (load_err.code)
        return err_set(err, load_err.code, "%s", load_err.msg);
    return 0;
}

/* ---- the decoder ---- */

struct decoder {
    const char *name;           /* of the source */
    int rate;
    struct source source;
    AVIOContext *io;
    AVFormatContext *format;
    AVStream *stream;
    AVCodecContext *codec;
    AVPacket *packet;
    AVFrame *frame;
    int frame_pos;              /* samples of frame already used; -1: none */
    int at_end;                 /* no more packets */
    int done;                   /* no more samples at all */
    int retries, idle;          /* failures and packets in succession */

    struct SwrContext *swr;     /* NULL: none, or the rate needs none */
    int swr_rate;               /* its input rate */
    float *mono;                /* (CHUNK) mean of the channels */
    float *out;                 /* (out_cap) samples at rate */
    size_t out_cap, out_len, out_pos;

    double in_s;                /* seconds decoded */
    int64_t samples;            /* samples given to the caller */
    int finished;               /* the end was reported */
    int quiet;
    double hint_s;
    int hint_exact;
    int open_end;               /* the header tells no length */
    int damaged;                /* places */
    double damage_s;            /* the first */
    char damage[128];           /* what happened there */
    char warning[1024];
};

static void av_text(int code, char *text, size_t size)
{
    if (av.av_strerror(code, text, size))
        snprintf(text, size, "error %d", code);
}

static void note_damage(struct decoder *d, const char *what)
{
    if (d->damaged++)
        return;
    d->damage_s = d->in_s;
    snprintf(d->damage, sizeof(d->damage), "%s", what);
}

static void note_av_damage(struct decoder *d, int code)
{
    char text[AV_ERROR_MAX_STRING_SIZE];

    av_text(code, text, sizeof(text));
    note_damage(d, text);
}

/* ---- opening ---- */

static int read_bytes(void *opaque, uint8_t *buf, int n)
{
    struct source *s = opaque;
    int got;

    if (s->size >= 0 && s->read_sum / IO_ROUNDS > s->size + IO_SPARE)
        return AVERROR_EOF;
    got = source_read(s, buf, (size_t)n);
    if (got < 0)
        return AVERROR(s->error);
    return got ? got : AVERROR_EOF;
}

static int64_t seek_bytes(void *opaque, int64_t offset, int whence)
{
    struct source *s = opaque;

    whence &= ~AVSEEK_FORCE;
    if (whence == AVSEEK_SIZE)
        return s->size;
    if (whence == SEEK_CUR)
        offset += s->pos;
    else if (whence == SEEK_END)
        offset += s->size;
    else if (whence != SEEK_SET)
        return AVERROR(EINVAL);
    if (offset < 0)
        return AVERROR(EINVAL);
    source_seek(s, offset);
    return offset;
}

/* A playlist or a reference inside a file must not read other files. */
static int refuse_open(struct AVFormatContext *s, AVIOContext **pb,
                       const char *url, int flags, AVDictionary **options)
{
    (void)s, (void)pb, (void)url, (void)flags, (void)options;
    return AVERROR(EACCES);
}

static int open_io(struct decoder *d, struct err *err)
{
    unsigned char *buf = av.av_malloc(IO_BYTES);

    if (buf)
        d->io = av.avio_alloc_context(buf, IO_BYTES, 0, &d->source, read_bytes,
                                      NULL, source_seekable(&d->source)
                                                ? seek_bytes : NULL);
    if (!d->io) {
        av.av_free(buf);
        return err_set(err, ERR_NOMEM, "%s: no memory to read it", d->name);
    }
    return 0;
}

/* libavformat gets no path, only its extension, which helps to tell formats
 * apart: a path could be a pattern or a protocol. */
static void extension_url(char *url, size_t size, const char *path)
{
    const char *dot = strrchr(path, '.');
    size_t n = 0;

    while (dot && isalnum((unsigned char)dot[n + 1]))
        n++;
    if (dot && n && n <= 8 && !dot[n + 1])
        snprintf(url, size, "input%s", dot);
    else
        snprintf(url, size, "input");
}

/* What to say about input that cannot be sought in. */
static const char *pipe_hint(const struct decoder *d)
{
    return source_seekable(&d->source) ? "" :
           "; a file with its index at the end, as many mp4, cannot come "
           "through a pipe: give its name";
}

static int open_failed(const struct decoder *d, int code, struct err *err)
{
    char text[AV_ERROR_MAX_STRING_SIZE];

    if (d->source.error)
        return err_set(err, ERR_IO, "%s: cannot read: %s", d->name,
                       strerror(d->source.error));
    if (!d->source.read_sum)
        return err_set(err, ERR_FORMAT, "%s: the input is empty", d->name);
    av_text(code, text, sizeof(text));
    if (code == AVERROR(EINVAL)) /* says nothing of the file */
        return err_set(err, ERR_FORMAT, "%s: not audio that FFmpeg can read, "
                       "or cut off%s", d->name, pipe_hint(d));
    return err_set(err, ERR_FORMAT,
                   "%s: not audio that FFmpeg can read, or cut off (%s)%s",
                   d->name, text, pipe_hint(d));
}

static void options_set(AVDictionary **options,
                        const struct decode_source *src)
{
    char layout[32];

    /* A list without a real protocol: nothing may be opened. */
    av.av_dict_set(options, "protocol_whitelist", "none", 0);
    if (src->raw == DECODE_CONTAINER)
        return;
    snprintf(layout, sizeof(layout), "%d channels", src->raw_channels);
    av.av_dict_set(options, "ch_layout", layout, 0);
    av.av_dict_set_int(options, "sample_rate", src->raw_rate, 0);
}

static int open_format(struct decoder *d, const struct decode_source *src,
                       struct err *err)
{
    static const char *const raw_name[] = { NULL, "s16le", "f32le" };
    const AVInputFormat *input = NULL;
    AVDictionary *options = NULL;
    char url[16];
    int rc;

    d->format = av.avformat_alloc_context();
    if (!d->format)
        return err_set(err, ERR_NOMEM, "%s: no memory to read it", d->name);
    d->format->pb = d->io;
    d->format->io_open = refuse_open;
    extension_url(url, sizeof(url), src->path);
    if (src->raw != DECODE_CONTAINER) {
        input = av.av_find_input_format(raw_name[src->raw]);
        if (!input)
            return err_set(err, ERR_UNSUPPORTED, "%s: this FFmpeg lacks %s",
                           d->name, raw_name[src->raw]);
    }
    options_set(&options, src);
    rc = av.avformat_open_input(&d->format, url, input, &options);
    av.av_dict_free(&options);
    if (rc >= 0)
        rc = av.avformat_find_stream_info(d->format, NULL);
    return rc < 0 ? open_failed(d, rc, err) : 0;
}

static void read_hint(struct decoder *d)
{
    const AVStream *st = d->stream;

    if (st->duration != AV_NOPTS_VALUE && st->time_base.den)
        d->hint_s = (double)st->duration * st->time_base.num /
                    st->time_base.den;
    else if (d->format->duration != AV_NOPTS_VALUE)
        d->hint_s = (double)d->format->duration / AV_TIME_BASE;
    if (!(d->hint_s > 0))
        d->hint_s = 0;
    d->open_end = source_open_ended(&d->source);
    /* A header written to a pipe claims a length that nobody knew. */
    d->hint_exact = source_seekable(&d->source) &&
                    d->format->duration_estimation_method !=
                        AVFMT_DURATION_FROM_BITRATE;
}

static int open_codec(struct decoder *d, struct err *err)
{
    const AVCodec *codec = NULL;
    int n = av.av_find_best_stream(d->format, AVMEDIA_TYPE_AUDIO, -1, -1,
                                   &codec, 0);

    if (n == AVERROR_DECODER_NOT_FOUND)
        return err_set(err, ERR_UNSUPPORTED, "%s: this FFmpeg cannot decode "
                       "its audio", d->name);
    if (n < 0)
        return err_set(err, ERR_FORMAT, "%s: no audio stream", d->name);
    d->stream = d->format->streams[n];
    for (int i = 0; i < (int)d->format->nb_streams; i++)
        if (i != n)
            d->format->streams[i]->discard = AVDISCARD_ALL;
    d->codec = av.avcodec_alloc_context3(codec);
    d->packet = av.av_packet_alloc();
    d->frame = av.av_frame_alloc();
    if (!d->codec || !d->packet || !d->frame)
        return err_set(err, ERR_NOMEM, "%s: no memory to decode", d->name);
    if (av.avcodec_parameters_to_context(d->codec, d->stream->codecpar) < 0)
        return err_set(err, ERR_FORMAT, "%s: bad codec parameters", d->name);
    d->codec->pkt_timebase = d->stream->time_base; /* avcodec.h asks for it */
    d->codec->thread_count = 1;
    if (av.avcodec_open2(d->codec, codec, NULL) < 0)
        return err_set(err, ERR_FORMAT, "%s: the audio stream is damaged or "
                       "of an unknown kind (%s)", d->name, codec->name);
    read_hint(d);
    return 0;
}

static int check_args(const struct decode_source *src, int rate,
                      struct err *err)
{
    if (rate < DECODE_MIN_RATE || rate > DECODE_MAX_RATE)
        return err_set(err, ERR_ARG, "%s: cannot resample to %d Hz, only %d "
                       "to %d", src->path, rate, DECODE_MIN_RATE,
                       DECODE_MAX_RATE);
    if (src->raw == DECODE_CONTAINER)
        return 0;
    if (src->raw_rate < DECODE_MIN_RATE || src->raw_rate > DECODE_MAX_RATE)
        return err_set(err, ERR_ARG, "%s: raw audio of %d Hz, not %d to %d",
                       src->path, src->raw_rate, DECODE_MIN_RATE,
                       DECODE_MAX_RATE);
    if (src->raw_channels < 1 || src->raw_channels > DECODE_MAX_CHANNELS)
        return err_set(err, ERR_ARG, "%s: raw audio of %d channels, not 1 to "
                       "%d", src->path, src->raw_channels,
                       DECODE_MAX_CHANNELS);
    return 0;
}

int decoder_open(struct decoder **out, const struct decode_source *src,
                 int rate, struct err *err)
{
    struct decoder *d;
    int rc;

    TRY(check_args(src, rate, err));
    TRY(load_libraries(err));
    d = xcalloc(1, sizeof(*d));
    d->rate = rate;
    d->frame_pos = -1;
    d->quiet = src->quiet;
    if (src->memory)
        rc = source_memory(&d->source, src->path, src->memory, src->memory_len,
                           err);
    else
        rc = source_open(&d->source, src->path, src->fd, src->prefix,
                         src->prefix_len, err);
    if (rc)
        goto out;
    d->name = d->source.name;
    rc = open_io(d, err);
    if (!rc)
        rc = open_format(d, src, err);
    if (!rc)
        rc = open_codec(d, err);
    if (rc)
        goto out;
    d->mono = xcalloc(CHUNK, sizeof(*d->mono));
    *out = d;
    d = NULL;
out:
    decoder_free(d);
    return rc;
}

void decoder_free(struct decoder *d)
{
    if (!d)
        return;
    av.swr_free(&d->swr);
    av.av_frame_free(&d->frame);
    av.av_packet_free(&d->packet);
    av.avcodec_free_context(&d->codec);
    av.avformat_close_input(&d->format);
    if (d->io)
        av.av_free(d->io->buffer);
    av.avio_context_free(&d->io);
    source_release(&d->source);
    free(d->mono);
    free(d->out);
    free(d);
}

/* ---- frames -> mono -> out ---- */

static const enum mono_kind kinds[AV_SAMPLE_FMT_NB] = {
    [AV_SAMPLE_FMT_U8] = MONO_U8,   [AV_SAMPLE_FMT_U8P] = MONO_U8,
    [AV_SAMPLE_FMT_S16] = MONO_S16, [AV_SAMPLE_FMT_S16P] = MONO_S16,
    [AV_SAMPLE_FMT_S32] = MONO_S32, [AV_SAMPLE_FMT_S32P] = MONO_S32,
    [AV_SAMPLE_FMT_S64] = MONO_S64, [AV_SAMPLE_FMT_S64P] = MONO_S64,
    [AV_SAMPLE_FMT_FLT] = MONO_F32, [AV_SAMPLE_FMT_FLTP] = MONO_F32,
    [AV_SAMPLE_FMT_DBL] = MONO_F64, [AV_SAMPLE_FMT_DBLP] = MONO_F64,
};

static void mix_frame(const AVFrame *f, int at, int n, float *out)
{
    struct mono_frame m = {
        .kind = f->format >= 0 && f->format < AV_SAMPLE_FMT_NB
                    ? kinds[f->format] : MONO_NONE,
        .planar = av.av_sample_fmt_is_planar((enum AVSampleFormat)f->format),
        .channels = f->ch_layout.nb_channels,
        .data = (const void *const *)f->extended_data
    };

    mono_mix(&m, (size_t)at, (size_t)n, out);
}

static int out_reserve(struct decoder *d, size_t n, struct err *err)
{
    if (n > d->out_cap) {
        free(d->out);
        d->out_cap = 0;
        d->out = malloc(n * sizeof(*d->out));
        if (!d->out)
            return err_set(err, ERR_NOMEM, "%s: no memory for %zu samples",
                           d->name, n);
        d->out_cap = n;
    }
    return 0;
}

static int resampler_open(struct decoder *d, int in_rate, struct err *err)
{
    AVChannelLayout mono = AV_CHANNEL_LAYOUT_MONO;
    /* Room for a chunk and for what the filter holds back (32 samples of the
     * lower rate); swr keeps what does not fit for the next call. */
    size_t cap = (size_t)CHUNK * (size_t)(d->rate / in_rate + 1) + 4096;

    TRY(out_reserve(d, cap, err));
    d->swr_rate = in_rate;
    if (in_rate == d->rate)
        return 0;
    if (av.swr_alloc_set_opts2(&d->swr, &mono, AV_SAMPLE_FMT_FLT, d->rate,
                               &mono, AV_SAMPLE_FMT_FLT, in_rate, 0, NULL) < 0
        || av.swr_init(d->swr) < 0) {
        av.swr_free(&d->swr);
        return err_set(err, ERR_NOMEM, "%s: cannot resample %d Hz to %d Hz",
                       d->name, in_rate, d->rate);
    }
    return 0;
}

/* n mono samples, or with n 0 what the filter held back, -> out. */
static void resample(struct decoder *d, int n)
{
    const uint8_t *in = (const uint8_t *)d->mono;
    uint8_t *out = (uint8_t *)d->out;
    int got = n;

    if (d->swr)
        got = av.swr_convert(d->swr, &out, (int)d->out_cap, n ? &in : NULL, n);
    else
        memcpy(d->out, d->mono, (size_t)n * sizeof(*d->out));
    d->out_pos = 0;
    d->out_len = got > 0 ? (size_t)got : 0;
}

/* Empties the resampler step by step; it is closed when nothing comes. */
static void resampler_drain(struct decoder *d)
{
    resample(d, 0);
    if (!d->out_len) {
        av.swr_free(&d->swr);
        d->swr_rate = 0;
    }
}

/* The next chunk of the frame, or of the resampler of an earlier rate. */
static int use_frame(struct decoder *d, struct err *err)
{
    int in_rate = d->frame->sample_rate;
    int n = d->frame->nb_samples - d->frame_pos;

    if (d->swr && d->swr_rate != in_rate) {
        resampler_drain(d);
        return 0;
    }
    if (d->swr_rate != in_rate)
        TRY(resampler_open(d, in_rate, err));
    n = n < CHUNK ? n : CHUNK;
    mix_frame(d->frame, d->frame_pos, n, d->mono);
    resample(d, n);
    d->in_s += (double)n / in_rate;
    d->frame_pos += n;
    if (d->frame_pos >= d->frame->nb_samples)
        d->frame_pos = -1;
    return 0;
}

/* ---- packets -> frames ---- */

/* Sends the next packet of the stream, or the end, to the codec. */
static void send_packet(struct decoder *d)
{
    int rc = av.av_read_frame(d->format, d->packet);

    if (rc == AVERROR(EAGAIN))
        return;
    if (rc == AVERROR_INVALIDDATA && ++d->retries < RETRIES) {
        note_av_damage(d, rc);
        return;
    }
    if (rc < 0) {
        if (d->source.error)
            note_damage(d, strerror(d->source.error));
        else if (rc != AVERROR_EOF)
            note_av_damage(d, rc);
        d->at_end = 1;
        av.avcodec_send_packet(d->codec, NULL);
        return;
    }
    if (d->packet->stream_index == d->stream->index) {
        rc = av.avcodec_send_packet(d->codec, d->packet);
        if (rc < 0)
            note_av_damage(d, rc);
        else if (d->packet->flags & AV_PKT_FLAG_CORRUPT && !d->open_end)
            note_damage(d, "bytes are missing");
    }
    av.av_packet_unref(d->packet);
}

static void check_frame(struct decoder *d)
{
    const AVFrame *f = d->frame;

    if (f->nb_samples < 1)
        return;
    if (f->sample_rate < DECODE_MIN_RATE || f->sample_rate > DECODE_MAX_RATE ||
        f->ch_layout.nb_channels < 1 ||
        f->ch_layout.nb_channels > DECODE_MAX_CHANNELS) {
        char what[96];

        snprintf(what, sizeof(what), "impossible audio of %d Hz, %d channels",
                 f->sample_rate, f->ch_layout.nb_channels);
        note_damage(d, what);
        return;
    }
    if (f->decode_error_flags)
        note_damage(d, "a part could not be decoded");
    d->retries = d->idle = 0;
    d->frame_pos = 0;
}

/* Gets a frame, or takes one step towards it; sets done at the end. */
static void next_frame(struct decoder *d)
{
    int rc = av.avcodec_receive_frame(d->codec, d->frame);

    if (rc >= 0) {
        check_frame(d);
        d->idle++;
    } else if (rc == AVERROR(EAGAIN) && !d->at_end) {
        send_packet(d);
        d->idle++;
    } else if (rc == AVERROR_EOF || d->at_end) {
        d->done = 1;
    } else {
        note_av_damage(d, rc);
        d->idle++;
    }
    if (d->idle > IDLE) {
        note_damage(d, "no more audio is found in it");
        d->done = 1;
    }
}

static void check_length(struct decoder *d)
{
    int64_t bytes = source_seekable(&d->source) ? d->source.size
                                                : d->source.read_sum;

    if (d->in_s > max_seconds + max_seconds_per_byte * (double)bytes) {
        note_damage(d, "it repeats itself without end");
        d->done = 1;
        d->frame_pos = -1;
    }
}

/* One step towards more samples in out. */
static int step(struct decoder *d, struct err *err)
{
    if (d->frame_pos >= 0) {
        TRY(use_frame(d, err));
        check_length(d);
    } else if (!d->done) {
        next_frame(d);
    } else {
        resampler_drain(d);
    }
    return 0;
}

/* ---- reading ---- */

static int finish(struct decoder *d, struct err *err)
{
    const char *warning;

    if (!d->samples && d->source.error)
        return err_set(err, ERR_IO, "%s: cannot read: %s", d->name,
                       strerror(d->source.error));
    if (!d->samples)
        return err_set(err, ERR_FORMAT, "%s: no audio could be decoded: the "
                       "file is cut off, damaged or without sound%s%s%s",
                       d->name, d->damaged ? ": " : "", d->damage,
                       pipe_hint(d));
    if (d->hint_exact && d->in_s < 0.99 * d->hint_s - 1) {
        char what[96];

        snprintf(what, sizeof(what), "it ends there, but should last %.1f s",
                 d->hint_s);
        note_damage(d, what);
    }
    if (!strcmp(d->format->iformat->name, "ogg") &&
        oggend_missing(&d->source))
        note_damage(d, "it stops there without the mark that ends an Ogg "
                       "stream: was it cut off?");
    d->finished = 1;
    warning = decoder_warning(d);
    if (warning && !d->quiet)
        log_warn("%s", warning);
    return 0;
}

int decoder_read(struct decoder *d, float *buf, size_t n, size_t *got,
                 struct err *err)
{
    *got = 0;
    while (*got < n) {
        size_t have = d->out_len - d->out_pos;

        if (!have) {
            if (d->done && !d->swr && d->frame_pos < 0)
                break;
            TRY(step(d, err));
            continue;
        }
        if (have > n - *got)
            have = n - *got;
        memcpy(buf + *got, d->out + d->out_pos, have * sizeof(*buf));
        d->out_pos += have;
        d->samples += (int64_t)have;
        *got += have;
    }
    return *got < n && !d->finished ? finish(d, err) : 0;
}

const char *decoder_warning(struct decoder *d)
{
    if (!d->damaged)
        return NULL;
    snprintf(d->warning, sizeof(d->warning),
             "%s: %d damaged place%s, the first at %.1f s: %s", d->name,
             d->damaged, d->damaged > 1 ? "s" : "", d->damage_s, d->damage);
    return d->warning;
}

double decoder_duration_hint(const struct decoder *d)
{
    return d->hint_s;
}

double decoder_duration_exact(const struct decoder *d)
{
    return d->hint_exact && !d->open_end ? d->hint_s : 0;
}

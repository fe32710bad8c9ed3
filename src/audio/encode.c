/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "audio/encode.h"

#include <libavcodec/avcodec.h>
#include <pthread.h>
#include <string.h>

#include "base/dynlib.h"
#include "base/log.h"
#include "base/xalloc.h"

enum { STREAMINFO = 34, STREAMINFO_AT = 8 };

#define UTIL_FUNCTIONS(F)                                              \
    F(av_frame_alloc) F(av_frame_free) F(av_frame_get_buffer)          \
    F(av_frame_unref) F(av_log_set_level)
#define CODEC_FUNCTIONS(F)                                             \
    F(av_packet_alloc) F(av_packet_free) F(av_packet_get_side_data)    \
    F(av_packet_unref) F(avcodec_alloc_context3)                       \
    F(avcodec_find_encoder) F(avcodec_free_context) F(avcodec_open2)   \
    F(avcodec_receive_packet) F(avcodec_send_frame)

/* Written once, by load_all under pthread_once. */
static struct av {
    UTIL_FUNCTIONS(DYNLIB_FIELD)
    CODEC_FUNCTIONS(DYNLIB_FIELD)
} av;
static struct err load_err;
static pthread_once_t load_once = PTHREAD_ONCE_INIT;

static void load_all(void)
{
    DYNLIB_LOAD("libavutil", LIBAVUTIL_VERSION_MAJOR, UTIL_FUNCTIONS,
                &load_err);
    DYNLIB_LOAD("libavcodec", LIBAVCODEC_VERSION_MAJOR, CODEC_FUNCTIONS,
                &load_err);
    av.av_log_set_level(log_level() >= LOG_DEBUG ? AV_LOG_INFO
                                                 : AV_LOG_QUIET);
}

struct encoder {
    AVCodecContext *codec;
    AVPacket *packet;
    AVFrame *frame;
    struct strbuf *out;
    size_t info_at; /* of the STREAMINFO in out */
};

/* "fLaC" and the one block of metadata, with its size (RFC 9639, 6 and 8). */
static int open_encoder(struct encoder *e, int rate, struct err *err)
{
    static const char head[STREAMINFO_AT] = "fLaC\x80\0\0\x22";
    const AVCodec *codec = av.avcodec_find_encoder(AV_CODEC_ID_FLAC);

    if (!codec)
        return err_set(err, ERR_UNSUPPORTED, "this FFmpeg cannot write FLAC");
    e->codec = av.avcodec_alloc_context3(codec);
    e->packet = av.av_packet_alloc();
    e->frame = av.av_frame_alloc();
    if (!e->codec || !e->packet || !e->frame)
        return err_set(err, ERR_NOMEM, "no memory to write FLAC");
    e->codec->sample_fmt = AV_SAMPLE_FMT_S16;
    e->codec->sample_rate = rate;
    e->codec->time_base = (AVRational){ 1, rate };
    e->codec->ch_layout = (AVChannelLayout)AV_CHANNEL_LAYOUT_MONO;
    e->codec->thread_count = 1;
    if (av.avcodec_open2(e->codec, codec, NULL) < 0)
        return err_set(err, ERR_ARG, "FLAC of %d Hz cannot be written", rate);
    if (e->codec->extradata_size != STREAMINFO || e->codec->frame_size < 1)
        return err_set(err, ERR_UNSUPPORTED, "this FFmpeg writes another FLAC");
    strbuf_add(e->out, head, sizeof(head));
    e->info_at = e->out->len;
    strbuf_add(e->out, e->codec->extradata, STREAMINFO);
    return 0;
}

static void close_encoder(struct encoder *e)
{
    av.av_frame_free(&e->frame);
    av.av_packet_free(&e->packet);
    av.avcodec_free_context(&e->codec);
}

/* Takes what is ready; the last packet brings the STREAMINFO with the length
 * and the checksum of the samples. */
static int take_packets(struct encoder *e, struct err *err)
{
    int rc;

    while ((rc = av.avcodec_receive_packet(e->codec, e->packet)) >= 0) {
        size_t n;
        const uint8_t *info = av.av_packet_get_side_data(
            e->packet, AV_PKT_DATA_NEW_EXTRADATA, &n);

        if (info && n == STREAMINFO)
            memcpy(e->out->s + e->info_at, info, n);
        if (e->packet->size)
            strbuf_add(e->out, e->packet->data, (size_t)e->packet->size);
        av.av_packet_unref(e->packet);
    }
    return rc == AVERROR(EAGAIN) || rc == AVERROR_EOF
               ? 0 : err_set(err, ERR_NOMEM, "FLAC cannot be written");
}

static int put_frame(struct encoder *e, const int16_t *x, size_t n,
                     struct err *err)
{
    AVFrame *f = e->frame;
    int rc;

    f->format = AV_SAMPLE_FMT_S16;
    f->sample_rate = e->codec->sample_rate;
    f->ch_layout = (AVChannelLayout)AV_CHANNEL_LAYOUT_MONO;
    f->nb_samples = (int)n;
    if (av.av_frame_get_buffer(f, 0) < 0)
        return err_set(err, ERR_NOMEM, "no memory to write FLAC");
    memcpy(f->data[0], x, n * sizeof(*x));
    rc = av.avcodec_send_frame(e->codec, f);
    av.av_frame_unref(f);
    if (rc < 0)
        return err_set(err, ERR_NOMEM, "FLAC cannot be written");
    return take_packets(e, err);
}

int encode_flac(struct strbuf *out, const int16_t *x, size_t n, int rate,
                struct err *err)
{
    struct encoder e = { .out = out };
    int rc;

    pthread_once(&load_once, load_all);
    if (load_err.code)
        return err_set(err, load_err.code, "%s", load_err.msg);
    rc = open_encoder(&e, rate, err);
    for (size_t at = 0; !rc && at < n;) {
        size_t left = n - at, frame = (size_t)e.codec->frame_size;

        frame = left < frame ? left : frame;
        rc = put_frame(&e, x + at, frame, err);
        at += frame;
    }
    if (!rc) {
        av.avcodec_send_frame(e.codec, NULL);
        rc = take_packets(&e, err);
    }
    close_encoder(&e);
    return rc;
}

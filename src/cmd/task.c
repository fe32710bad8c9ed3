/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/task.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/npy.h"
#include "base/xalloc.h"
#include "cmd/analyse.h"
#include "cmd/click.h"
#include "cmd/outputs.h"
#include "cmd/session.h"
#include "decode/chain.h"
#include "decode/keyvote.h"
#include "decode/letters.h"
#include "decode/tags.h"
#include "decode/tempo.h"
#include "decode/vocab.h"
#include "model/headconfig.h"

enum { SOUND_MAX_S = 20 * 60 }; /* that is kept for a page */

/* The labels of one input, and what they are made with. */
struct work {
    struct task_options *options;
    const struct format *format;
    struct session session;
    struct analyser *analyser;
    const char *name[TASKS]; /* of the wanted tasks, n of them */
    enum task task[TASKS];
    int n;
    struct chain chain; /* of the input */
    struct beats beats;
    struct tempo tempo;
    int meter;
    struct segments chords, structure, key_over_time;
    int *letter; /* of structure */
    struct key key;
    struct tags tags;
    int16_t *sound; /* of formats that need it; n_sound samples, with room */
    size_t n_sound, sound_cap;
    struct click *click; /* --click; NULL: not asked for */
    struct vocab vocab;  /* --vocab; empty: not asked for */
    float peak;          /* the greatest sample; -1: no samples came */
};

void task_options_init(struct task_options *o)
{
    memset(o, 0, sizeof(*o));
    o->common = (struct cmd_common)CMD_COMMON_INIT;
    o->common.formats = format_names();
    o->common.format = "text";
    dbn_config_init(&o->dbn, 0, 1);
}

int task_begin(struct cmd_usage *usage, struct task_options *o, struct opt *own,
               int n_own, int argc, char **argv, int *n)
{
    const struct opt shared[TASK_SHARED_OPTIONS + 1] = {
        { 0, "window", OPT_TIME, &o->window_s, "TIME",
          "seconds of audio that the encoder sees at once (the model's)", 1,
          600, NULL },
        { 0, "hop", OPT_TIME, &o->hop_s, "TIME",
          "seconds from one window to the next (half the window)", 0.1, 600,
          NULL },
        { 0, "rate", OPT_DOUBLE, &o->rate, "R",
          "frames a second of .npy inputs", 0.001, 100000, NULL },
        { .kind = OPT_END }
    };

    memcpy(own + n_own, shared, sizeof(shared));
    usage->own = own;
    usage->groups = CMD_MODEL | CMD_INPUT | CMD_JOBS | CMD_OUTPUT |
                    CMD_OUT_DIR | CMD_FORMAT | CMD_PROGRESS;
    return cmd_begin(usage, &o->common, argc, argv, n);
}

/* ---- options that say nothing of the inputs ---- */

/* By its first bytes, as analyse.c; -1: not known before it is read, as of a
 * pipe, which gives them once. */
static int is_array(const char *path)
{
    struct stat st;
    FILE *f = !stat(path, &st) && S_ISREG(st.st_mode) ? fopen(path, "re")
                                                      : NULL;
    char magic[6];
    size_t n = f ? fread(magic, 1, sizeof(magic), f) : 0;

    if (f)
        fclose(f);
    return n < sizeof(magic) ? -1 : !memcmp(magic, "\x93NUMPY", n);
}

/* Where the kinds of all inputs are known before work begins. */
static int check_kinds(const struct task_options *o, const char *command, int n,
                       char **operands)
{
    const struct cmd_common *c = &o->common;
    int arrays = 0, audio = 0, rc = CMD_GO;

    if (!n || c->files_from || !opt_first_given(&c->given, "rate|window|hop"))
        return CMD_GO;
    for (int i = 0; i < n; i++) {
        int kind = c->raw ? 0 : is_array(operands[i]);

        arrays += kind == 1;
        audio += kind == 0;
    }
    if (audio == n)
        rc = cmd_refuse(c, command, "rate", "it is for .npy files of hidden "
                        "states, and this is audio");
    else if (arrays == n)
        rc = cmd_refuse(c, command, "window|hop", "it is for audio; these are "
                        "hidden states already");
    return rc;
}

/* Else when the first comes that it says nothing of. */
static void warn_kind(struct batch *b, int is_states)
{
    const struct opt_given *given = &b->common->given;

    if (!is_states && opt_first_given(given, "rate"))
        batch_warn_once(b, 1, "--rate says nothing of audio: it is for .npy "
                              "files of hidden states");
    if (is_states && opt_first_given(given, "window|hop"))
        batch_warn_once(b, 2, "--window and --hop say nothing of hidden "
                              "states: they are for audio");
}

/* ---- scores to labels ---- */

static void release_labels(struct work *w)
{
    beats_release(&w->beats);
    segments_release(&w->chords);
    segments_release(&w->structure);
    segments_release(&w->key_over_time);
    key_release(&w->key);
    tags_release(&w->tags);
}

/* What s says of a part of so many seconds. */
static struct posterior posterior_of(const struct scores *s, double duration)
{
    const struct head_config *h = s->head;

    return (struct posterior){
        s->v, { (size_t)s->n, h->rate, duration },
        { (const char *const *)h->classes, h->n_classes }
    };
}

/* The first of the two classes of beats that h lacks; NULL: none. */
static const char *lacks(const struct head_config *h)
{
    const struct classes c = { (const char *const *)h->classes, h->n_classes };

    return classes_find(&c, "beat") < 0       ? "beat"
           : classes_find(&c, "downbeat") < 0 ? "downbeat" : NULL;
}

/* By way of memory, so that the same bytes may be written once more. */
static int save_activations(const char *path, int force, const float *act,
                            int64_t n, struct err *err)
{
    struct strbuf bytes = STRBUF_INIT;
    char *buf = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&buf, &len);
    int rc;

    if (!f)
        return err_sys(err, "%s: cannot write", path);
    npy_write_header(f, "<f4", (int64_t[]){ n, 2 }, 2);
    fwrite(act, sizeof(*act), (size_t)n * 2, f);
    if (fclose(f)) {
        rc = err_sys(err, "%s: cannot write", path);
    } else {
        strbuf_add(&bytes, buf, len);
        rc = outputs_write(path, force, &bytes, err);
    }
    strbuf_release(&bytes);
    free(buf);
    return rc;
}

static int label_beats(struct work *w, const struct head_config *h,
                       const struct posterior *p, struct err *err)
{
    struct task_options *o = w->options;
    struct dbn_config c = o->dbn;
    float *act = NULL;
    int rc;

    if (!o->own_bars)
        dbn_config_bars(&c, h->bar, h->n_bars);

    TRY(chain_activations(&act, p, err));
    c.fps = p->frames.rate;
    rc = chain_beats(&w->chain, &w->beats, act, p->frames.n, &c,
                     !o->all_beats, err);
    w->tempo = tempo_of_beats(&w->beats, act, p->frames.n, c.fps);
    if (!rc && o->save_activations)
        rc = save_activations(o->save_activations, o->common.force, act,
                              (int64_t)p->frames.n, err);
    free(act);
    for (size_t i = 0; i < w->beats.n; i++)
        w->beats.v[i].time += o->start_time;
    w->meter = meter_of_beats(&w->beats);
    return rc;
}

static int label_tags(struct work *w, const struct posterior *p,
                      struct err *err)
{
    float *score = xcalloc((size_t)p->classes.n + 1, sizeof(*score));
    int rc;

    chain_tags(&w->chain, score, p);
    rc = tags_rank(&w->tags, score, &p->classes, w->options->top, 0, err);
    free(score);
    return rc;
}

static int label(struct work *w, enum task task, const struct scores *s,
                 double duration, struct err *err)
{
    const struct posterior p = posterior_of(s, duration);
    const struct task_options *o = w->options;
    const char *no = task == TASK_BEATS ? lacks(s->head) : NULL;

    if (no)
        return err_set(err, ERR_FORMAT, "the model's head 'beats' has no class "
                       "'%s'", no);
    switch (task) {
    case TASK_BEATS:
        return label_beats(w, s->head, &p, err);
    case TASK_CHORDS:
        return chain_chords(&w->chain, &w->chords, &p,
                            o->vocab ? &w->vocab : NULL, err);
    case TASK_STRUCTURE:
        if (!s->head->boundary)
            return err_set(err, ERR_FORMAT, "the model's head 'structure' has "
                           "no boundary output");
        return chain_structure(&w->chain, &w->structure, &p,
                               o->boundaries_only, err);
    case TASK_KEY:
        TRY(chain_key(&w->chain, &w->key, &p, err));
        return o->over_time ? key_over_time(&w->key_over_time, p.prob,
                                            &p.frames, &p.classes, err) : 0;
    default:
        return s->n ? label_tags(w, &p, err) : 0;
    }
}

static void shift_segments(struct segments *s, double by)
{
    for (size_t i = 0; i < s->n; i++) {
        s->v[i].start += by;
        s->v[i].end += by;
    }
}

/* ---- confidences, as the model was calibrated ---- */

static void calibrate_segments(struct segments *s, const struct head_config *h)
{
    for (size_t i = 0; i < s->n; i++)
        s->v[i].confidence = head_confidence(h, s->v[i].confidence);
}

/* Last of all: what decides by them decides by what the head says. */
static void calibrate(struct work *w, enum task task,
                      const struct head_config *h)
{
    switch (task) {
    case TASK_BEATS:
        for (size_t i = 0; i < w->beats.n; i++)
            w->beats.v[i].confidence =
                head_confidence(h, w->beats.v[i].confidence);
        break;
    case TASK_CHORDS:
        calibrate_segments(&w->chords, h);
        break;
    case TASK_STRUCTURE:
        if (!w->options->boundaries_only) /* those are of the boundaries */
            calibrate_segments(&w->structure, h);
        break;
    case TASK_KEY:
        w->key.confidence = head_confidence(h, w->key.confidence);
        break; /* those over time are of another kind */
    default:
        for (size_t i = 0; i < w->tags.n; i++)
            w->tags.v[i].score = head_confidence(h, w->tags.v[i].score);
        while (w->tags.n && w->tags.v[w->tags.n - 1].score <
                                w->options->tag_threshold)
            free(w->tags.v[--w->tags.n].label); /* the lowest is the last */
    }
}

/* From times of the part that was heard to those of the input. */
static void shift(struct work *w, double by)
{
    for (size_t i = 0; i < w->beats.n; i++)
        w->beats.v[i].time += by;
    shift_segments(&w->chords, by);
    shift_segments(&w->structure, by);
    shift_segments(&w->key_over_time, by);
}

/* ---- silence ---- */

/* No sample is above -80 dBFS. Hidden states are not known to be silent, and
 * what has no frame has no labels. */
static int is_silent(const struct work *w, const struct analysis *a)
{
    return w->peak >= 0 && w->peak < 1e-4f && w->n && a->scores[0].n;
}

/* A model says of silence what it says of the quietest music it knew. */
static void label_silence(struct work *w, double duration)
{
    release_labels(w);
    w->tempo = (struct tempo){ NAN, NAN };
    w->meter = 0;
    segments_append(&w->chords, 0, duration, "N", 1);
    segments_append(&w->structure, 0, duration,
                    w->options->boundaries_only ? "" : "silence", 1);
    segments_append(&w->key_over_time, 0, duration, "N", 1);
}

/* ---- sound for pages ---- */

static int sound_rate(const struct work *w)
{
    return w->session.model->config.sample_rate;
}

static int has_sound(const struct work *w)
{
    return w->n_sound && w->n_sound <= (size_t)SOUND_MAX_S *
                                       (size_t)sound_rate(w);
}

/* As much as one more than the most, which is then too much. */
static int keep_sound(void *ctx, const float *x, int64_t n, struct err *err)
{
    struct work *w = ctx;
    size_t most = (size_t)SOUND_MAX_S * (size_t)sound_rate(w) + 1;

    for (int64_t i = 0; i < n; i++)
        w->peak = fmaxf(w->peak, fabsf(x[i]));
    if (w->click)
        TRY(click_push(w->click, x, n, err));
    for (int64_t i = 0; i < n && w->n_sound < most && w->format->needs_sound;
         i++) {
        ARRAY_GROW(w->sound, w->n_sound, w->sound_cap);
        w->sound[w->n_sound++] =
            (int16_t)lrintf(fmaxf(-32768, fminf(32767, x[i] * 32768)));
    }
    return 0;
}

/* ---- labels to lines ---- */

int task_write(struct batch *b, const struct format *f, const struct result *r,
               struct err *err)
{
    struct strbuf text = STRBUF_INIT;
    struct result one;
    int rc = 0;

    if (b->lines)
        f = format_find("ndjson");
    if (f->suffix || !b->common->out_dir) {
        rc = f->write(&text, r, err);
        if (!rc)
            rc = batch_write(b, f->suffix ? f->suffix : "", &text, err);
    }
    for (int t = 0; t < TASKS && !f->suffix && b->common->out_dir; t++) {
        if (rc || !f->task[t] || !result_has(r, (enum task)t))
            continue;
        result_only(&one, r, (enum task)t);
        strbuf_reset(&text);
        rc = f->write(&text, &one, err);
        if (!rc)
            rc = batch_write(b, f->task[t], &text, err);
    }
    strbuf_release(&text);
    return rc;
}

const char *const *task_suffixes(const char **suffix,
                                 const struct task_options *o,
                                 const struct format *f)
{
    int n = 0;

    if (f->suffix)
        suffix[n++] = f->suffix;
    for (int t = 0; t < TASKS && !f->suffix; t++)
        if (o->wanted[t] && f->task[t])
            suffix[n++] = f->task[t];
    suffix[n] = NULL;
    return suffix;
}

static void fill_result(struct work *w, struct result *r, const char *path,
                        const struct analysis *a)
{
    const int *wanted = w->options->wanted;

    session_result(&w->session, r, path, a->start, a->duration);
    r->beats = wanted[TASK_BEATS] ? &w->beats : NULL;
    r->tempo = w->tempo;
    r->meter = w->meter;
    r->chords = wanted[TASK_CHORDS] ? &w->chords : NULL;
    r->structure = wanted[TASK_STRUCTURE] ? &w->structure : NULL;
    r->letter = w->options->boundaries_only ? NULL : w->letter;
    r->key = wanted[TASK_KEY] ? &w->key : NULL;
    r->key_over_time = w->options->over_time ? &w->key_over_time : NULL;
    r->tags = wanted[TASK_TAG] ? &w->tags : NULL;
}

/* ---- the run ---- */

/* By what is written besides the labels. */
static int spare_input(const struct task_options *o, const char *path,
                       struct err *err)
{
    if (o->click)
        TRY(outputs_spare_input(o->click, path, err));
    if (o->save_activations)
        TRY(outputs_spare_input(o->save_activations, path, err));
    return 0;
}

static int run_one(void *ctx, struct batch *b, const char *path,
                   struct err *err)
{
    struct work *w = ctx;
    const char *name = strcmp(path, "-") ? path : "stdin";
    struct analysis a;
    struct sound sound;
    struct result r;
    int rc = 0;

    w->n_sound = 0;
    w->peak = -1;
    TRY(spare_input(w->options, path, err));
    if (w->options->click)
        TRY(click_new(&w->click, sound_rate(w), err));
    analyser_progress(w->analyser, batch_progress, b);
    TRY(analyser_run(w->analyser, path, &a, err));
    warn_kind(b, a.is_states);
    release_labels(w);
    w->chain = (struct chain){0};
    for (int i = 0; i < w->n && !rc; i++)
        rc = label(w, w->task[i], &a.scores[i], a.duration, err);
    if (rc)
        return err_prefix(err, "%s", name);
    for (int i = 0; i < w->n; i++)
        calibrate(w, w->task[i], a.scores[i].head);
    if (is_silent(w, &a))
        label_silence(w, a.duration);
    w->letter = xreallocarray(w->letter, w->structure.n + 1,
                              sizeof(*w->letter));
    letters_assign(w->letter, &w->structure, &w->chords);
    shift(w, a.start);
    fill_result(w, &r, name, &a);
    sound = (struct sound){ w->sound, w->n_sound, sound_rate(w) };
    if (has_sound(w))
        r.sound = &sound;
    if (w->click)
        TRY(click_write(w->click, w->options->click, b->common->force,
                        &w->beats, a.start, err));
    return task_write(b, w->format, &r, err);
}

/* Whether h, the model's head of task t, makes the labels of task `of` better:
 * it must read the same hidden states, as nobody has asked for others. */
static int helps_one(const struct model_config *c, const struct head_config *h,
                     enum task t, enum task of)
{
    const struct head_config *with = config_head(c, task_names[of]);

    return with && h->layer == with->layer && h->rate > 0 &&
           (t != TASK_BEATS || !lacks(h));
}

static int helps(const int *wanted, const struct model_config *c, enum task t)
{
    static const struct {
        enum task with, of;
    } pairs[] = { { TASK_BEATS, TASK_CHORDS },
                  { TASK_BEATS, TASK_STRUCTURE },
                  { TASK_CHORDS, TASK_STRUCTURE },
                  { TASK_CHORDS, TASK_KEY },
                  { TASK_BEATS, TASK_TAG },
                  { TASK_CHORDS, TASK_TAG },
                  { TASK_KEY, TASK_TAG } };
    const struct head_config *h = config_head(c, task_names[t]);

    for (size_t i = 0; h && i < ARRAY_LEN(pairs); i++)
        if (pairs[i].with == t && wanted[pairs[i].of] &&
            helps_one(c, h, t, pairs[i].of))
            return 1;
    return 0;
}

/* Without a list of tasks: all that the model has heads for. In their order,
 * helpers come first. */
static void choose_tasks(struct work *w)
{
    const struct model_config *c = &w->session.model->config;
    struct task_options *o = w->options;
    int any = 0;

    for (int t = 0; t < TASKS; t++)
        any |= o->wanted[t];
    for (int t = 0; t < TASKS; t++) {
        if (!any && config_head(c, task_names[t]))
            o->wanted[t] = 1;
        if (!o->wanted[t] && !helps(o->wanted, c, (enum task)t))
            continue;
        w->task[w->n] = (enum task)t;
        w->name[w->n++] = task_names[t];
    }
}

/* Before the first input is worked on. */
static int open_vocab(struct work *w, struct err *err)
{
    const struct head_config *h =
        config_head(&w->session.model->config, task_names[TASK_CHORDS]);

    if (!w->options->vocab || !h)
        return 0;
    return vocab_init(&w->vocab,
                      &(struct classes){ (const char *const *)h->classes,
                                         h->n_classes },
                      w->options->vocab, err);
}

static int open_work(struct work *w, int worker, const struct session *first,
                     struct err *err)
{
    struct task_options *o = w->options;
    struct analyser_config c = { .task = w->name, .window_s = o->window_s,
                                 .hop_s = o->hop_s, .rate = o->rate, .ctx = w,
                                 .emit_samples = keep_sound,
                                 .common = &o->common };

    TRY(session_open(&w->session, &o->common, worker, first, err));
    choose_tasks(w);
    if (!w->n)
        return err_set(err, ERR_FORMAT, "%s: the model has no heads: it can "
                       "embed and tokenize only", w->session.model->path);
    TRY(open_vocab(w, err));
    c.n_tasks = w->n;
    return analyser_new(&w->analyser, w->session.model, w->session.be, &c, err);
}

static void release_work(struct work *w)
{
    release_labels(w);
    free(w->letter);
    free(w->sound);
    click_free(w->click);
    vocab_release(&w->vocab);
    analyser_free(w->analyser);
    session_release(&w->session);
}

static int open_more(void **out, const void *first, int worker,
                     struct err *err)
{
    const struct work *f = first;
    struct work *w = xcalloc(1, sizeof(*w));

    *out = w;
    w->options = f->options;
    w->format = f->format;
    return open_work(w, worker, &f->session, err);
}

static void close_more(void *mine)
{
    if (mine)
        release_work(mine);
    free(mine);
}

int task_run(const struct cmd_usage *usage, struct task_options *o, int n,
             char **operands)
{
    struct work w = { .options = o, .format = format_find(o->common.format) };
    const char *suffix[TASKS + 1];
    struct err err = {0};
    int rc = check_kinds(o, usage->name, n, operands);
    char *made_with = NULL;

    if (rc != CMD_GO)
        return rc;
    rc = open_work(&w, 0, NULL, &err);
    if (!rc) /* suffixes tell format and, but of one file for all, tasks */
        made_with = session_made_with(&w.session, &o->common, usage->name,
                                      w.format->suffix ? "format"
                                                       : "format|tasks");
    if (rc)
        rc = cmd_start_error(usage->name, &err);
    else
        rc = batch_run(&(struct batch_task){
                           .usage = usage, .common = &o->common,
                           .text = !format_is_json(w.format),
                           .made_with = made_with,
                           .suffix = task_suffixes(suffix, o, w.format),
                           .fn = run_one, .ctx = &w, .open = open_more,
                           .close = close_more }, n, operands);
    free(made_with);
    release_work(&w);
    return rc;
}

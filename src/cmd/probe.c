/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "cmd/cmd.h"
#include "cmd/common.h"
#include "cmd/rundir.h"
#include "cmd/session.h"
#include "model/find.h"
#include "model/net.h"
#include "tensor/backend.h"
#include "train/pretrain.h"
#include "train/protocol.h"
#include "train/selftrain.h"
#include "train/supervise.h"

enum { MOST_TASKS = 5, MOST_FIXED = 5 };

/* What differs from settings_default; --set changes it. */
static const char frozen_settings[] =
    "{\"batch\": 16, \"steps\": 2000, \"lr\": 1e-3, "
    "\"warmup\": 50, \"schedule\": \"cosine\", \"beta2\": 0.98, "
    "\"decay\": 0.02, \"clip\": 1, \"dropout\": 0.1, \"log_every\": 20, "
    "\"valid_every\": 200, \"save_every\": 500, \"patience\": 5}";
/* The paper's rates: MODEL.md 6 of the design. */
static const char finetune_settings[] =
    "{\"batch\": 8, \"steps\": 4000, \"lr\": 1e-5, "
    "\"lr_head\": 1e-4, \"warmup\": 200, \"schedule\": \"cosine\", "
    "\"beta2\": 0.98, \"decay\": 0.02, \"clip\": 1, \"ema\": 0.998, "
    "\"dropout\": 0.05, \"augment\": true, \"log_every\": 10, "
    "\"valid_every\": 500, \"save_every\": 250}";
/* The recipe of the model that ships, for encoders that know nothing yet. */
static const char scratch_settings[] =
    "{\"batch\": 8, \"steps\": 6000, \"lr\": 1e-3, "
    "\"warmup\": 300, \"schedule\": \"cosine\", \"beta2\": 0.98, "
    "\"decay\": 0.02, \"clip\": 1, \"ema\": 0.998, \"dropout\": 0.05, "
    "\"augment\": true, \"log_every\": 10, \"valid_every\": 500, "
    "\"save_every\": 250}";

struct job {
    struct cmd_common common;
    const char *preset, *out, *run, *dataset, *root, *protocol, *layer;
    struct opt_list data, dev, set, self_train;
    int finetune, resume, steps, seed, loaders, no_augment;
    double memory, confidence;
    /* made of it */
    char *dir, *fingerprint, *held_fingerprint, *about, *tasks;
    const char *task[MOST_TASKS];
    int n_tasks;
    enum protocol protocol_kind;
    struct model *init;
    struct preset config;
    struct songs train, held;
    struct manifest train_list, held_list;
    struct corpus *corpus, *held_corpus;
    struct backend *be;
};

/* ---- tasks ---- */

static int add_task(struct job *j, const char *name, struct err *err)
{
    if (target_task(name) < 0)
        return err_set(err, ERR_ARG, "'%s' is not a task: beats, chords, "
                       "structure, key, tag", name);
    for (int i = 0; i < j->n_tasks; i++)
        if (!strcmp(j->task[i], name))
            return err_set(err, ERR_ARG, "%s is given twice", name);
    j->task[j->n_tasks++] = name;
    return 0;
}

/* Cuts j->tasks at its commas. */
static int parse_tasks(struct job *j, const char *list, struct err *err)
{
    char *save = NULL;

    j->tasks = xstrdup(list);
    for (char *s = strtok_r(j->tasks, ",", &save); s;
         s = strtok_r(NULL, ",", &save))
        TRY(add_task(j, s, err));
    return j->n_tasks ? 0 : err_set(err, ERR_ARG, "no task given");
}

static unsigned task_bits(const struct job *j)
{
    unsigned bits = 0;

    for (int i = 0; i < j->n_tasks; i++)
        bits |= 1u << target_task(j->task[i]);
    return bits;
}

/* ---- songs ---- */

/* The recordings of songs, in their order; songs that cannot be opened are
 * left out. */
static int list_songs(struct songs *s, struct manifest *m, int threads,
                      struct err *err)
{
    size_t kept = 0, at = 0;

    for (size_t i = 0; i < s->n; i++)
        TRY(manifest_add(m, s->v[i].audio, err));
    TRY(manifest_probe(m, threads, NULL, err));
    for (size_t i = 0; i < s->n; i++) {
        struct song keep = s->v[i];

        if (at < m->n && !strcmp(m->item[at].path, keep.audio)) {
            s->v[i] = s->v[kept];
            s->v[kept++] = keep;
            at++;
        }
    }
    while (s->n > kept) { /* those at the end, releasing them one by one */
        struct songs one = { .v = &s->v[--s->n], .n = 1 };
        struct song *copy = xcalloc(1, sizeof(*copy));

        *copy = *one.v;
        one = (struct songs){ .v = copy, .n = 1, .cap = 1 };
        songs_release(&one);
    }
    return s->n ? 0 : err_set(err, ERR_ARG, "none of the songs can be opened");
}

static int add_songs(struct songs *s, const struct job *j,
                     const struct opt_list *paths, enum songs_part part,
                     struct err *err)
{
    for (int i = 0; i < paths->n; i++)
        TRY(songs_add(s, "folder", paths->item[i], SONGS_ALL, task_bits(j), 0,
                      err));
    if (j->dataset)
        TRY(songs_add(s, j->dataset, j->root, part, task_bits(j), 10, err));
    return 0;
}

/* Labels, not yet audio. */
static int read_songs(struct job *j, struct err *err)
{
    struct opt_list none = {0};
    int rc;

    TRY(add_songs(&j->train, j, &j->data, SONGS_TRAIN, err));
    if (j->train.no_audio)
        log_warn("%zu songs with labels have no audio and are left out",
                 j->train.no_audio);
    if (!j->dev.n && !j->dataset)
        return 0;
    rc = add_songs(&j->held, j, j->dev.n ? &j->dev : &none, SONGS_VALID, err);
    if (rc != ERR_ARG || j->dev.n)
        return rc;
    log_warn("%s: too few songs to hold some back: all steps will be made",
             j->root);
    return 0;
}

static size_t limit_of(const struct job *j)
{
    return (size_t)(j->memory * 1e9);
}

/* Songs without labels, which the model labels. */
static int join_songs(struct job *j, struct err *err)
{
    struct manifest m = { .rate = j->config.model.sample_rate };
    struct selftrain_result r = {0};
    struct selftrain_config c = {
        .model = j->init, .be = j->be, .list = &m, .held = &j->held,
        .learns = &j->config.model, .confidence = j->confidence
    };
    int rc = 0;

    for (int i = 0; i < j->self_train.n && !rc; i++)
        rc = manifest_add(&m, j->self_train.item[i], err);
    if (!rc)
        rc = manifest_probe(&m, j->loaders, NULL, err);
    if (!rc)
        rc = corpus_new(&c.corpus, &m, limit_of(j), err);
    if (!rc)
        rc = selftrain_add(&j->train, &c, &r, err);
    for (int t = 0; t < DATASET_TASKS && !rc; t++)
        if (task_bits(j) & 1u << t)
            log_info("%s: the model is sure of %.0f s",
                     annot_task_names[t], r.seconds[t]);
    if (!rc && r.songs)
        log_info("%zu of %zu songs of --self-train join", r.songs, m.n);
    else if (!rc)
        log_warn("none of the %zu songs of --self-train joins: the model is "
                 "nowhere as sure as %g, or they are known already", m.n,
                 j->confidence);
    corpus_free(c.corpus);
    manifest_release(&m);
    return rc;
}

static int open_songs(struct job *j, struct err *err)
{
    if (j->self_train.n)
        TRY(join_songs(j, err));
    j->train_list.rate = j->held_list.rate = j->config.model.sample_rate;
    TRY(list_songs(&j->train, &j->train_list, j->loaders, err));
    TRY(corpus_new(&j->corpus, &j->train_list, limit_of(j), err));
    j->fingerprint = rundir_fingerprint(&j->train_list);
    log_info("training data: %s", j->fingerprint);
    if (!j->held.n)
        return 0;
    TRY(list_songs(&j->held, &j->held_list, j->loaders, err));
    j->held_fingerprint = rundir_fingerprint(&j->held_list);
    return corpus_new(&j->held_corpus, &j->held_list, limit_of(j), err);
}

/* ---- model and settings ---- */

static int open_init(struct job *j, const char *name, struct err *err)
{
    char *path = NULL;
    int rc = model_find(&path, name, err);

    if (!rc)
        rc = model_open(&j->init, path, err);
    free(path);
    return rc;
}

/* The JSON of the model with settings: "train" is text. */
static void compose(const struct model_config *c, const char *train,
                    struct strbuf *out)
{
    config_print(c, out);
    out->s[--out->len] = '\0'; /* the closing brace */
    strbuf_addf(out, ",\"train\":%s}", train);
}

/* A copy of c without heads; strings and arrays are those of c. */
static struct model_config bare(const struct model_config *c)
{
    struct model_config b = *c;

    b.heads = NULL;
    b.n_heads = 0;
    return b;
}

/* What the options say of settings, before --set has its say. The caller frees
 * the strings. */
static int option_settings(const struct job *j, char *fixed[MOST_FIXED])
{
    int n = 0;

    if (j->steps)
        fixed[n++] = xasprintf("train.steps=%d", j->steps);
    if (j->seed >= 0)
        fixed[n++] = xasprintf("train.seed=%d", j->seed);
    if (strcmp(j->common.precision, "auto"))
        fixed[n++] = xasprintf("train.precision=%s", j->common.precision);
    if (j->no_augment) {
        fixed[n++] = xstrdup("train.augment=false");
        fixed[n++] = xstrdup("train.mixture=0");
    }
    return n;
}

/* Settings of text (or NULL: of the file name), changed by the options. */
static int parse_settings(struct job *j, const char *text, const char *name,
                          struct err *err)
{
    const char **set = xcalloc((size_t)j->set.n + MOST_FIXED, sizeof(*set));
    char *fixed[MOST_FIXED];
    int n = option_settings(j, fixed), rc;

    for (int i = 0; i < n; i++)
        set[i] = fixed[i];
    for (int i = 0; i < j->set.n; i++)
        set[n + i] = j->set.item[i];
    rc = text ? preset_parse(&j->config, text, name, set, n + j->set.n, err)
              : preset_open(&j->config, name, set, n + j->set.n, err);
    for (int i = 0; i < n; i++)
        free(fixed[i]);
    free(set);
    return rc;
}

/* "train" with the crop that the protocol asks for: of several tasks the
 * longest, or what the model is meant for. */
static char *add_crop(const struct job *j, const char *train, double window)
{
    double crop = 0;

    for (int i = 0; i < j->n_tasks; i++)
        crop = fmax(crop, protocol_find(j->protocol_kind, j->task[i])->window);
    return xasprintf("{\"crop\": %g, %s", crop > 0 ? crop : window, train + 1);
}

static int set_options(struct job *j, struct err *err)
{
    struct strbuf text = STRBUF_INIT;
    struct preset base = {0};
    struct model_config c;
    const char *train = !j->finetune ? frozen_settings
                        : j->preset ? scratch_settings : finetune_settings;
    char *own;
    int rc = j->preset ? preset_open(&base, j->preset, NULL, 0, err)
                       : open_init(j, j->common.model, err);

    if (rc)
        return rc;
    c = bare(j->init ? &j->init->config : &base.model);
    if (j->finetune && c.encoder.type == ENCODER_MEL)
        rc = err_set(err, ERR_ARG, "--finetune: an encoder of type mel has no "
                     "weights that could learn");
    own = add_crop(j, train, c.window);
    compose(&c, own, &text);
    if (!rc)
        rc = parse_settings(j, text.s, "settings", err);
    free(own);
    strbuf_release(&text);
    preset_release(&base);
    return rc;
}

/* ---- what --resume needs to begin as the run began ---- */

static void remember(struct job *j, const char *tasks)
{
    cJSON *o = cJSON_AddObjectToObject(j->config.json, "run");

    cJSON_AddStringToObject(o, "tasks", tasks);
    cJSON_AddBoolToObject(o, "finetune", j->finetune);
    if (j->init) {
        char *real = realpath(j->init->path, NULL);

        cJSON_AddStringToObject(o, "model", real ? real : j->init->path);
        cJSON_AddStringToObject(o, "sha256", model_sha256(j->init));
        free(real);
    }
    rundir_remember(o, "data", &j->data);
    rundir_remember(o, "dev", &j->dev);
    rundir_remember(o, "self_train", &j->self_train);
    cJSON_AddNumberToObject(o, "confidence", j->confidence);
    if (j->dataset)
        cJSON_AddStringToObject(o, "dataset", j->dataset);
    if (j->root)
        cJSON_AddStringToObject(o, "root", j->root);
}

static const char *text_of(const cJSON *run, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(run, name));
}

static void recall_songs(struct job *j, const cJSON *run)
{
    const cJSON *p = cJSON_GetObjectItemCaseSensitive(run, "confidence");

    rundir_recall(run, "data", &j->data);
    rundir_recall(run, "dev", &j->dev);
    rundir_recall(run, "self_train", &j->self_train);
    if (!j->dataset)
        j->dataset = text_of(run, "dataset");
    if (!j->root)
        j->root = text_of(run, "root");
    if (cJSON_IsNumber(p))
        j->confidence = p->valuedouble;
}

/* The model that the run began with, which may have moved to -m. */
static int recall_model(struct job *j, const cJSON *run, struct err *err)
{
    const char *path = text_of(run, "model"), *sum = text_of(run, "sha256");

    j->preset = path ? NULL : "";
    if (!path)
        return 0;
    if (strcmp(j->common.model, "default"))
        path = j->common.model;
    TRY(open_init(j, path, err));
    if (sum && strcmp(sum, model_sha256(j->init)))
        return err_set(err, ERR_ARG, "%s: not the model that the run in %s "
                       "began with", j->init->path, j->dir);
    return 0;
}

static int recall(struct job *j, const char *tasks, struct err *err)
{
    char *path = xasprintf("%s/config.json", j->dir);
    int rc = parse_settings(j, NULL, path, err);
    const cJSON *run = rc ? NULL : cJSON_GetObjectItemCaseSensitive(
                                       j->config.json, "run");
    const char *own = text_of(run, "tasks");
    int finetune = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(run,
                                                                 "finetune"));

    if (!rc && !own)
        rc = err_set(err, ERR_FORMAT, "%s: not of a run of mfm probe", path);
    if (!rc && ((tasks && strcmp(tasks, own)) || finetune < j->finetune))
        rc = err_set(err, ERR_ARG, "%s: the run is one of %s%s; --resume goes "
                     "on as it began", j->dir, own,
                     finetune ? " with --finetune" : ", frozen");
    free(path);
    if (rc)
        return rc;
    j->finetune = finetune;
    recall_songs(j, run);
    TRY(parse_tasks(j, own, err));
    return recall_model(j, run, err);
}

/* ---- heads ---- */

static int parse_layer(struct job *j, struct head_config *h, struct err *err)
{
    char *end;
    long k;

    if (!j->layer)
        return 0;
    if (!strcmp(j->layer, "mix") || !strcmp(j->layer, "last")) {
        h->layer = *j->layer == 'm' ? HEAD_MIX : -1;
        return 0;
    }
    k = strtol(j->layer, &end, 10);
    if (*end || end == j->layer || k < 0 ||
        k > j->config.model.encoder.layers)
        return err_set(err, ERR_ARG, "--layer %s: not 0..%d, last or mix",
                       j->layer, j->config.model.encoder.layers);
    h->layer = (int)k;
    return 0;
}

/* As the protocol says; it goes on from the weights of the model's head where
 * both mean the same (supervise.h). */
static int add_head(struct job *j, const char *task, struct err *err)
{
    struct model_config *c = &j->config.model;
    struct head_config *h;
    char **tags = NULL;
    int n_tags = 0, rc;

    if (!strcmp(task, "tag"))
        TRY(songs_tags(&j->train, &tags, &n_tags, err));
    rc = protocol_head(c, j->protocol_kind, task, tags, n_tags, err);
    songs_tags_free(tags, n_tags);
    if (rc)
        return rc;
    h = &c->heads[c->n_heads - 1];
    if (!strcmp(task, "beats"))
        h->n_bars = songs_bars(&j->train, h->bar);
    return parse_layer(j, h, err);
}

static int add_heads(struct job *j, struct err *err)
{
    for (int i = 0; i < j->n_tasks; i++)
        TRY(add_head(j, j->task[i], err));
    return preset_settle(&j->config, err);
}

/* An encoder that knows nothing yet hears mel normalised as these songs are. */
static int measure(struct job *j, struct err *err)
{
    struct model_config *c = &j->config.model;

    if (!j->preset)
        return 0;
    TRY(pretrain_measure(&c->mel, j->corpus, c->sample_rate,
                         (uint64_t)j->config.train.seed, err));
    return preset_settle(&j->config, err);
}

/* ---- run ---- */

static int open_backend(struct job *j, struct err *err)
{
    const struct session_use use = {
        .precision = settings_precision(&j->config.train), .training = 1
    };

    return session_backend(&j->be, &j->common, use, err);
}

/* A frozen encoder that knows nothing: the model file of its first values. */
static int draw_encoder(struct job *j, struct err *err)
{
    char *path = xasprintf("%s/encoder.safetensors", j->dir);
    struct model_config c = bare(&j->config.model);
    struct strbuf json = STRBUF_INIT;
    struct params p = {0};
    int rc;

    net_describe(&c, &p);
    rc = params_alloc(&p, j->be, err);
    if (!rc)
        rc = params_init(&p, (uint64_t)j->config.train.seed, err);
    config_print(&c, &json);
    if (!rc)
        rc = params_write(&p, NULL, 0, NULL, NULL, path,
                          (struct safetensors_meta[]){
                              { (char *)"format", (char *)"pt" },
                              { (char *)"mfm", json.s } }, 2, err);
    if (!rc)
        rc = model_open(&j->init, path, err);
    params_release(&p);
    strbuf_release(&json);
    free(path);
    return rc;
}

static int run(struct job *j, struct err *err)
{
    char *path = xasprintf("%s/config.json", j->dir);
    struct supervise_config c = {
        .preset = &j->config, .finetune = j->finetune, .train = &j->train,
        .corpus = j->corpus, .data = j->fingerprint, .dir = j->dir,
        .out = j->out, .about = j->about, .threads = j->loaders,
        .resume = j->resume, .progress = rundir_progress(&j->common),
        .stop = rundir_signals()
    };
    int rc = preset_write(&j->config, path, err);

    free(path);
    if (!rc && j->preset && !j->finetune)
        rc = draw_encoder(j, err);
    c.init = j->init;
    if (j->held_corpus) {
        c.dev = &j->held;
        c.dev_corpus = j->held_corpus;
        c.dev_data = j->held_fingerprint;
    }
    return rc ? rc : supervise_run(&c, j->be, err);
}

static int begin(struct job *j, const char *tasks, struct err *err)
{
    struct stat st;

    if (j->resume)
        return recall(j, tasks, err);
    TRY(protocol_parse(&j->protocol_kind, j->protocol, err));
    TRY(parse_tasks(j, tasks, err));
    if (!j->common.force && !stat(j->out, &st))
        return err_set(err, ERR_ARG, "%s: exists; give another name with -o, "
                       "or --force", j->out);
    return set_options(j, err);
}

static int go(struct job *j, const char *tasks, struct err *err)
{
    j->dir = j->run ? xstrdup(j->run) : xasprintf("%s.run", j->out);
    if (j->resume)
        TRY(rundir_make(j->dir, 1, err));
    TRY(begin(j, tasks, err));
    j->about = xasprintf("%s on %s by mfm %s",
                         j->finetune ? "fine-tuned" : "probed",
                         j->resume ? text_of(cJSON_GetObjectItemCaseSensitive(
                                         j->config.json, "run"), "tasks")
                                   : tasks, MFM_VERSION);
    TRY(read_songs(j, err));
    TRY(open_backend(j, err));
    if (!j->resume)
        TRY(add_heads(j, err));
    TRY(open_songs(j, err));
    if (!j->resume) {
        TRY(measure(j, err));
        remember(j, tasks);
        if (j->common.force)
            rundir_clear(j->dir);
        TRY(rundir_make(j->dir, 0, err));
    }
    return run(j, err);
}

static void release(struct job *j)
{
    corpus_free(j->corpus);
    corpus_free(j->held_corpus);
    manifest_release(&j->train_list);
    manifest_release(&j->held_list);
    songs_release(&j->train);
    songs_release(&j->held);
    preset_release(&j->config);
    model_free(j->init);
    backend_close(j->be);
    free(j->dir);
    free(j->about);
    free(j->tasks);
    free(j->fingerprint);
    free(j->held_fingerprint);
    free(j->self_train.item);
    free(j->data.item);
    free(j->dev.item);
    free(j->set.item);
}

static const char *misuse(const struct job *j, int n)
{
    if (n > 1)
        return "one list of tasks, as beats,chords";
    if (!j->out)
        return "-o MODEL.safetensors: where to write the model";
    for (int i = 0; i < j->set.n && !j->preset; i++)
        if (strncmp(j->set.item[i], "train.", 6))
            return "--set: only train.* can be set; what the model is, its "
                   "file says";
    if (j->resume && !j->preset && !j->layer)
        return NULL;
    if (j->resume)
        return "--resume goes on as the run began: no --preset or --layer";
    if (!n)
        return "which task? beats, chords, structure, key, tag, or several "
               "with commas";
    if (!j->data.n && !j->dataset)
        return "--data PATH or --dataset NAME: songs with labels";
    if (j->dataset && !j->root)
        return "--dataset needs --root DIR";
    if (j->preset && j->self_train.n)
        return "--self-train is for a model that has the heads, not for "
               "--preset";
    return NULL;
}

int cmd_probe(int argc, char **argv)
{
    struct job j = { .common = CMD_COMMON_INIT, .protocol = "own", .seed = -1,
                     .loaders = 2, .confidence = SELFTRAIN_CONFIDENCE };
    const struct opt own[] = {
        { 0, "data", OPT_LIST, &j.data, "DIR", "songs with labels beside them "
          "(NAME.beats .lab .seg .key .tags); may be given several times", 0, 0,
          NULL },
        { 0, "dev", OPT_LIST, &j.dev, "DIR", "songs that decide when to stop",
          0, 0, NULL },
        { 0, "dataset", OPT_STRING, &j.dataset, "NAME", "a dataset in its own "
          "layout (mfm help eval), under --root", 0, 0, NULL },
        { 0, "root", OPT_STRING, &j.root, "DIR", "folder of the dataset", 0, 0,
          NULL },
        { 0, "finetune", OPT_FLAG, &j.finetune, NULL, "the encoder learns too",
          0, 0, NULL },
        { 0, "preset", OPT_STRING, &j.preset, "NAME|FILE", "an encoder that "
          "knows nothing yet, in place of -m", 0, 0, NULL },
        { 0, "protocol", OPT_CHOICE, &j.protocol, "NAME", "rates and windows: "
          "own, of the paper, or of its released code (default: own)", 0, 0,
          "own|paper|release" },
        { 0, "layer", OPT_STRING, &j.layer, "N|last|mix", "hidden state that "
          "heads read; mix: a learned mixture of all", 0, 0, NULL },
        { 0, "self-train", OPT_LIST, &j.self_train, "PATH", "songs without "
          "labels, which the model of -m labels where it is sure; may be given "
          "several times", 0, 0, NULL },
        { 0, "confidence", OPT_DOUBLE, &j.confidence, "P", "how sure it must "
          "be (default: 0.8)", 0.5, 1, NULL },
        { 0, "set", OPT_LIST, &j.set, "KEY=VALUE", "change a setting, as "
          "train.lr=1e-4 or train.batch=16", 0, 0, NULL },
        { 0, "steps", OPT_INT, &j.steps, "N", "steps at most", 1, 1e9, NULL },
        { 0, "seed", OPT_INT, &j.seed, "N", "seed of all random numbers", 0,
          2147483647, NULL },
        { 0, "no-augment", OPT_FLAG, &j.no_augment, NULL, "songs as they are",
          0, 0, NULL },
        { 'o', "output", OPT_STRING, &j.out, "FILE", "the model", 0, 0, NULL },
        { 0, "run", OPT_STRING, &j.run, "DIR", "folder of metrics and "
          "checkpoints (default: FILE.run)", 0, 0, NULL },
        { 0, "resume", OPT_FLAG, &j.resume, NULL, "go on with the run that was "
          "cut off", 0, 0, NULL },
        { 0, "force", OPT_FLAG, &j.common.force, NULL, "overwrite the model "
          "and the run", 0, 0, NULL },
        { 0, "loaders", OPT_INT, &j.loaders, "N", "threads that prepare songs "
          "(default: 2)", 1, 256, NULL },
        { 0, "memory", OPT_SIZE, &j.memory, "SIZE", "decoded music that may be "
          "kept (default: a quarter of the machine's memory)", 0, 1e6, NULL },
        { .kind = OPT_END }
    };
    const struct cmd_usage usage = {
        "probe",
        "mfm probe TASK[,TASK...] -m MODEL --data DIR... [OPTIONS] -o FILE\n"
        "mfm probe TASK[,TASK...] --preset NAME [--finetune] --data DIR "
        "-o FILE\n"
        "mfm probe --resume -o FILE",
        "Trains heads for beats, chords, structure, key and tag on an encoder\n"
        "that stays as it is (frozen), or learns with them (--finetune). The\n"
        "model that it writes is one for mfm annotate.\n",
        own, CMD_MODEL | CMD_PROGRESS
    };
    struct err err = {0};
    int n, rc = cmd_begin(&usage, &j.common, argc, argv, &n);

    if (rc == CMD_GO && misuse(&j, n))
        rc = cmd_usage_error("probe", "%s", misuse(&j, n));
    if (rc == CMD_GO) {
        rc = go(&j, n ? argv[0] : NULL, &err);
        rc = rc ? cmd_start_error("probe", &err) : CMD_DONE;
    }
    release(&j);
    return rc;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "cmd/cmd.h"
#include "cmd/common.h"
#include "cmd/rundir.h"
#include "cmd/session.h"
#include "model/find.h"
#include "train/dryrun.h"
#include "train/pack.h"
#include "train/pretrain.h"
#include "train/stepfile.h"
#include "train/tokens.h"

struct job {
    struct cmd_common common;
    const char *preset, *run, *tokens, *init, *dataset, *root, *pack, *codec;
    const char *codes_dir;
    struct opt_list data, valid, set;
    double memory; /* GB */
    int steps, seed, loaders, resume, dry_run, keep_stats, codes;
    int ranks;
    /* made of it */
    struct preset config;
    cJSON *run_json; /* "run" of the settings: lists borrow from it */
    int fresh;       /* no checkpoint to go on from */
    struct manifest train_list, valid_list;
    struct corpus *train, *held;
    char *fingerprint;
    struct model *token_model, *init_model;
    struct backend *be;
    struct dist *dist;
    int agreed, quiet; /* all know that one failed; another process says why */
};

/* ---- settings ---- */

/* A checkpoint is of one model. */
static int check_set(const struct job *j, struct err *err)
{
    for (int i = 0; i < j->set.n && j->resume; i++)
        if (strncmp(j->set.item[i], "train.", 6))
            return err_set(err, ERR_ARG, "--set %.60s: the model of a run "
                           "stays as it is; --resume takes train.* only",
                           j->set.item[i]);
    return 0;
}

static int open_preset(struct job *j, struct err *err)
{
    char *own = j->resume ? xasprintf("%s/config.json", j->run) : NULL;
    const char *name = own ? own : j->preset;
    struct opt_list *s = &j->set;
    char *more[3];
    int n = 0, rc = check_set(j, err);

    if (j->steps)
        more[n++] = xasprintf("train.steps=%d", j->steps);
    if (j->seed >= 0)
        more[n++] = xasprintf("train.seed=%d", j->seed);
    if (strcmp(j->common.precision, "auto"))
        more[n++] = xasprintf("train.precision=%s", j->common.precision);
    s->item = xreallocarray(s->item, (size_t)(s->n + n) + 1,
                            sizeof(*s->item));
    for (int i = 0; i < n; i++)
        s->item[s->n + i] = more[i];
    if (!rc)
        rc = preset_open(&j->config, name, s->item, s->n + n, err);
    if (!rc && j->config.model.encoder.type == ENCODER_MEL)
        rc = err_set(err, ERR_ARG, "%s: an encoder of type mel has no weights "
                     "that could learn", name);
    for (int i = 0; i < n; i++)
        free(more[i]);
    free(own);
    return rc;
}

/* ---- what --resume needs to find the same files again ---- */

static cJSON *place_of(const char *path)
{
    char *real = realpath(path, NULL);
    cJSON *v = cJSON_CreateString(real ? real : path);

    free(real);
    return v;
}

static void add_places(cJSON *o, const char *name, const struct opt_list *l)
{
    cJSON *a = cJSON_AddArrayToObject(o, name);

    for (int i = 0; i < l->n; i++)
        cJSON_AddItemToArray(a, place_of(l->item[i]));
}

static void add_place(cJSON *o, const char *name, const char *path)
{
    if (path)
        cJSON_AddItemToObject(o, name, place_of(path));
}

static void remember(struct job *j)
{
    cJSON *o = cJSON_AddObjectToObject(j->config.json, "run");

    add_places(o, "data", &j->data);
    add_places(o, "valid", &j->valid);
    if (j->dataset)
        cJSON_AddStringToObject(o, "dataset", j->dataset);
    add_place(o, "root", j->root);
    add_place(o, "tokens", j->token_model ? j->token_model->path : j->tokens);
    add_place(o, "init", j->init_model ? j->init_model->path : j->init);
    if (j->codes)
        cJSON_AddTrueToObject(o, "codes");
    add_place(o, "codes_dir", j->codes_dir);
}

/* What is given anew counts: files may have moved. */
static void recall_list(struct opt_list *l, const cJSON *o, const char *name)
{
    const cJSON *v;

    if (l->n)
        return;
    cJSON_ArrayForEach(v, cJSON_GetObjectItemCaseSensitive(o, name)) {
        if (!cJSON_IsString(v))
            continue;
        l->item = xreallocarray(l->item, (size_t)l->n + 1, sizeof(*l->item));
        l->item[l->n++] = v->valuestring;
    }
}

static void recall_string(const char **s, const cJSON *o, const char *name)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, name);

    if (!*s && cJSON_IsString(v))
        *s = v->valuestring;
}

/* The whole of it is checked later. */
static int is_any(const char *path, struct err *err)
{
    (void)path, (void)err;
    return 0;
}

static int recall(struct job *j, struct err *err)
{
    char *dir = xasprintf("%s/checkpoints", j->run), *newest = NULL;
    const cJSON *o = j->run_json;
    int rc = stepfile_newest(&newest, dir, is_any, err);

    recall_list(&j->data, o, "data");
    recall_list(&j->valid, o, "valid");
    recall_string(&j->dataset, o, "dataset");
    recall_string(&j->root, o, "root");
    recall_string(&j->tokens, o, "tokens");
    recall_string(&j->init, o, "init");
    recall_string(&j->codes_dir, o, "codes_dir");
    j->codes |= cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o, "codes"));
    j->fresh = !newest;
    free(newest);
    free(dir);
    return rc;
}

/* ---- music ---- */

/* Each recording has its file of tokens. */
static int check_codes(const struct job *j, const struct manifest *m,
                       struct err *err)
{
    char *missing = NULL;
    size_t n = 0;
    int rc = 0;

    for (size_t i = 0; i < m->n && j->codes; i++) {
        char *path = tokens_npy_path(m->item[i].path, j->codes_dir);

        if (access(path, R_OK) && !n++)
            missing = path;
        else
            free(path);
    }
    if (n)
        rc = err_set(err, ERR_IO, "%s: no tokens there, as of %zu of %zu "
                     "recordings", missing, n, m->n);
    free(missing);
    return rc;
}

static int open_corpora(struct job *j, struct err *err)
{
    size_t limit = (size_t)((j->memory > 0 ? j->memory * 1e9
                                            : corpus_memory()) /
                            dist_size(j->dist));
    double crop = j->config.train.crop;

    j->train_list.rate = j->valid_list.rate = j->config.model.sample_rate;
    TRY(rundir_corpus(&j->train_list, &j->data, j->dataset, j->root, crop,
                      j->loaders, err));
    TRY(check_codes(j, &j->train_list, err));
    TRY(corpus_new(&j->train, &j->train_list, limit, err));
    j->fingerprint = rundir_fingerprint(&j->train_list);
    log_info("training data: %s", j->fingerprint);
    if (!j->valid.n)
        return 0;
    TRY(rundir_corpus(&j->valid_list, &j->valid, NULL, NULL, crop, j->loaders,
                      err));
    TRY(check_codes(j, &j->valid_list, err));
    return corpus_new(&j->held, &j->valid_list, limit, err);
}

static int open_model(struct model **m, const char *name, struct err *err)
{
    char *path = NULL;
    int rc = name ? model_find(&path, name, err) : 0;

    if (!rc && name)
        rc = model_open(m, path, err);
    free(path);
    return rc;
}

/* Tokens and mel statistics of a file replace those of the preset. */
static int take_tokens(struct job *j, struct err *err)
{
    const struct model_config *t = &j->token_model->config;
    struct model_config *c = &j->config.model;

    if (t->mel.hop != c->mel.hop || t->mel.bands != c->mel.bands ||
        t->mel.n_fft != c->mel.n_fft || t->sample_rate != c->sample_rate)
        return err_set(err, ERR_ARG, "%s: its tokens are of another mel than "
                       "the preset's", j->tokens);
    free(c->tokens);
    c->tokens = xcalloc((size_t)t->n_tokens + 1, sizeof(*c->tokens));
    memcpy(c->tokens, t->tokens, (size_t)t->n_tokens * sizeof(*c->tokens));
    c->n_tokens = t->n_tokens;
    c->mel = t->mel;
    return config_check(c, err);
}

/* Mean and deviation of the mel, and the kind of tokens. */
static int measure(struct job *j, struct err *err)
{
    struct model_config *c = &j->config.model;

    if (j->token_model)
        TRY(take_tokens(j, err));
    else if (j->init_model)
        c->mel = j->init_model->config.mel;
    else if (!j->keep_stats)
        TRY(pretrain_measure(&c->mel, j->train, c->sample_rate,
                             (uint64_t)j->config.train.seed, err));
    log_info("mel: mean %.3f dB, standard deviation %.3f dB", c->mel.mean,
             c->mel.std);
    return preset_settle(&j->config, err);
}

/* ---- what is done ---- */

/* All processes come here, with what they returned so far: if one failed, all
 * did. What fails in all alike is told once. */
static int agree(void *ctx, int rc, struct err *err)
{
    struct job *j = ctx;
    double failed = rc != 0;

    TRY(dist_sum(j->dist, &failed, 1, err));
    if (!(failed > 0))
        return 0;
    j->agreed = 1;
    j->quiet = failed < dist_size(j->dist) ? !rc : dist_rank(j->dist) > 0;
    return rc ? rc : ERR_DEVICE;
}

static int train(struct job *j, const volatile sig_atomic_t *stop,
                 struct err *err)
{
    const struct pretrain_config c = {
        .preset = &j->config, .train = j->train, .valid = j->held,
        .data = j->fingerprint, .dir = j->run, .tokens = j->token_model,
        .init = j->init_model, .codes = j->codes, .codes_dir = j->codes_dir,
        .threads = j->loaders, .resume = !j->fresh,
        .progress = rundir_progress(&j->common), .stop = stop,
        .dist = j->dist, .agree = j->dist ? agree : NULL, .ctx = j
    };

    TRY(dist_use_device(j->dist, j->be, err));
    return pretrain_run(&c, j->be, err);
}

/* The folder is process 0's, which alone writes and speaks. */
static int make_folder(struct job *j, struct err *err)
{
    int rc = 0;

    if (!dist_rank(j->dist))
        rc = rundir_make(j->run, j->resume, err);
    else
        log_set_level(LOG_ERROR);
    return agree(j, rc, err);
}

static int open_backend(struct job *j, struct err *err)
{
    const struct session_use use = {
        .precision = settings_precision(&j->config.train), .training = 1
    };

    return session_backend(&j->be, &j->common, use, err);
}

static int prepare(struct job *j, struct err *err)
{
    if (j->resume)
        TRY(open_preset(j, err));
    j->run_json = cJSON_DetachItemFromObjectCaseSensitive(j->config.json,
                                                          "run");
    j->fresh = 1;
    if (j->resume)
        TRY(recall(j, err));
    TRY(open_backend(j, err));
    if (j->fresh)
        TRY(open_model(&j->token_model, j->tokens, err));
    if (j->fresh)
        TRY(open_model(&j->init_model, j->init, err));
    TRY(open_corpora(j, err));
    if (!j->resume)
        TRY(measure(j, err));
    remember(j);
    return 0;
}

static int run(struct job *j, struct err *err)
{
    const volatile sig_atomic_t *stop = rundir_signals();
    int made, rc;

    if (!j->resume)
        TRY(open_preset(j, err));
    TRY(dist_open(&j->dist, err));
    made = access(j->run, F_OK) != 0;
    TRY(make_folder(j, err));
    rc = agree(j, prepare(j, err), err);
    if (rc && made && !dist_rank(j->dist))
        rmdir(j->run); /* nothing is in it */
    return rc ? rc : train(j, stop, err);
}

static int pack(struct job *j, struct err *err)
{
    struct pack_config c = { .name = j->pack, .threads = j->loaders,
                             .codec = strcmp(j->codec, "s16") ? SHARD_FLAC
                                                              : SHARD_S16 };
    char *index = xasprintf("%s.ndjson", j->pack);
    int is_there = !access(index, F_OK);
    struct pack_result r;

    free(index);
    if (is_there && !j->common.force)
        return err_set(err, ERR_ARG, "%s.ndjson: is there already; --force "
                       "replaces the set", j->pack);
    j->train_list.rate = 24000;
    TRY(rundir_recordings(&j->train_list, &j->data, j->dataset, j->root, err));
    TRY(shards_pack(&j->train_list, &c, &r, err));
    log_info("%s: %zu recordings in %zu shards, %.1f MB", j->pack,
             r.recordings, r.shards, (double)r.bytes / 1e6);
    return r.left_out ? err_set(err, ERR_FORMAT, "%zu recordings could not be "
                                "read and are left out", r.left_out) : 0;
}

static int dry_run(struct job *j, struct err *err)
{
    struct strbuf text = STRBUF_INIT;
    struct dryrun d;

    TRY(open_preset(j, err));
    dryrun_make(&d, &j->config, j->ranks ? j->ranks : 1);
    dryrun_print(&d, &j->config, 0, &text);
    fputs(text.s, stdout);
    strbuf_release(&text);
    return 0;
}

static int go(struct job *j, struct err *err)
{
    if (j->dry_run)
        return dry_run(j, err);
    return j->pack ? pack(j, err) : run(j, err);
}

static void release(struct job *j)
{
    corpus_free(j->train);
    corpus_free(j->held);
    manifest_release(&j->train_list);
    manifest_release(&j->valid_list);
    model_free(j->token_model);
    model_free(j->init_model);
    preset_release(&j->config);
    cJSON_Delete(j->run_json);
    backend_close(j->be);
    dist_close(j->dist);
    free(j->fingerprint);
    free(j->data.item);
    free(j->valid.item);
    free(j->set.item);
}

/* What the options cannot mean together. */
static const char *misuse(const struct job *j)
{
    if (!j->preset && !j->resume && !j->pack)
        return "--preset NAME: fm1..fm9, small, tiny, or a file";
    if (!j->run && (j->resume || (!j->dry_run && !j->pack)))
        return "-o RUN: the folder of the run";
    if (!j->dry_run && !j->resume && !j->data.n && !j->dataset)
        return "--data PATH: what to learn from";
    if (j->resume && (j->preset || j->tokens || j->init || j->keep_stats))
        return "--resume goes on as the run began: no --preset, --tokens, "
               "--init or --keep-stats";
    if (j->ranks && !j->dry_run)
        return "--ranks is for --dry-run: mpirun starts processes";
    if (j->tokens && j->codes)
        return "--tokens are computed, --codes are read: one of them";
    if (j->dataset && !j->root)
        return "--dataset needs --root DIR";
    return NULL;
}

/* ---- options ---- */

enum { MOST_OPTIONS = 28 };

/* n options behind those that are in all. */
static void add_options(struct opt *all, const struct opt *o, size_t n)
{
    while (all->kind != OPT_END)
        all++;
    memcpy(all, o, n * sizeof(*o));
    all[n] = (struct opt){ .kind = OPT_END };
}

static void run_options(struct opt *all, struct job *j)
{
    const struct opt o[] = {
        { 0, "preset", OPT_STRING, &j->preset, "NAME|FILE", "model and "
          "settings: fm1 to fm9 (the paper's), small, tiny, or a JSON file",
          0, 0, NULL },
        { 0, "set", OPT_LIST, &j->set, "KEY=VALUE", "change a setting of the "
          "preset, as train.lr=1e-3 or encoder.layers=4", 0, 0, NULL },
        { 0, "steps", OPT_INT, &j->steps, "N", "steps of the run", 1, 1e9,
          NULL },
        { 0, "seed", OPT_INT, &j->seed, "N", "seed of all random numbers", 0,
          2147483647, NULL },
        { 'o', "output", OPT_STRING, &j->run, "RUN", "folder of the run", 0, 0,
          NULL },
        { 0, "resume", OPT_FLAG, &j->resume, NULL, "go on with the run in RUN "
          "from its newest checkpoint", 0, 0, NULL },
        { 0, "init", OPT_STRING, &j->init, "FILE|NAME", "begin with the "
          "weights of this model", 0, 0, NULL },
        { 0, "loaders", OPT_INT, &j->loaders, "N", "threads that prepare music "
          "(default: 2)", 1, 256, NULL },
        { 0, "memory", OPT_SIZE, &j->memory, "SIZE", "decoded music that may "
          "be kept (default: a quarter of the machine's memory)", 0, 1e6,
          NULL },
        { 0, "dry-run", OPT_FLAG, &j->dry_run, NULL, "print parameters, work "
          "and memory, and stop", 0, 0, NULL },
        { 0, "ranks", OPT_INT, &j->ranks, "N", "with --dry-run: processes that "
          "share the run (default: 1)", 1, 100000, NULL },
    };

    add_options(all, o, ARRAY_LEN(o));
}

static void music_options(struct opt *all, struct job *j)
{
    const struct opt o[] = {
        { 0, "data", OPT_LIST, &j->data, "PATH", "music: a folder and all "
          "below it, a list file, a shard set, an audio file; may be given "
          "several times", 0, 0, NULL },
        { 0, "valid", OPT_LIST, &j->valid, "PATH", "music to measure on, not "
          "to learn from", 0, 0, NULL },
        { 0, "dataset", OPT_STRING, &j->dataset, "NAME", "fma: the Free Music "
          "Archive without its broken tracks, under --root", 0, 0, NULL },
        { 0, "root", OPT_STRING, &j->root, "DIR", "folder of the dataset", 0, 0,
          NULL },
        { 0, "pack", OPT_STRING, &j->pack, "NAME", "write the music as a shard "
          "set NAME.ndjson, NAME-00000.mfms.. and stop", 0, 0, NULL },
        { 0, "codec", OPT_CHOICE, &j->codec, "flac|s16", "of the shards "
          "(default: flac)", 0, 0, "flac|s16" },
        { 0, "force", OPT_FLAG, &j->common.force, NULL, "replace a shard set "
          "that is there", 0, 0, NULL },
    };

    add_options(all, o, ARRAY_LEN(o));
}

static void token_options(struct opt *all, struct job *j)
{
    const struct opt o[] = {
        { 0, "tokens", OPT_STRING, &j->tokens, "FILE", "tokens and statistics "
          "that mfm tokenize has fitted; else they are drawn and measured",
          0, 0, NULL },
        { 0, "codes", OPT_FLAG, &j->codes, NULL, "predict tokens that another "
          "program made: NAME.npy beside each NAME.EXT", 0, 0, NULL },
        { 0, "codes-dir", OPT_STRING, &j->codes_dir, "DIR", "the same, "
          "NAME.npy in this folder", 0, 0, NULL },
        { 0, "keep-stats", OPT_FLAG, &j->keep_stats, NULL, "normalise with the "
          "preset's mean and deviation instead of the data's", 0, 0, NULL },
    };

    add_options(all, o, ARRAY_LEN(o));
}

/* All stop at a signal together, and process 0 says so; a failure within a step
 * ends the others. */
static int failed(struct job *j, struct err *err)
{
    int stopped = err->code == ERR_STOPPED, rc;

    if (j->quiet || (stopped && dist_rank(j->dist)))
        return CMD_FAILED;
    rc = cmd_start_error("pretrain", err);
    if (!stopped && !j->agreed)
        dist_abort(j->dist);
    return rc;
}

int cmd_pretrain(int argc, char **argv)
{
    struct job j = { .common = CMD_COMMON_INIT, .codec = "flac", .seed = -1,
                     .loaders = 2 };
    struct opt own[MOST_OPTIONS] = { { .kind = OPT_END } };
    const struct cmd_usage usage = {
        "pretrain",
        "mfm pretrain --preset NAME --data PATH... [OPTIONS] -o RUN\n"
        "mfm pretrain --resume [--steps N] [--set train.KEY=VALUE...] -o RUN\n"
        "mfm pretrain --dry-run --preset NAME [--set KEY=VALUE...]\n"
        "mfm pretrain --pack NAME --data PATH... [--codec flac|s16] [--force]",
        "Learns an encoder from unlabelled music, by predicting the tokens of\n"
        "parts that it cannot hear. RUN/model.safetensors is the model.\n",
        own, CMD_COMPUTE | CMD_PROGRESS
    };
    struct err err = {0};
    int n, rc;

    run_options(own, &j);
    music_options(own, &j);
    token_options(own, &j);
    rc = cmd_begin(&usage, &j.common, argc, argv, &n);
    j.codes |= j.codes_dir != NULL;
    if (rc == CMD_GO && (n || misuse(&j)))
        rc = cmd_usage_error("pretrain", "%s", n ? "no operands: music is "
                             "named with --data" : misuse(&j));
    if (rc == CMD_GO) {
        rc = go(&j, &err);
        rc = rc ? failed(&j, &err) : CMD_DONE;
    }
    release(&j);
    return rc;
}

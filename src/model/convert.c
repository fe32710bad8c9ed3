/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/convert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "model/config.h"
#include "model/mert.h"
#include "model/musicfm.h"
#include "model/safetensors.h"
#include "model/torchfile.h"

/* A file of named tensors of either kind. */
struct source {
    const char *path;
    struct torchfile *torch; /* NULL: safetensors */
    struct safetensors st;
    struct stored *list;     /* n, sorted; names as musicfm_name */
    struct origin *origin;   /* n, in the same order */
    size_t n;
    int wrapped;             /* in "state_dict" */
    int prefixed;            /* original names begin with "model." */
    int mert;                /* else MusicFM */
    char *note;              /* of torch: what a model file has in "mfm" */
};

struct origin {
    size_t index;     /* in the file */
    const char *name; /* in the file */
};

struct pair {
    struct stored t;
    struct origin origin;
};

/* ---- input ---- */

static int open_source(struct source *s, struct err *err)
{
    struct file_map map = {0};
    int json, empty;

    TRY(file_map(&map, s->path, err));
    empty = map.size < 9;
    json = !empty && strchr("{ \t\r\n", map.data[8]) && map.data[8];
    file_unmap(&map);
    if (empty)
        return err_set(err, ERR_FORMAT, "%s: neither a PyTorch nor a "
                       "safetensors file", s->path);
    return json ? safetensors_open(&s->st, s->path, err)
                : torchfile_open(&s->torch, s->path, err);
}

static int by_pair(const void *a, const void *b)
{
    return stored_by_name(&((const struct pair *)a)->t,
                          &((const struct pair *)b)->t);
}

/* Lists the tensors under mfm's names. */
static int list_source(struct source *s, struct err *err)
{
    size_t n = s->torch ? torchfile_count(s->torch) : s->st.n;
    struct pair *pair = xcalloc(n + 1, sizeof(*pair));

    s->list = xcalloc(n + 1, sizeof(*s->list));
    s->origin = xcalloc(n + 1, sizeof(*s->origin));
    for (size_t i = 0; i < n; i++) {
        pair[i].t = s->torch ? *torchfile_tensor(s->torch, i)
                             : s->st.tensor[i];
        pair[i].origin = (struct origin){ i, pair[i].t.name };
        pair[i].t.name = musicfm_name(pair[i].origin.name);
    }
    qsort(pair, n, sizeof(*pair), by_pair);
    for (size_t i = 0; i < n; i++) {
        s->list[i] = pair[i].t;
        s->origin[i] = pair[i].origin;
        s->prefixed |= !strncmp(pair[i].origin.name, "model.", 6);
    }
    s->n = n;
    s->mert = mert_is(s->list, n);
    free(pair);
    s->wrapped = s->torch && torchfile_wrapped(s->torch);
    if (s->torch)
        TRY(torchfile_note(s->torch, &s->note, err));
    for (size_t i = 1; i < n; i++)
        if (!strcmp(s->list[i - 1].name, s->list[i].name))
            return err_set(err, ERR_FORMAT, "%s: tensor \"%s\" is there twice, "
                           "as \"%s\" and \"%s\"", s->path, s->list[i].name,
                           s->origin[i - 1].name, s->origin[i].name);
    if (n == 0)
        return err_set(err, ERR_FORMAT, "%s: no tensors in it", s->path);
    return 0;
}

static void close_source(struct source *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->list[i].name);
    free(s->list);
    free(s->origin);
    free(s->note);
    torchfile_free(s->torch);
    safetensors_release(&s->st);
}

/* The configuration that mfm wrote into it; NULL: it did not. */
static const char *own_config(const struct source *s)
{
    return s->torch ? s->note : safetensors_meta(&s->st, "mfm");
}

static int load(struct source *s, size_t i, struct stored *t, struct err *err)
{
    size_t index = s->origin[i].index;

    if (s->torch)
        return torchfile_load(s->torch, index, t, err);
    *t = s->st.tensor[index];
    return 0;
}

static void forget(struct source *s, size_t i)
{
    const struct stored *t;

    if (s->torch) {
        torchfile_forget(s->torch, s->origin[i].index);
        return;
    }
    t = &s->st.tensor[s->origin[i].index];
    file_map_forget(&s->st.map, t->data, (size_t)stored_bytes(t));
}

/* ---- element types ---- */

/* Tables of the front end and of the tokens stay exact. */
static int is_table(const char *name)
{
    return !strncmp(name, "quantizer_", 10) || !strncmp(name, "tokens.", 7) ||
           !strncmp(name, "preprocessor_", 13);
}

static enum stored_type target(const struct stored *t,
                               enum convert_precision precision)
{
    if (precision == CONVERT_KEEP || !stored_type_is_float(t->type))
        return t->type;
    return precision == CONVERT_BF16 && t->ndim >= 2 && !is_table(t->name)
               ? STORED_BF16 : STORED_F32;
}

/* ---- original names ----
 *
 * __metadata__.torch: {"wrapped": true, "prefix": "model.", "rename": {"name
 * in the model file": "name in the PyTorch file, without the prefix"}} */

static void print_names(const struct source *s, struct strbuf *out)
{
    const char *prefix = s->prefixed ? "model." : "";
    size_t skip = strlen(prefix);
    cJSON *o = cJSON_CreateObject(), *rename;

    cJSON_AddBoolToObject(o, "wrapped", s->wrapped);
    cJSON_AddStringToObject(o, "prefix", prefix);
    rename = cJSON_AddObjectToObject(o, "rename");
    for (size_t i = 0; i < s->n; i++) {
        const char *from = s->origin[i].name, *to = s->list[i].name;

        if (strncmp(from, prefix, skip))
            log_warn("%s: tensor \"%s\" will be named \"%s%s\" if it is "
                     "written back", s->path, from, prefix, to);
        else if (strcmp(from + skip, to))
            cJSON_AddStringToObject(rename, to, from + skip);
    }
    json_print(out, o);
    cJSON_Delete(o);
}

/* The names for a PyTorch file, as print_names left them; without them those of
 * the published checkpoints. Sets *wrapped. */
static int restore_names(const struct source *s, struct stored *list,
                         int *wrapped, struct err *err)
{
    const char *text = safetensors_meta(&s->st, "torch");
    const char *prefix = s->mert ? "" : "model.";
    cJSON *o = NULL;
    const cJSON *rename, *v;

    *wrapped = !s->mert;
    if (text) {
        TRY(json_parse(&o, text, strlen(text), err));
        v = cJSON_GetObjectItemCaseSensitive(o, "prefix");
        prefix = cJSON_IsString(v) ? v->valuestring : prefix;
        v = cJSON_GetObjectItemCaseSensitive(o, "wrapped");
        *wrapped = !cJSON_IsFalse(v);
    }
    rename = cJSON_GetObjectItemCaseSensitive(o, "rename");
    for (size_t i = 0; i < s->n; i++) {
        const char *name = s->list[i].name;

        v = cJSON_GetObjectItemCaseSensitive(rename, name);
        list[i].name = xasprintf("%s%s", prefix,
                                 cJSON_IsString(v) ? v->valuestring : name);
    }
    cJSON_Delete(o);
    return 0;
}

/* ---- configuration ---- */

static int read_json(cJSON **out, const char *path, struct err *err)
{
    return path ? json_read(out, path, err) : 0;
}

/* What Hugging Face puts beside a checkpoint; NULL if there is none. */
static char *config_beside(const char *path)
{
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int)(slash - path) + 1 : 0;
    char *name = xasprintf("%.*sconfig.json", folder, path);

    if (!access(name, F_OK))
        return name;
    free(name);
    return NULL;
}

/* --config, or for MERT the file beside the checkpoint. */
static int read_options(cJSON **out, const struct source *s,
                        const struct convert *job, struct err *err)
{
    char *beside = NULL;
    int rc;

    if (!job->config && s->mert && !own_config(s))
        beside = config_beside(s->path);
    rc = read_json(out, job->config ? job->config : beside, err);
    free(beside);
    return rc;
}

/* The configuration that a published checkpoint does not have in it. */
static int published_config(struct model_config *c, const struct source *s,
                            const struct convert *job, const cJSON *options,
                            const cJSON *stats, struct err *err)
{
    if (!s->mert)
        return musicfm_config(c, s->list, s->n, options, stats, job->name, err);
    if (stats)
        log_warn("%s: MERT hears sound, not mel; %s is not used", s->path,
                 job->stats);
    return mert_config(c, s->list, s->n, options, job->name, err);
}

static int check_tensors(const struct model_config *c, const struct source *s,
                         struct err *err)
{
    return c->encoder.type == ENCODER_BERT
               ? mert_check(c, s->list, s->n, err)
               : musicfm_check(c, s->list, s->n, err);
}

static int find_config(struct model_config *c, const struct source *s,
                       const struct convert *job, struct err *err)
{
    const char *own = own_config(s);
    cJSON *options = NULL, *stats = NULL;
    int rc = read_options(&options, s, job, err);

    if (!rc)
        rc = read_json(&stats, job->stats, err);
    if (rc)
        goto out;
    if (cJSON_GetObjectItemCaseSensitive(options, "encoder")) {
        rc = config_parse(c, options, err);
        if (rc)
            err_prefix(err, "%s", job->config);
    } else if (own) {
        rc = config_parse_text(c, own, err);
        if (!rc && stats) {
            log_warn("%s: has its own statistics; %s is not used", s->path,
                     job->stats);
        }
        if (rc)
            err_prefix(err, "%s: configuration", s->path);
    } else {
        rc = published_config(c, s, job, options, stats, err);
        if (rc)
            err_prefix(err, "%s", s->path);
        goto out;
    }
    if (!rc && check_tensors(c, s, err))
        rc = err_prefix(err, "%s", s->path);
out:
    cJSON_Delete(options);
    cJSON_Delete(stats);
    return rc;
}

/* ---- output ---- */

static int write_model(struct source *s, const struct convert *job,
                       struct stored *list, const struct safetensors_meta *meta,
                       size_t n_meta, struct err *err)
{
    struct safetensors_out out = {0};
    struct stored t;
    int rc = safetensors_create(&out, job->out, list, s->n, meta, n_meta, err);

    for (size_t k = 0; k < s->n && !rc; k++) {
        size_t i = (size_t)(out.tensor[k] - list);

        rc = load(s, i, &t, err);
        if (rc)
            break;
        stored_emit(&t, list[i].type, safetensors_put, &out);
        forget(s, i);
    }
    if (!rc)
        rc = safetensors_commit(&out, err);
    safetensors_abort(&out);
    return rc;
}

static int to_model(struct source *s, const struct convert *job,
                    struct err *err)
{
    struct stored *list = xcalloc(s->n, sizeof(*list));
    struct strbuf json = STRBUF_INIT, names = STRBUF_INIT;
    const char *kept = safetensors_meta(&s->st, "torch");
    struct model_config c = {0};
    int rc = find_config(&c, s, job, err);

    if (!rc) {
        config_print(&c, &json);
        if (kept)
            strbuf_addstr(&names, kept);
        else if (s->torch || s->prefixed || s->mert)
            print_names(s, &names);
        for (size_t i = 0; i < s->n; i++) {
            list[i] = s->list[i];
            list[i].type = target(&s->list[i], job->precision);
        }
        rc = write_model(s, job, list, (struct safetensors_meta[]){
            { (char *)"format", (char *)"pt" }, { (char *)"mfm", json.s },
            { (char *)"torch", names.s } }, names.len ? 3 : 2, err);
    }
    config_release(&c);
    strbuf_release(&json);
    strbuf_release(&names);
    free(list);
    return rc;
}

static int write_torch(struct source *s, const struct convert *job,
                       const struct stored *list, int wrapped, struct err *err)
{
    struct torchfile_out *out = NULL;
    struct stored t;
    int rc = torchfile_create(&out, job->out, list, s->n, wrapped, err);

    if (!rc && own_config(s))
        torchfile_add_note(out, own_config(s));
    for (size_t i = 0; i < s->n && !rc; i++) {
        rc = load(s, i, &t, err);
        if (rc)
            break;
        torchfile_begin(out, i);
        stored_emit(&t, list[i].type, torchfile_put, out);
        torchfile_end(out);
        forget(s, i);
    }
    if (!rc)
        rc = torchfile_commit(out, err);
    torchfile_abort(out);
    return rc;
}

static int to_torch(struct source *s, const struct convert *job,
                    struct err *err)
{
    struct stored *list = xcalloc(s->n, sizeof(*list));
    int wrapped = s->wrapped, rc = 0;

    for (size_t i = 0; i < s->n; i++) {
        list[i] = s->list[i];
        list[i].type = target(&s->list[i], job->precision);
        list[i].name = NULL;
    }
    if (s->torch)
        for (size_t i = 0; i < s->n; i++)
            list[i].name = xstrdup(s->origin[i].name);
    else if (restore_names(s, list, &wrapped, err))
        rc = err_prefix(err, "%s: __metadata__.torch", s->path);
    if (!rc)
        rc = write_torch(s, job, list, wrapped, err);
    for (size_t i = 0; i < s->n; i++)
        free(list[i].name);
    free(list);
    return rc;
}

int convert_run(const struct convert *job, struct err *err)
{
    struct source s = { .path = job->in };
    int rc = open_source(&s, err);

    if (!rc)
        rc = list_source(&s, err);
    if (!rc)
        rc = job->to_pt ? to_torch(&s, job, err) : to_model(&s, job, err);
    close_source(&s);
    return rc;
}

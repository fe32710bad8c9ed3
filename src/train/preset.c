/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/preset.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/suggest.h"
#include "base/xalloc.h"
#include "model/find.h"

/* ---- keys ---- */

struct names {
    char **item;
    size_t n, cap;
};

/* Arrays of numbers or strings are one setting, others go on. */
static int is_leaf(const cJSON *v)
{
    return !cJSON_IsObject(v) &&
           (!cJSON_IsArray(v) ||
            (!cJSON_IsObject(v->child) && !cJSON_IsArray(v->child)));
}

static void add_names(struct names *list, const cJSON *obj, const char *path)
{
    const cJSON *v;
    int i = 0;

    cJSON_ArrayForEach(v, obj) {
        const char *dot = *path ? "." : "";
        char *name = v->string
                         ? xasprintf("%s%s%s", path, dot, v->string)
                         : xasprintf("%s%s%d", path, dot, i++);

        if (!is_leaf(v)) {
            add_names(list, v, name);
            free(name);
            continue;
        }
        ARRAY_GROW(list->item, list->n, list->cap);
        list->item[list->n++] = name;
    }
}

static int no_such(const cJSON *root, const char *key, struct err *err)
{
    struct names list = {0};
    int rc;

    add_names(&list, root, "");
    rc = suggest_error(err, ERR_ARG, "", key, (const char *const *)list.item,
                       list.n);
    for (size_t i = 0; i < list.n; i++)
        free(list.item[i]);
    free(list.item);
    return rc;
}

/* The field or element that the first n bytes of name one level down. */
static cJSON *child(cJSON *v, const char *name, size_t n)
{
    char key[64], *end;
    long i;

    if (!v || n == 0 || n >= sizeof(key))
        return NULL;
    memcpy(key, name, n);
    key[n] = 0;
    if (!cJSON_IsArray(v))
        return cJSON_GetObjectItemCaseSensitive(v, key);
    i = strtol(key, &end, 10);
    return *end || i < 0 || i > 1000 ? NULL : cJSON_GetArrayItem(v, (int)i);
}

static cJSON *find(cJSON *root, const char *key)
{
    cJSON *v = root;

    for (;;) {
        size_t n = strcspn(key, ".");

        v = child(v, key, n);
        if (!v || !key[n])
            return v;
        key += n + 1;
    }
}

/* ---- values ---- */

static int apply(cJSON *root, const char *set, struct err *err);

static int set_number(cJSON *v, const char *key, const char *text,
                      struct err *err)
{
    char *end = NULL;
    double d = strtod(text, &end);

    if (end == text || *end || !isfinite(d))
        return err_set(err, ERR_ARG, "%s: \"%.60s\" is not a number", key,
                       text);
    cJSON_SetNumberValue(v, d);
    return 0;
}

static int set_flag(cJSON *v, const char *key, const char *text,
                    struct err *err)
{
    if (strcmp(text, "true") && strcmp(text, "false"))
        return err_set(err, ERR_ARG, "%s: \"%.60s\" is neither true nor false",
                       key, text);
    v->type = !strcmp(text, "true") ? cJSON_True : cJSON_False;
    return 0;
}

/* An array in place of an array, of elements as its own. */
static int set_array(cJSON *v, const char *key, const char *text,
                     struct err *err)
{
    cJSON *new = NULL, *swap;
    const cJSON *item;
    int good = !json_parse(&new, text, strlen(text), NULL) &&
               cJSON_IsArray(new);

    for (item = good ? new->child : NULL; item && v->child; item = item->next)
        good = good && (item->type & 0xff) == (v->child->type & 0xff);
    if (good) {
        swap = v->child;
        v->child = new->child;
        new->child = swap;
    }
    cJSON_Delete(new);
    return good ? 0 : err_set(err, ERR_ARG, "%s: \"%.60s\" is not an array "
                              "like the one it replaces, as [1, 2]", key,
                              text);
}

static int set_value(cJSON *v, const char *key, const char *text,
                     struct err *err)
{
    if (cJSON_IsNumber(v))
        return set_number(v, key, text, err);
    if (cJSON_IsBool(v))
        return set_flag(v, key, text, err);
    if (cJSON_IsArray(v))
        return set_array(v, key, text, err);
    if (cJSON_IsString(v)) {
        cJSON_SetValuestring(v, text);
        return 0;
    }
    return err_set(err, ERR_ARG, "%s: not one value but a group of settings",
                   key);
}

/* ---- scale=tiny ---- */

static void set_if_there(cJSON *root, const char *key, double value)
{
    cJSON *v = find(root, key), *item;

    if (cJSON_IsNumber(v))
        cJSON_SetNumberValue(v, value);
    cJSON_ArrayForEach(item, v)
        cJSON_SetNumberValue(item, value);
}

/* A model of the same kind that a CPU trains in minutes. Half as many layers
 * stay half as many, and a step has a minute of music whatever the crop is. */
static int scale(cJSON *root, const char *to, struct err *err)
{
    static const struct {
        const char *key;
        double value;
    } set[] = {
        { "encoder.dim", 64 }, { "encoder.heads", 2 }, { "encoder.ffn", 256 },
        { "encoder.conv_dim", 32 }, { "encoder.pos_groups", 4 },
        { "train.accumulate", 1 }, { "train.steps", 1000 },
        { "train.lr", 1e-3 }, { "train.warmup", 50 },
        { "train.lr_floor", 0.05 }, { "train.log_every", 20 },
        { "train.valid_every", 500 }, { "train.save_every", 250 },
    };
    const cJSON *layers = find(root, "encoder.layers");
    const cJSON *crop = find(root, "train.crop");
    cJSON *name = find(root, "name");
    char *longer;

    if (strcmp(to, "tiny"))
        return err_set(err, ERR_ARG, "scale: \"%.60s\": the scale is tiny", to);
    for (size_t i = 0; i < ARRAY_LEN(set); i++)
        set_if_there(root, set[i].key, set[i].value);
    if (cJSON_IsNumber(layers) && layers->valuedouble > 4)
        set_if_there(root, "encoder.layers", floor(layers->valuedouble / 4));
    if (cJSON_IsNumber(crop))
        set_if_there(root, "train.batch",
                     fmax(1, round(60 / crop->valuedouble)));
    TRY(apply(root, "train.checkpoint=false", err));
    TRY(apply(root, "train.schedule=cosine", err));
    if (!cJSON_IsString(name))
        return 0;
    longer = xasprintf("%s-tiny", name->valuestring);
    cJSON_SetValuestring(name, longer);
    free(longer);
    return 0;
}

static int apply(cJSON *root, const char *set, struct err *err)
{
    const char *equals = strchr(set, '=');
    char *key;
    cJSON *v;
    int rc;

    if (!equals || equals == set)
        return err_set(err, ERR_ARG, "\"%.60s\": not KEY=VALUE", set);
    if (!strncmp(set, "scale=", 6))
        return scale(root, equals + 1, err);
    key = xstrndup(set, (size_t)(equals - set));
    v = find(root, key);
    rc = v ? set_value(v, key, equals + 1, err) : no_such(root, key, err);
    free(key);
    return rc;
}

/* ---- whole presets ---- */

/* "train" with every field, so that each can be set. */
static int fill_train(struct preset *p, struct err *err)
{
    cJSON *old = cJSON_GetObjectItemCaseSensitive(p->json, "train");

    TRY(settings_parse(&p->train, old, "train", err));
    cJSON_DeleteItemFromObjectCaseSensitive(p->json, "train");
    cJSON_AddItemToObject(p->json, "train", settings_json(&p->train));
    return 0;
}

static int parse_json(struct preset *p, struct err *err)
{
    const char *about = "";

    if (!cJSON_IsObject(p->json))
        return err_set(err, ERR_FORMAT, "not an object");
    TRY(json_string(p->json, "", "about", 0, &about, err));
    p->about = xstrdup(about);
    return fill_train(p, err);
}

static int parse_model(struct preset *p, struct err *err)
{
    TRY(config_parse(&p->model, p->json, err));
    return settings_parse(&p->train,
                          cJSON_GetObjectItemCaseSensitive(p->json, "train"),
                          "train", err);
}

int preset_parse(struct preset *p, const char *text, const char *name,
                 const char *const *set, int n, struct err *err)
{
    int rc;

    memset(p, 0, sizeof(*p));
    rc = json_parse(&p->json, text, strlen(text), err);
    if (!rc)
        rc = parse_json(p, err);
    if (rc)
        err_prefix(err, "%s", name);
    for (int i = 0; i < n && !rc; i++)
        rc = apply(p->json, set[i], err);
    if (!rc) {
        rc = parse_model(p, err);
        if (rc)
            err_prefix(err, "%s%s", name, n ? " with what was set" : "");
    }
    if (rc)
        preset_release(p);
    return rc;
}

int preset_open(struct preset *p, const char *name, const char *const *set,
                int n, struct err *err)
{
    struct strbuf text = STRBUF_INIT;
    char *path = NULL;
    int rc;

    memset(p, 0, sizeof(*p));
    TRY(preset_find(&path, name, err));
    rc = file_read(&text, path, LIMIT_PRESET, err);
    if (!rc)
        rc = preset_parse(p, text.s, path, set, n, err);
    strbuf_release(&text);
    free(path);
    return rc;
}

void preset_release(struct preset *p)
{
    cJSON_Delete(p->json);
    config_release(&p->model);
    free(p->about);
    memset(p, 0, sizeof(*p));
}

void preset_print(const struct preset *p, struct strbuf *out)
{
    json_print(out, p->json);
}

int preset_write(const struct preset *p, const char *path, struct err *err)
{
    struct strbuf text = STRBUF_INIT;
    struct file_out out = {0};
    int rc = file_out_open(&out, path, err);

    if (!rc) {
        preset_print(p, &text);
        fprintf(out.f, "%s\n", text.s);
        rc = file_out_commit(&out, err);
    }
    file_out_abort(&out);
    strbuf_release(&text);
    return rc;
}

int preset_settle(struct preset *p, struct err *err)
{
    static const char *const parts[] = { "mel", "tokens", "heads" };
    struct strbuf text = STRBUF_INIT;
    cJSON *now = NULL;
    int rc;

    config_print(&p->model, &text);
    rc = json_parse(&now, text.s, text.len, err);
    for (size_t i = 0; i < ARRAY_LEN(parts) && !rc; i++) {
        cJSON *part = cJSON_DetachItemFromObjectCaseSensitive(now, parts[i]);

        cJSON_DeleteItemFromObjectCaseSensitive(p->json, parts[i]);
        if (part)
            cJSON_AddItemToObject(p->json, parts[i], part);
    }
    cJSON_Delete(now);
    strbuf_release(&text);
    return rc;
}

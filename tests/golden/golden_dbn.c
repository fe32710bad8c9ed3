/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "golden.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/npy.h"
#include "decode/dbn.h"

static const cJSON *field(const cJSON *o, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(o, name);
}

static void set_double(const cJSON *o, const char *name, double *to)
{
    if (field(o, name))
        *to = field(o, name)->valuedouble;
}

/* madmom's options; one that is not known here is a failure, not a default. */
static int set_options(struct dbn_config *c, const cJSON *o)
{
    static const char known[] =
        " beats_per_bar min_bpm max_bpm num_tempi correct transition_lambda "
        "observation_lambda threshold ";
    const cJSON *v;
    char word[64];
    int n = 0;

    cJSON_ArrayForEach(v, o) {
        snprintf(word, sizeof(word), " %s ", v->string);
        if (!strstr(known, word))
            return -1;
    }
    cJSON_ArrayForEach(v, field(o, "beats_per_bar"))
        if (n < DBN_MAX_BARS)
            c->bars[n++] = v->valueint;
    c->num_bars = n ? n : c->num_bars;
    set_double(o, "min_bpm", &c->min_bpm);
    set_double(o, "max_bpm", &c->max_bpm);
    set_double(o, "transition_lambda", &c->transition_lambda);
    set_double(o, "observation_lambda", &c->observation_lambda);
    set_double(o, "threshold", &c->threshold);
    if (field(o, "num_tempi"))
        c->num_tempi = cJSON_IsNull(field(o, "num_tempi"))
                           ? 0 : field(o, "num_tempi")->valueint;
    if (field(o, "correct"))
        c->correct = cJSON_IsTrue(field(o, "correct"));
    return 0;
}

/* Beats that are not the reference's, in number, place or position. Times are
 * frame / fps in doubles on both sides. */
static int different(const struct beats *got, const cJSON *want, int down)
{
    int n = cJSON_GetArraySize(want), bad = abs(n - (int)got->n);

    for (int i = 0; i < n && i < (int)got->n; i++) {
        const cJSON *b = cJSON_GetArrayItem(want, i);
        double time = down ? cJSON_GetArrayItem(b, 0)->valuedouble
                           : b->valuedouble;
        int position = down ? cJSON_GetArrayItem(b, 1)->valueint : 0;

        bad += !(fabs(got->v[i].time - time) < 1e-9) ||
               got->v[i].position != position;
    }
    return bad;
}

static void check_case(struct golden *g, const cJSON *k, int index)
{
    const cJSON *name = field(k, "activations"), *kind = field(k, "kind");
    const cJSON *fps = field(k, "fps");
    struct dbn_config c;
    struct beats got = {0};
    struct npy a = {0};
    struct err err = {0};
    float *act = NULL;
    char file[256], what[300];
    int down;

    if (!cJSON_IsString(name) || !cJSON_IsString(kind) ||
        !cJSON_IsNumber(fps)) {
        golden_broken(g, "cases.json", "a case lacks a field");
        return;
    }
    down = !strcmp(kind->valuestring, "downbeat");
    snprintf(file, sizeof(file), "%s.npy", name->valuestring);
    snprintf(what, sizeof(what), "case %d, %s, %s: beats that differ", index,
             name->valuestring, kind->valuestring);
    dbn_config_init(&c, fps->valuedouble, down);
    if (set_options(&c, field(k, "options")))
        golden_broken(g, what, "an option that is not known");
    else if (npy_read(&a, golden_path(g, file), &err) ||
             npy_floats(&a, &act, &err) ||
             dbn_decode(&got, act, (size_t)a.dim[0], &c, &err))
        golden_broken(g, what, err.msg);
    else
        golden_report(g, what, different(&got, field(k, "beats"), down), 0);
    npy_release(&a);
    beats_release(&got);
    free(act);
}

void check_dbn(struct golden *g)
{
    cJSON *cases = NULL;
    const cJSON *k;
    struct err err = {0};
    int i = 0;

    if (json_read(&cases, golden_path(g, "cases.json"), &err)) {
        golden_broken(g, "cases.json", err.msg);
        return;
    }
    cJSON_ArrayForEach(k, cases)
        check_case(g, k, i++);
    cJSON_Delete(cases);
}

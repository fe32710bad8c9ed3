/* labelled.h - two short songs with labels, and a very small model with heads,
 * for the tests of training from labels. */
#ifndef TESTS_LABELLED_H
#define TESTS_LABELLED_H

#include <math.h>
#include <string.h>

#include "base/log.h"
#include "head/train.h"
#include "model/net.h"
#include "train.h"
#include "train/corpus.h"
#include "train/preset.h"
#include "train/songs.h"
#include "tree.h"
#include "unit.h"

enum { RATE = 1200, SONGS = 2, SECONDS = 12 };

#define CHORDS(rate)                                                     \
    "\"chords\":{\"hidden\":16,\"rate\":" rate ",\"activation\":\"softmax\"," \
    "\"classes\":[\"C:maj\",\"A:min\",\"N\"]}"
#define KEY                                                              \
    "\"key\":{\"hidden\":0,\"rate\":\"clip\",\"activation\":\"softmax\"," \
    "\"classes\":[\"C major\",\"A minor\"]}"

/* Heads are to be filled in. */
static const char labelled_model[] =
    "{\"format\":1,\"name\":\"t\",\"sample_rate\":1200,\"mel\":{\"n_fft\":64,"
    "\"hop\":12,\"bands\":8,\"mean\":-20,\"std\":20},\"encoder\":{\"type\":"
    "\"conformer\",\"rate\":50,\"dim\":12,\"layers\":2,\"heads\":3,\"ffn\":10,"
    "\"kernel\":5,\"conv_dim\":3,\"time_strides\":[2,1]},\"tokens\":[{"
    "\"type\":\"random\",\"stack\":2,\"dim\":3,\"codes\":8}],\"window\":2,"
    "\"heads\":{%s}}";

struct labelled {
    struct tree tree;
    struct backend *be;
    struct songs songs;
    struct manifest list;
    struct corpus *corpus;
};

/* Two tones take turns, each 2 s and song after song the other way round. */
static inline void labelled_song(struct tree *t, int song)
{
    int16_t *x = xcalloc(SECONDS * RATE, sizeof(*x));
    struct strbuf lab = STRBUF_INIT;
    char name[16];

    for (int i = 0; i < SECONDS * RATE; i++) {
        double f = (i / (2 * RATE) + song) % 2 ? 330 : 130;

        x[i] = (int16_t)(9000 * sin(2 * M_PI * f * i / RATE));
    }
    for (int i = 0; i < SECONDS / 2; i++)
        strbuf_addf(&lab, "%d %d %s\n", 2 * i, 2 * i + 2,
                    (i + song) % 2 ? "A:min" : "C:maj");
    snprintf(name, sizeof(name), "%d.wav", song);
    tree_wav16(t, name, x, SECONDS * RATE, RATE);
    snprintf(name, sizeof(name), "%d.lab", song);
    tree_put(t, name, lab.s);
    strbuf_release(&lab);
    free(x);
}

static inline void labelled_make(struct labelled *l)
{
    struct err err = {0};

    memset(l, 0, sizeof(*l));
    log_set_level(LOG_ERROR);
    tree_make(&l->tree);
    l->be = train_open();
    for (int i = 0; i < SONGS; i++)
        labelled_song(&l->tree, i);
    ck_assert_msg(!songs_add(&l->songs, "folder", l->tree.root, SONGS_ALL,
                             1 << ANNOT_CHORDS, 0, &err), "%s", err.msg);
    ck_assert_uint_eq(l->songs.n, SONGS);
    l->list.rate = RATE;
    for (int i = 0; i < SONGS; i++)
        ck_assert(!manifest_add(&l->list, l->songs.v[i].audio, &err));
    ck_assert(!manifest_probe(&l->list, 1, NULL, &err));
    ck_assert(!corpus_new(&l->corpus, &l->list, 0, &err));
}

static inline void labelled_remove(struct labelled *l)
{
    corpus_free(l->corpus);
    manifest_release(&l->list);
    songs_release(&l->songs);
    backend_close(l->be);
    tree_remove(&l->tree);
}

static inline void labelled_preset(struct preset *p, const char *heads)
{
    char *text = xasprintf(labelled_model, heads);
    struct err err = {0};

    ck_assert_msg(!preset_parse(p, text, "t", NULL, 0, &err), "%s", err.msg);
    free(text);
}

/* Tensors of the encoder, if whole is set, and of the heads, drawn. */
static inline void labelled_params(struct labelled *l, struct params *p,
                                   const struct model_config *c, int whole)
{
    memset(p, 0, sizeof(*p));
    if (whole)
        net_describe(c, p);
    for (int h = 0; h < c->n_heads; h++)
        head_describe(&c->heads[h], c->encoder.dim, c->encoder.layers, p);
    ck_assert(!params_alloc(p, l->be, NULL));
    ck_assert(!params_init(p, whole ? 5 : 77, NULL));
}

/* A file with the values of p, and c as what it says of itself. */
static inline struct model *labelled_write(struct labelled *l, const char *name,
                                           const struct model_config *c,
                                           const struct params *p, int bf16)
{
    char *path = xstrdup(tree_path(&l->tree, name));
    struct strbuf json = STRBUF_INIT;
    struct model *m = NULL;
    struct err err = {0};

    config_print(c, &json);
    ck_assert(!params_write(p, NULL, bf16, NULL, NULL, path,
                            (struct safetensors_meta[]){
                                { (char *)"mfm", json.s } }, 1, &err));
    ck_assert_msg(!model_open(&m, path, &err), "%s", err.msg);
    strbuf_release(&json);
    free(path);
    return m;
}

#endif

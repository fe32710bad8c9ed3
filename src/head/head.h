/* head.h - the small networks behind the encoder, one for each task.
 *
 * A head is a linear layer with ReLU and an output layer (MODEL.md 6 of the
 * design; "head.TASK.hidden", "head.TASK.output" in the model file), on hidden
 * states that are averaged to the head's rate, or over the whole recording. It
 * reads one hidden state or a mixture of all (model/config.h, layer). */
#ifndef HEAD_HEAD_H
#define HEAD_HEAD_H

#include <stdint.h>
#include "base/err.h"
#include "model/model.h"
#include "tensor/backend.h"

/* What a head says of a recording: n rows of width values. Row i is about the
 * time [i, i + 1) / rate; rate 0 means one row for all of it. */
struct scores {
    const struct head_config *head; /* the model's: task, classes... */
    int64_t n;
    int width;     /* classes, and one more where there is a boundary */
    float *v;      /* (n, width) */
};

struct heads; /* of one model, for one recording after another */

/* The heads of n_tasks tasks. m and be are borrowed and must outlive it.
 * state_rate: hidden states a second. ERR_ARG names a task that the model has
 * no head for; ERR_FORMAT weights that are missing or misshapen. */
int heads_new(struct heads **out, struct model *m, struct backend *be,
              const char *const *task, int n_tasks, double state_rate,
              struct err *err);
void heads_free(struct heads *h); /* NULL is allowed */

/* The layers that the heads read, ascending, *n of them; owned by h. */
const int *heads_layers(const struct heads *h, int *n);

/* Takes n more frames: hidden[i] (n, D) of layer heads_layers()[i]. */
int heads_push(struct heads *h, const float *const *hidden, int64_t n,
               struct err *err);

/* The recording is over. Sets *out to one struct scores per task, in the order
 * of heads_new, owned by h until the next push: logits if raw, else
 * probabilities (softmax over the classes, or sigmoid; boundaries sigmoid). */
int heads_finish(struct heads *h, int raw, const struct scores **out,
                 struct err *err);

#endif

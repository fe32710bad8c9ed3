/* netfront.h - the Conformer's convolutional front end in training (frontend.h
 * has the formulas). */
#ifndef MODEL_NETFRONT_H
#define MODEL_NETFRONT_H

#include "base/err.h"
#include "model/config.h"
#include "model/netblock.h"

enum { NET_MODULES = 2 };

struct net_conv {
    int weight, bias;
    struct net_norm bn;
    int bn_mean, bn_var, bn_count;
    struct tensor mean, inv_std; /* of the last forward pass */
};

struct net_front {
    struct params *p;
    struct net_conv conv[NET_MODULES][3];
    struct net_linear linear;
    int stride[NET_MODULES], channels, bands;
    int checkpoint; /* keep c2 of the first module and c1, c2, c3 of the other,
                       compute the rest again: same result to the bit */
    /* kept for the backward pass, images */
    struct tensor in;                         /* (B, T, bands, 1) */
    struct tensor x[NET_MODULES];  /* inputs: borrowed, the second one's memory
                                      may be gone */
    struct net_front_save {
        struct tensor c1, a, c2, c3, y;
    } save[NET_MODULES];
    struct tensor flat;                       /* (B, T', C * bands / 4) */
    /* work space */
    struct tensor dy[NET_MODULES], dflat;
    struct tensor taps, dtaps; /* weights as (Cout, Cin, time, band) */
    struct tensor part[3];     /* some channels */
};

void net_front_find(struct net_front *f, struct params *p,
                    const struct model_config *c);
void net_front_release(struct net_front *f);
int64_t net_front_frames(const struct net_front *f, int64_t time);

/* x (B, T', D) of mel, host (B, T, bands). */
int net_front_forward(struct net_front *f, struct tensor *x, const float *mel,
                      int64_t batch, int64_t time, struct err *err);
/* Adds to the gradients; nothing is before it. */
int net_front_backward(struct net_front *f, const struct tensor *dx,
                       struct err *err);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "eval/key.h"

#include "annot/keyname.h"

static double score(struct keyname ref, struct keyname est)
{
    int up = (est.tonic - ref.tonic + 12) % 12;

    if (ref.tonic == est.tonic && ref.mode == est.mode)
        return 1;
    if (ref.tonic < 0 || est.tonic < 0)
        return 0;
    if (ref.mode == est.mode)
        return up == 7 ? 0.5 : 0;
    if ((ref.mode == KEYNAME_MAJOR && up == 9) ||
        (ref.mode == KEYNAME_MINOR && up == 3))
        return 0.3;
    return up == 0 ? 0.2 : 0;
}

int eval_key(double *out, const char *ref, const char *est, struct err *err)
{
    struct keyname r, e;

    if (keyname_parse(&r, ref, err))
        return err_prefix(err, "reference");
    if (keyname_parse(&e, est, err))
        return err_prefix(err, "estimate");
    *out = score(r, e);
    return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/mtgkeys.h"

#include <math.h>
#include <string.h>

#include "annot/keytext.h"
#include "annot/lines.h"
#include "base/xalloc.h"

bool mtgkeys_is(const char *text)
{
    size_t len = strcspn(text, "\n");
    const char *key = strstr(text, "KEY");

    return !strncmp(text, "ID\t", 3) && key && key < text + len;
}

int mtgkeys_open_text(struct mtgkeys *m, const char *text, size_t len,
                      const char *name, struct err *err)
{
    bool more;

    csv_open_text(&m->csv, text, len, name, '\t');
    TRY(csv_next(&m->csv, &more, err));
    m->id = csv_column(&m->csv, "ID");
    m->key = csv_column(&m->csv, "MANUAL KEY");
    m->confidence = csv_column(&m->csv, "C");
    if (m->id < 0 || m->key < 0)
        return csv_bad(&m->csv, err, "no columns ID and MANUAL KEY");
    return 0;
}

void mtgkeys_release(struct mtgkeys *m)
{
    csv_release(&m->csv);
}

int mtgkeys_next(struct mtgkeys *m, const char **id, struct annotation *out,
                 bool *more, struct err *err)
{
    const struct csv *c = &m->csv;
    double confidence = NAN;
    struct err why;

    TRY(csv_next(&m->csv, more, err));
    if (!*more)
        return 0;
    *id = csv_field(c, m->id);
    if (m->confidence >= 0 &&
        (!lines_number(&confidence, csv_field(c, m->confidence)) ||
         confidence < 0 || confidence > 2))
        return csv_bad(c, err, "the confidence C is not 0, 1 or 2");
    if (keytext_parse(&out->keys, csv_field(c, m->key), &why))
        out->error = xstrdup(why.msg);
    else if (out->keys.n)
        key_set(&out->key, out->keys.v[0].label, confidence / 2);
    out->key.confidence = confidence / 2;
    return 0;
}

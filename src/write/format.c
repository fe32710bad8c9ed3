/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "write/format.h"

#include <string.h>

#include "write/audacity.h"
#include "write/csv.h"
#include "write/html.h"
#include "write/jams.h"
#include "write/json.h"
#include "write/text.h"

#define TEXT_FILES                                                             \
    { ".beats", ".chords.lab", ".structure.lab", ".key", ".tags" }

#define AUDACITY_FILES                                                         \
   { ".beats.txt", ".chords.txt", ".structure.txt", ".key.txt", ".tags.txt" }

static const struct format formats[] = {
#define FORMAT(name, ...) { #name, __VA_ARGS__ },
#include "write/formats.def"
#undef FORMAT
    { NULL }
};

const struct format *format_find(const char *name)
{
    const struct format *f = formats;

    while (f->name && strcmp(f->name, name))
        f++;
    return f->name ? f : NULL;
}

int format_is_json(const struct format *f)
{
    return f->write == write_json_pretty || f->write == write_json_line;
}

const char *format_names(void)
{
    static const char names[] =
#define FORMAT(name, ...) "|" #name
#include "write/formats.def"
#undef FORMAT
        ;

    return names + 1;
}

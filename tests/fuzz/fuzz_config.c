/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The configuration of a model file: any text; what is accepted is printed and
 * must be accepted again. */
#include "fuzz.h"
#include "model/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct model_config c = {0}, again = {0};
    struct strbuf text = STRBUF_INIT;
    char *json = xstrndup((const char *)data, size);

    if (!config_parse_text(&c, json, NULL)) {
        config_print(&c, &text);
        need(!config_parse_text(&again, text.s, NULL));
        config_release(&again);
    }
    config_release(&c);
    strbuf_release(&text);
    free(json);
    return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "eval/table1.h"

#include <string.h>

#include "unit.h"

/* The paper's table, typed a second time: name, encoder, size, Hz, seconds,
 * tokens, data, and the 8 cells. */
static const char published[] =
    "FM1 BERT 330M 75 5 kmeans in-house"
    " 0.858 0.722 0.574 0.578 0.626 0.645 0.4499 0.9167\n"
    "FM2 BERT 330M 75 5 random in-house"
    " 0.856 0.669 0.636 0.588 0.490 0.636 0.4185 0.9013\n"
    "FM3 BERT 330M 75 30 random in-house"
    " 0.855 0.703 0.651 0.640 0.641 0.662 0.4226 0.9000\n"
    "FM4 Conformer 330M 75 5 random in-house"
    " 0.863 0.771 0.643 0.619 0.534 0.660 0.4589 0.9161\n"
    "FM5 Conformer 330M 75 30 random in-house"
    " 0.865 0.780 0.702 0.715 0.710 0.670 0.4821 0.9208\n"
    "FM6 Conformer 330M 50 30 random in-house"
    " 0.864 0.802 0.690 0.710 0.698 0.671 0.4816 0.9204\n"
    "FM7 Conformer 330M 25 30 random in-house"
    " 0.868 0.804 0.714 0.726 0.699 0.674 0.4883 0.9235\n"
    "FM8 Conformer 660M 25 30 random in-house"
    " 0.866 0.800 0.689 0.722 0.716 0.649 0.4790 0.9216\n"
    "FM9 Conformer 330M 25 30 random FMA"
    " 0.868 0.767 0.675 0.664 0.631 0.674 0.4726 0.9167\n"
    "FM7-finetune Conformer 330M 25 30 random in-house"
    " 0.865 0.803 0.807 0.742 0.740 0.715 0.4809 0.9198\n"
    "FM8-finetune Conformer 660M 25 30 random in-house"
    " 0.874 0.810 0.800 0.739 0.744 0.700 0.4735 0.9192\n"
    "FM9-finetune Conformer 330M 25 30 random FMA"
    " 0.861 0.785 0.784 0.718 0.737 0.690 0.4695 0.9168\n"
    "State_of_the_art - - - - - -"
    " 0.887 0.756 0.762 0.723 0.660 0.746 0.470 0.913\n";

/* Every cell of the TSV against the text above. */
START_TEST(tsv_cells)
{
    char want[sizeof(published)], *w, *g, *keep_w, *keep_g;
    struct strbuf out = STRBUF_INIT;
    int cells = 0;

    memcpy(want, published, sizeof(want));
    table1_tsv(&out, NULL);
    for (g = out.s; *g; g++)
        *g = *g == ' ' ? '_' : *g;
    w = strtok_r(want, " \n", &keep_w);
    g = strtok_r(strchr(out.s, '\n'), "\t\n", &keep_g);
    for (; w && g; cells++) {
        ck_assert_str_eq(g, w);
        w = strtok_r(NULL, " \n", &keep_w);
        g = strtok_r(NULL, "\t\n", &keep_g);
    }
    ck_assert(!w && !g);
    ck_assert_int_eq(cells, TABLE1_ROWS * (7 + TABLE1_SCORES));
    ck_assert_int_eq(TABLE1_ROWS * TABLE1_SCORES, 104);
    strbuf_release(&out);
}
END_TEST

/* The other formats have each cell in its row and column. */
START_TEST(formats_agree)
{
    struct strbuf text = STRBUF_INIT, md = STRBUF_INIT;
    cJSON *top = cJSON_CreateObject();
    const cJSON *row;
    char *t, *m;

    table1_text(&text, NULL);
    table1_markdown(&md, NULL);
    table1_json(top, NULL);
    t = strstr(text.s, "\nFM1 ");
    m = strstr(md.s, "| FM1 |");
    row = cJSON_GetObjectItem(top, "rows")->child;
    for (int i = 0; i < TABLE1_ROWS; i++, row = row->next) {
        ck_assert_str_eq(cJSON_GetObjectItem(row, "model")->valuestring,
                         table1_rows[i].name);
        for (int k = 0; k < TABLE1_SCORES; k++) {
            const char *cell = table1_rows[i].score[k];
            const cJSON *v = cJSON_GetObjectItem(row, table1_scores[k].name);

            ck_assert_double_eq(v->valuedouble, atof(cell));
            t = strstr(t + 1, cell); /* in order */
            m = strstr(m + 1, cell);
            ck_assert(t && m);
        }
    }
    ck_assert_ptr_null(row);
    for (int i = 0; i < TABLE1_SOURCES; i++)
        ck_assert(strstr(text.s, table1_sources[i].source) &&
                  strstr(md.s, table1_sources[i].source));
    ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItem(top, "sources")),
                     TABLE1_SOURCES);
    for (const char *n = "[23] [37] [38] [29] [39] [40]"; n;
         n = strchr(n + 1, '[')) {
        char cite[5];

        memcpy(cite, n, 4);
        cite[4] = 0;
        ck_assert_ptr_nonnull(strstr(text.s, cite));
    }
    ck_assert_ptr_nonnull(strstr(text.s, "SpecTNT-TCN"));
    cJSON_Delete(top);
    strbuf_release(&text);
    strbuf_release(&md);
}
END_TEST

/* Measured rows and their notes stand below, in every format. */
START_TEST(measured_rows)
{
    static const char *const notes[] = { "no head for chords" };
    const struct table1_row row = {
        .name = "mine", .encoder = "Conformer", .size = "6M",
        .tokens = "random", .rate = 50, .input = 24,
        .score = { "0.901", NULL, "0.500" }
    };
    const struct table1_measured m = { &row, 1, notes, 1 };
    struct strbuf out = STRBUF_INIT;
    cJSON *top = cJSON_CreateObject();
    const cJSON *v;

    table1_text(&out, &m);
    ck_assert_ptr_nonnull(strstr(out.s, "\nmine   "));
    ck_assert_ptr_nonnull(strstr(strstr(out.s, "\nmine "), "    0.901  "));
    ck_assert_ptr_nonnull(strstr(out.s, "\nno head for chords\n"));
    strbuf_reset(&out);
    table1_tsv(&out, &m);
    ck_assert_ptr_nonnull(strstr(out.s, "\nmine\tConformer\t6M\t50\t24\t"
                                        "random\t-\t0.901\t-\t0.500\t-\t"));
    strbuf_reset(&out);
    table1_markdown(&out, &m);
    ck_assert_ptr_nonnull(strstr(out.s, "\n| mine | Conformer |"));
    ck_assert_ptr_nonnull(strstr(out.s, "\n- no head for chords\n"));
    table1_json(top, &m);
    v = cJSON_GetObjectItem(top, "measured")->child;
    ck_assert_double_eq(cJSON_GetObjectItem(v, "Beat F1")->valuedouble, 0.901);
    ck_assert(cJSON_IsNull(cJSON_GetObjectItem(v, "Downbeat F1")));
    ck_assert_str_eq(cJSON_GetObjectItem(top, "notes")->child->valuestring,
                     "no head for chords");
    cJSON_Delete(top);
    strbuf_release(&out);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("eval_table1");
    TCase *t = tcase_create("table1");

    tcase_add_test(t, tsv_cells);
    tcase_add_test(t, formats_agree);
    tcase_add_test(t, measured_rows);
    suite_add_tcase(s, t);
    return unit_run(s);
}

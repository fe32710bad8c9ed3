/* report.h - RUN/report.html: the curves of a run in one file that needs no
 * network: inline SVG, light and dark. */
#ifndef TRAIN_REPORT_H
#define TRAIN_REPORT_H

#include "base/err.h"

/* Makes html of the lines in metrics (metrics.h). A number NAME shares its
 * picture with valid_NAME and NAME_*; those that mfm writes come first, others
 * in the file's order. Long curves are thinned; noisy ones get a smoothed line.
 * title and note (text that is shown as it is, such as the settings; or NULL)
 * may hold any characters. The file appears when it is whole. ERR_IO. */
int report_write(const char *html, const char *metrics, const char *title,
                 const char *note, struct err *err);

#endif

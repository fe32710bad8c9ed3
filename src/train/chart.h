/* chart.h - curves over steps as an SVG picture, for report.h. */
#ifndef TRAIN_CHART_H
#define TRAIN_CHART_H

#include "base/strbuf.h"
#include "train/metrics.h"

/* Appends one <svg>: n curves (classes c0, c1, ..) over steps first..last, with
 * round numbers at the axes. A gap stands for what is not finite; no more than
 * two points a column are drawn. A curve of over 200 values that goes up and
 * down all the time is drawn thin, with its moving mean over a fiftieth of
 * them. */
void chart_svg(struct strbuf *out, const struct metrics_series *const *curve,
               int n, int64_t first, int64_t last);

/* The distance of about n marks in a span: 1, 2 or 5 times a power of ten.
 * span > 0. */
double chart_tick(double span, int n);

#endif

/* The report of the demo: what a visitor got, for a person to read. */
#ifndef CLI_DEMO_REPORT_H
#define CLI_DEMO_REPORT_H

#include <stdio.h>

#include "cli/demo_fetch.h"

/* The first lines of the answer. */
void demo_report_answer(FILE *out, const struct demo_answer *answer);

/* One row of figures for the @number-th answer, counted from 0, with a heading above
 * 0. */
void demo_report_figures(FILE *out, unsigned number, const struct demo_answer *answer);

#endif

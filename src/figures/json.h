/* json.h - JSON by jansson, for what our results have: texts of anybody's, numbers that may be missing, costs. */
#ifndef PX_FIGURES_JSON_H
#define PX_FIGURES_JSON_H

#include "results/ledger.h"

#include <jansson.h>
#include <stdio.h>

/* What is not UTF-8 becomes "?". */
json_t *px_json_text(const char *text);

/* null for what is not finite: JSON has no such numbers. */
json_t *px_json_number(double);

/* null if there is no ledger. */
json_t *px_json_cost(const px_ledger_total *);

/* Prints it with a newline, and frees it. */
void px_json_print(json_t *, FILE *);

#endif

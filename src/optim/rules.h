/* rules.h - parameters that are trained differently from the others, chosen by their names.
 *
 *     px_rules own;
 *     px_treatment *how = px_treatments(count);                                 // all alike
 *     if (px_rules_read(&own, "predictor:rate=10; patch_embed:frozen=inf") != 0) ...
 *     if (px_rules_apply(how, spans, count, own.rule, own.count, steps_per_epoch, "optim.rules") != 0) ...
 *     px_optimizer_treat(optimizer, how);
 *     px_rules_finish(&own);
 *     free(how);
 */
#ifndef PX_OPTIM_RULES_H
#define PX_OPTIM_RULES_H

#include "optim/optim.h"
#include "optim/rule.h"

enum { PX_RULES_MAX = 64 };
typedef struct px_rules {
    px_rule rule[PX_RULES_MAX];
    int count;
    char *text; /* owns the scopes */
} px_rules;

/* "SCOPE:rate=X,decay=Y,steady=1,frozen=EPOCHS; SCOPE:..."; NULL or "" has none. 0, or -1 (PX_USAGE) with nothing to finish. */
int px_rules_read(px_rules *, const char *text);
void px_rules_finish(px_rules *);

/* One treatment per parameter, as if there were no rules. The caller frees it. */
px_treatment *px_treatments(int count);

/* Several rules for one parameter are multiplied; of `steady` the last one counts, of `frozen` the longest. `origin`: of the rules,
 * for messages. 0, or -1 (PX_USAGE): a value is out of range, or a rule is for no parameter. */
int px_rules_apply(px_treatment *, const px_param_span *, int count, const px_rule *, int rules, double steps_per_epoch,
                   const char *origin);

#endif

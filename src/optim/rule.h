/* rule.h - one rule for parameters that are trained differently from the others, chosen by their names. */
#ifndef PX_OPTIM_RULE_H
#define PX_OPTIM_RULE_H

typedef enum px_rule_kind {
    PX_RULE_RATE,   /* multiplies the learning rate (and with it adamw's decay) */
    PX_RULE_DECAY,  /* multiplies the weight decay */
    PX_RULE_STEADY, /* other than 0: the rate does not follow the schedule, but stays what that is at its highest */
    PX_RULE_FROZEN, /* epochs, from the beginning, in which the parameter does not change; infinity: it never does */
} px_rule_kind;

/* `scope`: a parameter's name, or the beginning of names up to a dot ("blocks.0"); with *, ? or [ a pattern of whole names, as
 * the shell's ("*.bias"). */
typedef struct px_rule {
    const char *scope;
    px_rule_kind kind;
    double value;
} px_rule;

#endif

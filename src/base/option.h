/* option.h - options stated once; everything else (parsing, checking, help, the resolved text) is derived from them.
 *
 *     typedef struct simclr {
 *         double temperature; int projection_dim; bool blur;
 *         enum { MEAN, SUM } loss;
 *     } simclr;
 *     static const px_option options[] = {
 *         PX_OPTION(simclr, temperature, "0.5", 0.001, 100, "softmax temperature of NT-Xent (paper, CIFAR: 0.5)"),
 *         PX_OPTION(simclr, projection_dim, "128", 1, 65536, "width of the embedding that the loss sees"),
 *         PX_OPTION_FLAG(simclr, blur, "false", "Gaussian blur, p 0.5"),
 *         PX_OPTION_CHOICE(simclr, loss, "mean", "mean|sum", "scaling of the two directions"),
 *         {0}};
 *
 * A table ends with an entry whose name is NULL. The type is taken from the field: int, int64_t, double, bool,
 * const char * (owned by the config, never NULL; "" when unset), px_list, or an enum: the place of the word among the
 * choices, counted from 0, so that nobody compares words after a configuration is read.
 */
#ifndef PX_BASE_OPTION_H
#define PX_BASE_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PX_LIST_MAX = 64 };
typedef struct px_list {
    int count;
    double value[PX_LIST_MAX];
} px_list; /* numbers: text "[15, 25]" */

typedef enum px_option_type {
    PX_OPTION_INT,
    PX_OPTION_INT64,
    PX_OPTION_REAL,
    PX_OPTION_BOOL,
    PX_OPTION_STRING,
    PX_OPTION_LIST,
    PX_OPTION_WORD, /* one of `choices`, as its index */
} px_option_type;

typedef struct px_option {
    const char *name;
    px_option_type type;
    size_t offset;
    const char *def;     /* default, as written in a configuration (strings without quotes) */
    double min, max;     /* inclusive; both 0: any (for a list: of each element) */
    const char *choices; /* "a|b|c" or NULL */
    const char *help;    /* one line; names the source of the default */
} px_option;

#define PX_OPTION_TYPE(field)                                                                                          \
    _Generic((field), int : PX_OPTION_INT, int64_t : PX_OPTION_INT64, double : PX_OPTION_REAL, bool : PX_OPTION_BOOL,      \
             const char * : PX_OPTION_STRING, px_list : PX_OPTION_LIST, unsigned : PX_OPTION_WORD /* an enum */)
#define PX_OPTION(type, field, def, min, max, help)                                                                    \
    {                                                                                                                  \
#field, PX_OPTION_TYPE(((type *)0)->field), offsetof(type, field), def, min, max, NULL, help                   \
    }
/* The same with the name given separately: for a field of a struct within the struct. */
#define PX_OPTION_NAMED(name, type, field, def, min, max, help)                                                        \
    {                                                                                                                  \
        name, PX_OPTION_TYPE(((type *)0)->field), offsetof(type, field), def, min, max, NULL, help                     \
    }
#define PX_OPTION_FLAG(type, field, def, help) PX_OPTION(type, field, def, 0, 0, help)
#define PX_OPTION_TEXT(type, field, def, help) PX_OPTION(type, field, def, 0, 0, help)
#define PX_OPTION_CHOICE(type, field, def, choices, help)                                                              \
    {                                                                                                                  \
#field, PX_OPTION_TYPE(((type *)0)->field), offsetof(type, field), def, 0, 0, choices, help                    \
    }

#define PX_OPTION_CHOICE_NAMED(name, type, field, def, choices, help)                                                  \
    {                                                                                                                  \
        name, PX_OPTION_TYPE(((type *)0)->field), offsetof(type, field), def, 0, 0, choices, help                      \
    }

#endif

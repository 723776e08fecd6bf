/* weights_spellings.h - how other programs spell the names of parameters that here are torchvision's and timm's. */
#ifndef PX_TRAIN_WEIGHTS_SPELLINGS_H
#define PX_TRAIN_WEIGHTS_SPELLINGS_H

enum {
    PX_WEIGHTS_PARTS = 3, /* tensors that make up a parameter, at most: queries, keys, values */
    PX_WEIGHTS_NAME = 512 /* bytes of a name */
};

typedef struct px_weights_scheme {
    const char *name, *family;           /* family NULL: any */
    const struct px_spelling *spellings; /* NULL: names are ours */
} px_weights_scheme;

/* Ends with a NULL name. The first one is ours. */
extern const px_weights_scheme px_weights_schemes[];

/* The names that the parameter `ours` has in this scheme after the prefix: how many. They are stacked along their first axis. */
int px_weights_spell(const px_weights_scheme *, const char *prefix, const char *ours,
                     char out[PX_WEIGHTS_PARTS][PX_WEIGHTS_NAME]);

#endif

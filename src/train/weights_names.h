/* weights_names.h - which tensor of a weights file is which parameter of a backbone.
 *
 * Parameters have torchvision's and timm's names. Other programs spell them otherwise (a scheme), and put a prefix before
 * all of them ("module.encoder_q."). Both are found by looking for a prefix with which every name of the backbone is there.
 */
#ifndef PX_TRAIN_WEIGHTS_NAMES_H
#define PX_TRAIN_WEIGHTS_NAMES_H

#include "data/tensor_file.h"
#include "graph/graph.h"
#include "train/settings.h"
#include "train/weights_spellings.h"

typedef struct px_weights_names {
    const px_weights_scheme *scheme;
    char *prefix; /* "" or with a point at its end */
    const px_tensor_file *file;
} px_weights_names;

/* Finds scheme and prefix with which `file` has all parameters of the backbone `bare`, or as many as possible. `wanted`:
 * "auto", or the prefix to take. PX_DATA: several prefixes fit and none of them is the usual choice, or there is none of
 * that name. 0 or -1. */
int px_weights_names_find(px_weights_names *, const px_tensor_file *, const char *path, const px_settings *,
                          const px_graph *bare);
void px_weights_names_finish(px_weights_names *);

/* Calls `visit` for each scheme and prefix with which the file has the parameter that tells this family. `wanted`: "auto", or the
 * only prefix. What is visited is borrowed. */
typedef void px_weights_visit(void *context, const px_weights_names *);
void px_weights_names_visit(const px_tensor_file *, const px_backbone_family *, const char *wanted, px_weights_visit *,
                            void *context);

/* How many of the backbone's parameters are there. */
int px_weights_names_count(const px_weights_names *, const px_graph *bare);

/* The tensors that make up the parameter `name`, stacked along their first axis: their number, or 0 if one is missing. */
int px_weights_names_parts(const px_weights_names *, const char *name, const px_stored_tensor *part[PX_WEIGHTS_PARTS]);

/* "PyTorch names with the prefix module." or "Hugging Face's names": for one line of the log. */
const char *px_weights_names_text(const px_weights_names *, char *text, size_t size);

/* Tensors under the prefix that are not used (one flag for each tensor of the file): 0 if each of them is known to be a head
 * or a counter, or a table that the backbone makes likewise, else -1 (PX_DATA), naming the first and what it belongs to. */
int px_weights_names_check_rest(const px_weights_names *, const bool used[], const char *path, const px_settings *);

#endif

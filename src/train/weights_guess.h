/* weights_guess.h - which backbone a weights file of another program is for. */
#ifndef PX_TRAIN_WEIGHTS_GUESS_H
#define PX_TRAIN_WEIGHTS_GUESS_H

#include "data/tensor_file.h"

/* Settings as text ("backbone = \"resnet50\"; resnet = { stem = \"7x7\"; ... };") that follow from the names and shapes of
 * the tensors, where `assignments` do not give a backbone; if they do, its options alone. "" if no backbone has all its
 * parameters in the file. A new string, or NULL with an error (PX_USAGE, PX_DATA: it
 * looks like a network that is not among the backbones). */
char *px_weights_guess(const px_tensor_file *, const char *path, const char *const assignments[], int count);

#endif

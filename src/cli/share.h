/* share.h - what `meson install` puts beside the program: configurations, under PREFIX/share/pretext. They are found from
 * where the program is, so that an installed Pretext can be moved as a whole. */
#ifndef PX_CLI_SHARE_H
#define PX_CLI_SHARE_H

#include "base/log.h"

/* The file that a configuration's name on the command line means: `name` itself, or the installed file of that name
 * ("experiments/simclr_cifar10.cfg", "simclr_cifar10.cfg"), and then the log says which. A new string; NULL (PX_USAGE):
 * neither is there. */
char *px_share_config(const char *name, px_log *);

#endif

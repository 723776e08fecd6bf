/* share.h - what `meson install` puts beside the program, under PREFIX/share/pretext: configurations, results. They are found from
 * where the program is, so that an installed Pretext can be moved as a whole. */
#ifndef PX_CLI_SHARE_H
#define PX_CLI_SHARE_H

#include "base/log.h"

/* The path of what the source tree calls `name` ("experiments"): `name` itself if it is there, otherwise the installed one. A new
 * string; NULL: there is neither. */
char *px_share_file(const char *name);

/* The path of a configuration that the command line names: `name` itself if there is such a file, otherwise the installed
 * file of that name ("experiments/simclr_cifar10.cfg" or "simclr_cifar10.cfg"), which the log then tells. A new string;
 * NULL (PX_USAGE): there is neither. */
char *px_share_config(const char *name, px_log *);

#endif

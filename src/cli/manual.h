/* manual.h - a command's manual page, from what --help is made of. */
#ifndef PX_CLI_MANUAL_H
#define PX_CLI_MANUAL_H

#include "cli/command.h"

#include <stdio.h>

/* pretext-NAME(1) in roff, for `man`. */
void px_manual_write(FILE *, const px_command *);

/* pretext(1): the commands, the rule for arguments, exit statuses. */
void px_manual_write_overview(FILE *);

#endif

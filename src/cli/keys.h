/* keys.h - all keys that a command takes, from the tables of options that its px_command names.
 *
 *     px_keys_walk(&px_cmd_bench, NULL, NULL, print_key, out);           // "bench.seconds", ..., "mae.mask_ratio", ...
 *     px_keys_walk(&px_cmd_pretrain, "mae", "vit_tiny_4", print_key, out); // only this method's and this backbone's
 *
 * Manual pages and completion are made of this.
 */
#ifndef PX_CLI_KEYS_H
#define PX_CLI_KEYS_H

#include "base/option.h"
#include "cli/command.h"

/* `group` is "" for a key of the top level. */
typedef void px_key_visitor(void *context, const char *group, const px_option *option);

/* Visits group by group. `method` and `backbone` choose among the groups that belong to one; NULL, or a name that does
 * not exist: all of them. */
void px_keys_walk(const px_command *, const char *method, const char *backbone, px_key_visitor *, void *context);

#endif

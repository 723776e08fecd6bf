/* config.h - configuration files (libconfig), key=value overrides, and the resolved configuration as text.
 *
 *     px_config *c = px_config_create();
 *     px_config_group(c, "", top_options, &top);                // keys at the top level: epochs = 100;
 *     px_config_group(c, "optim", optim_options, &optim);       // optim = { lr = 0.3; };  or  optim.lr=0.3
 *     if (px_config_file(c, "simclr.cfg") != 0 || px_config_set(c, "optim.lr=0.1") != 0 ||
 *         px_config_finish(c) != 0) ...
 *
 * Files and overrides are only recorded at first. px_config_finish then assigns defaults, files and overrides, in this
 * order, to all registered groups. Groups may be registered after px_config_file, so that the value of one key
 * (method = "simclr"), read by px_config_peek, can decide which groups exist. Every failure is PX_USAGE. Its message
 * names file, line and key (or `on the command line`) and what would be right: the nearest valid key, the type, the
 * range, the choices.
 */
#ifndef PX_BASE_CONFIG_H
#define PX_BASE_CONFIG_H

#include "base/option.h"

typedef struct px_config px_config;

px_config *px_config_create(void);
void px_config_destroy(px_config *); /* also frees the strings that were assigned to fields */

/* The fields of `target` that `options` names get their defaults at once, and their values in px_config_finish. `name`
 * is copied; `options` and `target` are borrowed and must outlive the config. A default that its own option refuses is
 * a programmer's mistake (PX_CHECK). */
void px_config_group(px_config *, const char *name, const px_option *options, void *target);

/* Reads a libconfig file. @include is relative to the folder of `path`, also in included files. Later files override
 * earlier ones. 0 or -1. */
int px_config_file(px_config *, const char *path);

/* The same for text in memory, which can include no files; messages give `origin` as the file's name. 0 or -1. */
int px_config_text_load(px_config *, const char *text, const char *origin);

/* Records one override, key=value; the value needs no quotes. 0 or -1 (not of the form key=value). */
int px_config_set(px_config *, const char *assignment);

/* The text of a key in the files and overrides recorded so far, or `fallback`. Borrowed until the next call. */
const char *px_config_peek(px_config *, const char *key, const char *fallback);

/* Assigns everything; unknown keys, wrong types and values out of range are refused, and so is a configuration whose text
 * would be too long to be read again. 0 or -1. */
int px_config_finish(px_config *);

/* The resolved configuration as a libconfig file with one key per line; px_config_file reads back the same values. A
 * new string. */
char *px_config_text(const px_config *);

/* What may be given: "int 1..65536", "real", "mean|sum", ... A new string. */
char *px_option_allowed(const px_option *);

/* Help for one table: one aligned line per option, with name, default, range, help. A new string. */
char *px_options_help(const char *group, const px_option *options);

/* The candidate (NULL-terminated array) that is nearest to `word` by edit distance, or NULL if none is near.
 * Borrowed. */
const char *px_nearest(const char *word, const char *const *candidates);

#endif

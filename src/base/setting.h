/* setting.h - private to base/: a setting as a file or the command line gives it, until it is assigned to its option.
 *
 * config.c records settings with the place where they were written; option.c checks one against its px_option and
 * stores it into the caller's structure.
 */
#ifndef PX_BASE_SETTING_H
#define PX_BASE_SETTING_H

#include "base/option.h"

#include <stdio.h>

typedef enum px_setting_kind {
    PX_SETTING_INTEGER,
    PX_SETTING_REAL,
    PX_SETTING_BOOL,
    PX_SETTING_TEXT,
    PX_SETTING_LIST,  /* of numbers */
    PX_SETTING_WORD,  /* text without quotes: text if the option is text, else what it looks like */
    PX_SETTING_GROUP, /* contains other settings, which are recorded separately */
    PX_SETTING_OTHER, /* a list of something other than numbers: no option takes one */
} px_setting_kind;

typedef struct px_setting {
    px_setting_kind kind;
    int64_t integer;
    double real;
    bool flag;
    px_list list;     /* count may exceed PX_LIST_MAX; then only the first values are stored */
    const char *text; /* TEXT, WORD */
} px_setting;

/* The longest configuration: a file with all that it includes, or all settings as text. libconfig looks through all names for
 * each new one: 4,000 names in 50 KiB take 0.6 s on one machine and 1.4 s on another. */
enum { PX_CONFIG_KIB = 32 };

/* One key as it was written in a file or on the command line. */
typedef struct px_assignment {
    char *key, *where; /* "optim.lr", "simclr.cfg:12" */
    char *text;        /* what value.text points to */
    px_setting value;
    bool override; /* from the command line */
} px_assignment;

typedef struct px_assignments {
    px_assignment *list;
    int count;
} px_assignments;

/* The text of a configuration file as a new string; NULL: it cannot be read, is too large, or contains a zero byte. */
char *px_config_read_text(const char *path);

/* These append settings. Each returns 0 or -1, like the function of config.h that calls it. */
int px_assignments_file(px_assignments *, const char *path);
int px_assignments_text(px_assignments *, const char *text, const char *origin);
int px_assignments_one(px_assignments *, const char *assignment);
void px_assignments_finish(px_assignments *);

/* "group.name", or "name" at the top level. A new string. */
char *px_key_join(const char *group, const char *name);

/* Checks `setting` against type, range and choices, then stores it in the option's field of `target`; for a string, the
 * pointer setting->text. `key` and `where` ("simclr.cfg:12") are for messages. 0 or -1 (PX_USAGE). */
int px_option_assign(const px_option *option, void *target, const px_setting *setting, const char *key,
                     const char *where);

/* Writes the field as a libconfig value that reads back as the same value. */
void px_option_write(FILE *, const px_option *option, const void *target);

/* Writes a real so that the exact value is read back, as a real. */
void px_real_write(FILE *, double);

/* All candidates (NULL-terminated) joined by ", ", the nearest to `word` first. A new string. */
char *px_nearest_first(const char *word, const char *const *candidates);

/* Splits "a|b|c": a new NULL-terminated array in one block; free() it. */
char **px_split_choices(const char *choices);

#endif

/* resume.c - see resume.h. */
#include "train/resume.h"
#include "base/error.h"
#include "train/changes.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

/* The defaults for this method and backbone, as text. */
static char *usual_settings(const px_settings *s)
{
    px_settings usual;
    char *method = px_format("method=%s", s->method->name), *backbone = px_format("backbone=%s", s->backbone->name);
    bool there = px_settings_load(&usual, NULL, (const char *[]){method, backbone}, 2) == 0;
    char *text = there ? px_config_text(usual.config) : px_strdup("");
    if (there)
        px_settings_finish(&usual);
    free(method);
    free(backbone);
    return text;
}

typedef int compare_fn(const px_changes *, const char *run, px_log *);

static int with_checkpoint(const px_settings *s, const char *asked, const char *config, px_log *log,
                           compare_fn *compare)
{
    px_log quiet = px_log_make(stderr, true);
    px_checkpoint saved;
    if (px_checkpoint_peek(s->train.out, &saved, &quiet) != 0)
        return 0;
    char *usual = usual_settings(s);
    int status = compare(&(px_changes){.before = saved.config, .now = config, .asked = asked, .usual = usual},
                         s->train.out, log);
    free(usual);
    px_checkpoint_finish(&saved);
    return status;
}

static int check(const px_changes *c, const char *run, px_log *log)
{
    (void)log;
    return px_changes_check(c, run);
}

static int tell(const px_changes *c, const char *run, px_log *log)
{
    (void)run;
    px_changes_tell(log, c);
    return 0;
}

int px_resume_check(const px_settings *s, const char *asked, const char *config)
{
    return with_checkpoint(s, asked, config, NULL, check);
}

void px_resume_tell(const px_settings *s, const char *asked, const char *config, px_log *log)
{
    with_checkpoint(s, asked, config, log, tell);
}

/* Runs of older versions have not kept it: there it was these images by the run's own batch. */
static int64_t steps_per_epoch(const px_checkpoint *saved, int64_t images)
{
    double batch = px_changes_number(saved->config, "batch");
    return saved->per_epoch > 0                    ? saved->per_epoch
           : batch >= 1 && batch <= (double)images ? images / (int64_t)batch
                                                   : 0;
}

int64_t px_resume_place(const px_checkpoint *saved, int64_t per_epoch, int64_t images, px_log *log)
{
    int64_t before = steps_per_epoch(saved, images), place = saved->per_epoch > 0 ? saved->place : saved->step;
    if (before == 0 || before == per_epoch)
        return place;
    place = llround((double)place / (double)before * (double)per_epoch);
    px_log_line(log, "an epoch has %" PRId64 " steps from here on (was: %" PRId64 "); the run goes on at epoch %.6g",
                per_epoch, before, (double)place / (double)per_epoch);
    return place;
}

/* cmd_report.c - pretext report: runs as one page of HTML, also while they go on. */
#include "base/config.h"
#include "base/error.h"
#include "cli/args.h"
#include "figures/plot.h"
#include "figures/report.h"
#include "train/stop.h"

#include <stdlib.h>
#include <time.h>

typedef struct report_flags {
    bool live;
} report_flags;

static const px_flag flags[] = {
    PX_FLAG(report_flags, live, 0, NULL, "write the page again and again until the runs end, or a signal comes"),
    PX_FLAG_BEFORE("output", 'o', "out"),
    {0}};

typedef struct report_options {
    int seconds;
} report_options;

static const px_option options[] = {PX_OPTION(report_options, seconds, "30", 1, 86400,
                                              "with --live: how often the page is written, and loads itself again"),
                                    {0}};

static int read_options(report_options *o, const px_args *args)
{
    px_config *config = px_config_create();
    px_config_group(config, "report", options, o);
    int status = 0;
    for (int i = 0; i < args->assignments.count && status == 0; i++)
        status = px_config_set(config, args->assignments.word[i]);
    if (status == 0)
        status = px_config_finish(config);
    px_config_destroy(config);
    return status;
}

/* Waits so many seconds, or until a signal comes, or no run is being written any more. */
static void wait_for_more(const px_args *args, int seconds)
{
    for (int i = 0; i < seconds && !px_stop_signal() && px_report_is_live(args->words.word, args->words.count); i++)
        nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
}

/* Pages until the runs end. After a first one, a failure is told and the next page tried: the file may have been read at a bad
 * moment. How many were tried, or -1. */
static int write_live(const char *path, const px_args *args, const report_options *o, px_log *log)
{
    int pages = 0;
    for (; px_report_is_live(args->words.word, args->words.count) && !px_stop_signal(); pages++) {
        const px_report_form form = {.refresh = o->seconds};
        if (px_report_save(path, args->words.word, args->words.count, &form, pages ? NULL : log) == 0) {
            if (pages == 0)
                px_log_line(log, "%s is written every %d s until the runs end, or Ctrl-C", path, o->seconds);
        } else if (pages == 0) {
            return -1;
        } else {
            px_log_warning(log, "%s", px_error());
        }
        wait_for_more(args, o->seconds);
    }
    if (pages == 0)
        px_log_line(log, "no run is being written: the page is written once");
    return pages;
}

/* The last page does not load itself again: after it, nobody writes any. */
static int write_pages(const char *path, const px_args *args, bool live, const report_options *o, px_log *log)
{
    int pages = live ? write_live(path, args, o, log) : 0;
    if (pages < 0)
        return -1;
    return px_report_save(path, args->words.word, args->words.count, &(px_report_form){0}, pages ? NULL : log);
}

static int run(int argc, char **argv)
{
    px_args args;
    report_flags given = {0};
    report_options o;
    if (px_args_read(&args, &px_cmd_report, argc, argv, &given) != 0)
        return -1;
    px_log log = px_log_make(stderr, false);
    px_args_note(&args, &log);
    char *first = px_run_folder(args.words.word[0]);
    char *path = args.out ? px_strdup(args.out) : px_format("%s/report.html", first);
    int status = read_options(&o, &args);
    if (status == 0)
        status = px_report_check(path);
    if (status == 0 && given.live)
        px_stop_watch();
    if (status == 0)
        status = write_pages(path, &args, given.live, &o, &log);
    if (status == 0)
        printf("%s\n", px_one_line(path));
    free(path);
    free(first);
    px_args_finish(&args);
    return status;
}

const px_command px_cmd_report = {
    .name = "report",
    .arguments = "RUN... [out=REPORT.html] [--live]",
    .summary = "write runs as one page: curves, evaluations, pictures, cost, configuration, comparison",
    .help = "RUN is a folder that contains run.h5, or an .h5 file of results; it may be a live\n"
            "run. The page is one file of HTML without scripts or links to others, which any\n"
            "browser opens from the disk. It has, of several runs, the table of pretext compare,\n"
            "what differs in their configuration, and the figures of all; of each run its curves\n"
            "and diagnostics, evaluations with what they were measured on, the method's own\n"
            "pictures, cost by part, all settings, and every start with its command.\n"
            "\n"
            "With --live the page is written again every report.seconds, and tells browsers to\n"
            "load it again, until no run is being written any more, or Ctrl-C. Standard output\n"
            "names the page when it is complete.\n"
            "\nExamples\n"
            "  pretext report runs/first\n"
            "  pretext report runs/simclr runs/byol out=comparison.html\n"
            "  pretext report runs/first out=first.html --live report.seconds=60\n",
    .run = run,
    .flags = flags,
    .min_words = 1,
    .max_words = PX_ANY,
    .assignments = true,
    .options = options,
    .options_group = "report",
    .word = PX_WORD_RUN,
    .out = {.value = "REPORT.html", .help = "the page (default: report.html in the first run's folder)"},
};

/* cmd_compare.c - pretext compare: several runs in one table. */
#include "base/error.h"
#include "cli/args.h"
#include "figures/compare.h"

typedef struct compare_flags {
    bool csv, markdown, latex, json;
} compare_flags;

static const px_flag flags[] = {
    PX_FLAG(compare_flags, csv, 0, NULL, "the table as comma-separated values"),
    PX_FLAG(compare_flags, markdown, 0, NULL, "the table and its notes as Markdown"),
    PX_FLAG(compare_flags, latex, 0, NULL, "the table as a LaTeX tabular with the rules of booktabs"),
    PX_FLAG(compare_flags, json, 0, NULL, "all that is known of the runs, and the rows' means, as JSON"),
    {0}};

static int run(int argc, char **argv)
{
    px_args args;
    compare_flags given = {0};
    px_comparison *c = NULL;
    if (px_args_read(&args, &px_cmd_compare, argc, argv, &given) != 0)
        return -1;
    px_table_format format = given.csv        ? PX_TABLE_CSV
                             : given.markdown ? PX_TABLE_MARKDOWN
                             : given.latex    ? PX_TABLE_LATEX
                                              : PX_TABLE_TEXT;
    int status =
        given.csv + given.markdown + given.latex + given.json > 1
            ? px_fail(PX_USAGE, "--csv, --markdown, --latex and --json are different forms of the same: choose one")
            : px_comparison_read(&c, args.words.word, args.words.count);
    if (status == 0 && given.json)
        px_comparison_json(c, stdout);
    else if (status == 0)
        px_comparison_print(c, format, stdout);
    px_comparison_destroy(c);
    px_args_finish(&args);
    return status;
}

const px_command px_cmd_compare = {
    .name = "compare",
    .arguments = "RUN...",
    .summary = "print a table of several runs: what they are, cost, accuracies with intervals",
    .help = "Runs that differ only in their seeds are one row: means over seeds, with half of the\n"
            "95 % interval by Student's t. Accuracies stand in one column only if they were\n"
            "measured alike: data set, splits, counts, settings of the protocol. Others have\n"
            "columns with letters, and a note tells what is different. Further notes: settings\n"
            "that differ between rows, and differences to the first row where seeds match.\n"
            "Rates of the linear probe are chosen on images held out of the training split;\n"
            "by them the best row is marked, not by the test.\n"
            "\nExamples\n"
            "  pretext compare runs/simclr runs/byol\n"
            "  pretext compare runs/rates/*/ --markdown\n",
    .run = run,
    .flags = flags,
    .min_words = 1,
    .max_words = PX_ANY,
    .word = PX_WORD_RUN,
};

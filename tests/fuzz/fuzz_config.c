/* fuzz_config.c - a configuration and overrides. Input: the file, and after a zero byte one override per line. What is
 * accepted must read back as the same values from its own text. */
#include "fuzz.h"

#include "base/config.h"

/* libconfig leaks the current text if the file ends inside quotes. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig";
}

typedef struct everything {
    int whole;
    int64_t big;
    double real;
    bool flag;
    const char *text, *choice;
    px_list list;
} everything;

static const px_option options[] = {PX_OPTION(everything, whole, "3", 1, 1000, "help"),
                                    PX_OPTION(everything, big, "3", 0, 0, "help"),
                                    PX_OPTION(everything, real, "0.5", -1, 1e30, "help"),
                                    PX_OPTION_FLAG(everything, flag, "true", "help"),
                                    PX_OPTION_TEXT(everything, text, "word", "help"),
                                    PX_OPTION_CHOICE(everything, choice, "one", "one|two|three", "help"),
                                    PX_OPTION(everything, list, "[1, 2]", -5, 1e9, "help"),
                                    {0}};

enum { GROUPS = 3 };

static px_config *make(everything target[GROUPS])
{
    static const char *const names[GROUPS] = {"", "optim", "optim.inner"};
    px_config *c = px_config_create();
    for (int i = 0; i < GROUPS; i++)
        px_config_group(c, names[i], options, &target[i]);
    return c;
}

static int set_all(px_config *c, char *lines)
{
    int status = 0;
    for (char *line; status == 0 && (line = strsep(&lines, "\n"));)
        if (*line)
            status = px_config_set(c, line);
    return status;
}

static void check_reads_back(px_config *c)
{
    everything again[GROUPS];
    char *text = px_config_text(c);
    px_config *other = make(again);
    if (px_config_text_load(other, text, "its own text") != 0 || px_config_finish(other) != 0)
        px_check_failed(__FILE__, __LINE__, px_error());
    char *same = px_config_text(other);
    PX_CHECK(strcmp(text, same) == 0);
    free(text);
    free(same);
    px_config_destroy(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    everything target[GROUPS];
    char *text = px_calloc(size + 2, 1); /* two texts, each with its end */
    memcpy(text, bytes, size);
    size_t length = strlen(text);
    px_config *c = make(target);
    int status = px_config_text_load(c, text, "fuzz.cfg");
    if (status == 0 && length < size)
        status = set_all(c, text + length + 1);
    px_config_peek(c, "optim.text", "");
    if (status == 0)
        status = px_config_finish(c);
    if (status == 0)
        check_reads_back(c);
    else
        fuzz_check_message();
    px_config_destroy(c);
    free(text);
    return 0;
}

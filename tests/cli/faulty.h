/* faulty.h - for tests with the method that fails on request (faulty_plugin.c): a folder, the plug-in, a small data
 * set. For cmocka's group set-up and tear-down. */
#ifndef PX_TESTS_CLI_FAULTY_H
#define PX_TESTS_CLI_FAULTY_H

#include "make_set.h"
#include "run.h"

typedef struct fixture {
    char *folder, *plugin, *data, *mark; /* mark: a file for PRETEXT_FAULT_MARK */
} fixture;

static inline int set_up(void **state)
{
    const char *plugins = getenv("PRETEXT_PLUGINS");
    if (!plugins)
        fail_msg("PRETEXT_PLUGINS is not set: the folder of faulty.so");
    fixture *f = px_calloc(1, sizeof *f);
    f->folder = run_folder_create();
    f->plugin = px_format("%s/faulty.so", plugins);
    f->mark = px_format("%s/mark", f->folder);
    f->data = make_set(f->folder, "d.h5", &(set_spec){.count = 128, .side = 16, .channels = 3, .classes = 5});
    *state = f;
    return 0;
}

static inline int tear_down(void **state)
{
    fixture *f = *state;
    run_folder_remove(f->folder);
    free(f->data);
    free(f->plugin);
    free(f->mark);
    free(f);
    return 0;
}

#endif

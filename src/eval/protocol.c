/* protocol.c - see protocol.h. */
#include "eval/protocol.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int px_protocol_index(const char *name)
{
    int i = 0;
    while (px_protocols[i] && strcmp(px_protocols[i]->name, name) != 0)
        i++;
    return i;
}

const char *const *px_protocol_numbers(const px_protocol *p)
{
    static const char *const usual[] = {"top1", "top5", NULL};
    return p && p->numbers ? p->numbers : usual;
}

void px_trial_print(px_trial *t, const char *format, ...)
{
    char row[256];
    va_list args;
    va_start(args, format);
    vsnprintf(row, sizeof row, format, args);
    va_end(args);
    puts(row);
    px_log_note(t->log, "%s", row);
}

int px_trial_seal(px_trial *t, const char *group, int status)
{
    return status == 0 ? px_results_attribute_text(t->results, group, "config", t->config) : -1;
}

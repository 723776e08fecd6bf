/* need.c - see need.h. */
#include "base/need.h"
#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

double px_need_sum(const px_need *n)
{
    double sum = 0;
    for (int i = 0; i < n->parts; i++)
        sum += n->part[i];
    return sum;
}

static int largest(const px_need *n, const bool *left_out)
{
    int at = -1;
    for (int i = 0; i < n->parts; i++)
        if (!left_out[i] && (at < 0 || n->part[i] > n->part[at]))
            at = i;
    return at;
}

char *px_need_text(const px_need *n)
{
    char *text, bytes[32];
    size_t size;
    FILE *out = open_memstream(&text, &size);
    PX_CHECK(out);
    fputs(px_bytes_text(px_need_sum(n), bytes), out);
    bool told[PX_NEED_PARTS_MAX] = {false};
    for (int i = 0; i < n->parts; i++) {
        int part = largest(n, told);
        told[part] = true;
        if (n->part[part] > 0)
            fprintf(out, "%s %s %s", i ? "," : " =", n->name[part], px_bytes_text(n->part[part], bytes));
    }
    fclose(out);
    return text;
}

void px_propose(px_proposals *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs(p->count++ ? "; or " : "", p->out);
    vfprintf(p->out, format, args);
    va_end(args);
}

static int refuse(const px_need *n, int ranks, const px_need_advice *advice, const px_memory *m)
{
    const bool none[PX_NEED_PARTS_MAX] = {false};
    char need[32], have[32], bytes[32], host[256] = "", *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    PX_CHECK(out);
    int part = largest(n, none);
    gethostname(host, sizeof host - 1);
    fprintf(out, "%s needs %s of memory", n->of, px_bytes_text(px_need_sum(n) * ranks, need));
    if (ranks > 1)
        fprintf(out, " for %d ranks", ranks);
    fprintf(out, ", but on %s %s are %s: ", host, px_bytes_text(m->bytes, have), m->limit);
    fprintf(out, "%s take %s", n->name[part], px_bytes_text(n->part[part], bytes));
    advice->why(advice->about, part, out);
    fputs(ranks > 1 ? " per rank" : "", out);
    fputs("; what would fit: ", out);
    px_proposals p = {out, 0};
    advice->fits(advice->about, m->bytes / ranks, &p);
    if (p.count == 0)
        fputs(advice->otherwise, out);
    fclose(out);
    px_fail(PX_USAGE, "%s", text);
    free(text);
    return -1;
}

/* Reserves for threads' stacks, decoders and libraries' buffers, which come later and take more address space than
 * memory. */
static void put_aside(px_memory *m, double mib)
{
    m->bytes = fmax(0, m->bytes - mib * 1024 * 1024);
}

int px_need_check(const px_need *n, int ranks, const px_need_advice *advice)
{
    px_memory host = px_memory_of_host(""), process = px_memory_of_process();
    put_aside(&host, 64.0 * ranks);
    put_aside(&process, 256);
    if (px_need_sum(n) * ranks > host.bytes)
        return refuse(n, ranks, advice, &host);
    return px_need_sum(n) > process.bytes ? refuse(n, 1, advice, &process) : 0;
}

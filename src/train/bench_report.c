/* bench_report.c - the report of px_bench, as text and in HDF5. */
#include "base/error.h"
#include "base/version.h"
#include "results/results.h"
#include "train/bench.h"
#include "train/provenance.h"

#include <stdlib.h>

const char *const px_bench_part_names[PX_BENCH_PARTS] = {"loader",     "wait for data", "forward", "backward",
                                                         "all-reduce", "optimizer",     "other",   "step"};

static const char *limit_name(const px_bench_op *o)
{
    return o->by_memory ? "memory" : "R";
}

void px_bench_print(const px_bench_report *r, const px_settings *s, FILE *out)
{
    char processor[96], onednn[96];
    fprintf(out, "%s on %s, %d px, batch %d, %s: %d %s x %d threads, %s, oneDNN %s\n\n", s->method->name,
            s->backbone->name, s->data.image_size, s->train.batch, px_precision_name(&s->train), r->ranks,
            r->ranks == 1 ? "rank" : "ranks", r->threads, px_version_processor(processor), px_version_onednn(onednn));
    for (int i = PX_BENCH_WAIT; i < PX_BENCH_PARTS; i++)
        fprintf(out, "%-16s %10.2f ms %6.1f%%\n", px_bench_part_names[i], 1e3 * r->seconds[i],
                100 * r->seconds[i] / r->seconds[PX_BENCH_STEP]);
    fprintf(out, "%-16s %10.2f ms of a core in parallel: %.0f views per second and core\n",
            px_bench_part_names[PX_BENCH_LOADER], 1e3 * r->seconds[PX_BENCH_LOADER], r->views_per_second);
    fprintf(out, "%-16s %10.1f per second (middle half of %d steps)\n", "images", r->images_per_second, r->steps);
    fprintf(out, "%-16s %10.1f GF/s = %.1f%% of R, this machine's matmul rate: %.1f GF/s\n", "work", r->gflops,
            100 * r->gflops / r->machine_gflops, r->machine_gflops);
    fprintf(out, "%-16s %10.1f MiB peak, of which the arena takes %.1f MiB; %d reorders of activations\n", "memory",
            r->peak_bytes / (1 << 20), r->arena_bytes / (1 << 20), r->reorders);
    fprintf(out, "%-16s %10.1f GB/s, where two arrays are read and one is written\n", "memory's rate",
            r->machine_gbytes);
    fprintf(out, "\n%-48s %10s %6s %8s %7s  %-6s %8s\n", "most expensive", "ms", "%", "GF/s", "GB/s", "limit",
            "reached");
    for (int i = 0; i < r->ops; i++) {
        const px_bench_op *o = &r->op[i];
        fprintf(out, "%-48s %10.2f %6.1f %8.1f %7.1f  %-6s %7.0f%%\n", o->name, 1e3 * o->seconds,
                100 * o->seconds / r->seconds[PX_BENCH_STEP], o->gflops, o->gbytes, limit_name(o), 100 * o->reached);
    }
}

/* ---- HDF5 ---- */

static int put_numbers(px_results *out, const px_bench_report *r, const px_settings *s)
{
    const struct {
        const char *name;
        double value;
    } number[] = {
        {"images_per_second", r->images_per_second},
        {"views_per_second", r->views_per_second},
        {"gflops", r->gflops},
        {"machine_gflops", r->machine_gflops},
        {"share", r->gflops / r->machine_gflops},
        {"machine_gbytes", r->machine_gbytes},
        {"peak_bytes", r->peak_bytes},
        {"arena_bytes", r->arena_bytes},
        {"reorders", r->reorders},
        {"steps", r->steps},
        {"ranks", r->ranks},
        {"threads", r->threads},
        {"batch", s->train.batch},
        {"image_size", s->data.image_size},
    };
    int status = 0;
    for (size_t i = 0; i < sizeof number / sizeof number[0] && status == 0; i++) {
        char *path = px_format("/bench/%s", number[i].name);
        status = px_results_put(out, path, PX_F64, 0, NULL, &number[i].value);
        free(path);
    }
    return status;
}

static int put_words(px_results *out, const px_settings *s)
{
    char processor[96], onednn[96];
    const char *const word[][2] = {
        {"method", s->method->name},
        {"backbone", s->backbone->name},
        {"precision", px_precision_name(&s->train)},
        {"processor", px_version_processor(processor)},
        {"onednn", px_version_onednn(onednn)},
    };
    int status = 0;
    for (size_t i = 0; i < sizeof word / sizeof word[0] && status == 0; i++)
        status = px_results_attribute_text(out, "/bench", word[i][0], word[i][1]);
    return status;
}

static int put_tables(px_results *out, const px_bench_report *r)
{
    const int64_t parts = PX_BENCH_PARTS, ops = r->ops;
    const char *name[PX_BENCH_TOP], *limit[PX_BENCH_TOP];
    double seconds[PX_BENCH_TOP], gflops[PX_BENCH_TOP], gbytes[PX_BENCH_TOP], reached[PX_BENCH_TOP];
    for (int i = 0; i < r->ops; i++) {
        name[i] = r->op[i].name;
        seconds[i] = r->op[i].seconds;
        gflops[i] = r->op[i].gflops;
        gbytes[i] = r->op[i].gbytes;
        reached[i] = r->op[i].reached;
        limit[i] = limit_name(&r->op[i]);
    }
    const struct {
        const char *path;
        const double *values;
    } column[] = {{"/bench/ops/seconds", seconds},
                  {"/bench/ops/gflops", gflops},
                  {"/bench/ops/gbytes", gbytes},
                  {"/bench/ops/reached", reached}};
    int status = px_results_put_texts(out, "/bench/parts/name", px_bench_part_names, PX_BENCH_PARTS);
    if (status == 0)
        status = px_results_put(out, "/bench/parts/seconds", PX_F64, 1, &parts, r->seconds);
    if (status == 0)
        status = px_results_put_texts(out, "/bench/ops/name", name, r->ops);
    if (status == 0)
        status = px_results_put_texts(out, "/bench/ops/limit", limit, r->ops);
    for (size_t i = 0; i < sizeof column / sizeof column[0] && status == 0; i++)
        status = px_results_put(out, column[i].path, PX_F64, 1, &ops, column[i].values);
    return status;
}

int px_bench_write(const char *path, const px_bench_report *r, const px_settings *s, const px_comm *comm,
                   const char *command)
{
    px_results *out;
    if (px_results_open(&out, path, PX_RESULTS_APPEND) != 0)
        return -1;
    char *config = px_config_text(s->config);
    int status = put_numbers(out, r, s);
    if (status == 0)
        status = put_words(out, s);
    if (status == 0)
        status = put_tables(out, r);
    if (status == 0)
        status = px_results_put_text(out, "/config", config);
    if (status == 0)
        status = px_provenance_write(out, comm, NULL, command, r->threads);
    free(config);
    if (status == 0)
        return px_results_close(out);
    px_results_abandon(out);
    return -1;
}

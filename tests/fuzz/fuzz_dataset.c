/* fuzz_dataset.c - data sets, as training reads them, and as `pretext pack` takes HDF5 files of others. Input: a recipe
 * (fuzz_h5.h). What is accepted must be readable: all splits, some images, and batches from the loader. */
#include "fuzz_h5.h"

#include "data/loader.h"
#include "data/pack.h"

static const char *const members[] = {"images",       "encoded", "offsets", "labels",    "split",   "@class_names",
                                      "@split_names", "@mean",   "@std",    "@channels", "@source", NULL};

enum { ROWS = 20, BATCH = 2 };

static uint8_t sum_of(const px_image *image)
{
    uint8_t sum = 0;
    for (int64_t i = 0; i < (int64_t)image->height * image->width * image->channels; i++)
        sum = (uint8_t)(sum + image->pixels[i]);
    return sum;
}

/* A view that depends on every byte of the image. */
static void make_view(const void *context, px_rng *rng, const px_image *image, px_sample *out)
{
    (void)context, (void)rng;
    px_sample_i32(out, 0, 0)[0] = sum_of(image);
}

static void check_images(const px_dataset *d)
{
    const px_dataset_info *about = px_dataset_about(d);
    px_image image = {0};
    PX_CHECK(about->count > 0 && about->classes >= 0 && about->splits > 0);
    PX_CHECK(px_dataset_side(d) >= 0 && px_dataset_check(d) == 0);
    for (int64_t row = 0; row < about->count && row < ROWS; row++) {
        int label = px_dataset_label(d, row);
        PX_CHECK(label >= -1 && label < about->classes && (label < 0 || about->class_names[label]));
        if (px_dataset_read(d, row, &image) != 0)
            fuzz_check_message();
        else
            PX_CHECK(sum_of(&image) <= UINT8_MAX);
    }
    px_image_finish(&image);
}

static void check_splits(const px_dataset *d)
{
    const px_dataset_info *about = px_dataset_about(d);
    int64_t sum = 0;
    for (int s = 0; s < about->splits; s++) {
        const px_split *split = px_dataset_split(d, about->split_names[s]);
        px_split some = *split;
        int64_t *index = px_split_limit(&some, 3);
        PX_CHECK(split && split->count >= 0);
        for (int64_t i = 0; i < split->count; i++)
            PX_CHECK(split->index[i] >= 0 && split->index[i] < about->count);
        for (int64_t i = 0; i < some.count; i++)
            PX_CHECK(some.index[i] >= 0 && some.index[i] < about->count);
        sum += strcmp(split->name, about->split_names[s]) == 0 ? split->count : 0;
        free(index);
    }
    PX_CHECK(sum <= about->count * about->splits);
    if (!px_dataset_split(d, "no such split"))
        fuzz_check_message();
}

static void load_batches(const px_dataset *d)
{
    px_views views = {0};
    const px_dataset_info *about = px_dataset_about(d);
    px_views_add(&views, "sum", PX_I32, 1, 0, NULL);
    px_loader_spec spec = {.data = d,
                           .split = px_dataset_split(d, about->split_names[0]),
                           .views = &views,
                           .make = make_view,
                           .global_batch = BATCH,
                           .batch = BATCH,
                           .shuffle = true,
                           .workers = 1};
    px_loader *loader;
    if (px_loader_create(&loader, &spec, 0) != 0) {
        fuzz_check_message();
        return;
    }
    const px_batch *batch = NULL;
    for (int step = 0; step < 3 && (step == 0 || batch); step++) {
        batch = px_loader_next(loader);
        if (!batch)
            fuzz_check_message();
        for (int i = 0; batch && i < batch->batch; i++)
            PX_CHECK(batch->row[i] >= 0 && batch->row[i] < about->count);
    }
    px_loader_destroy(loader);
}

/* As an HDF5 file of others. What was packed must be a data set. */
static void pack(const char *path)
{
    static const px_pack_options options = {.split = "", .labels = "", .class_names = ""};
    px_log log = px_log_make(stderr, true);
    px_pack_summary summary;
    px_dataset *d;
    char *out = px_format("%s.packed", path);
    if (px_pack((const char *const[]){path}, 1, out, &options, &log, &summary) != 0) {
        fuzz_check_message();
    } else {
        PX_CHECK(px_dataset_open(&d, out, PX_LINKS_REFUSED) == 0);
        px_dataset_close(d);
    }
    unlink(out);
    free(summary.text);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_input in = {bytes, size, 0};
    px_dataset *d;
    const char *path = fuzz_h5_cook(&in, members);
    pack(path);
    if (px_dataset_open(&d, path, PX_LINKS_REFUSED) != 0) {
        fuzz_check_message();
        return 0;
    }
    check_images(d);
    check_splits(d);
    load_batches(d);
    px_dataset_close(d);
    return 0;
}

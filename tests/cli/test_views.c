/* test_views.c - pretext views: every method's sheet, and what is on it: pixels of the data set, hidden patches, numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/dataset.h"
#include "make_set.h"
#include "run.h"
#include "run_files.h"
#include "train/method.h"

#include <stdio.h>

/* Images of 32 px are enlarged 3 times, and 4 px apart. */
enum { SIDE = 32, SCALE = 3, CELL = SIDE * SCALE, PITCH = CELL + 4, PATCH = 4 };

typedef struct fixture {
    char *folder, *set, *data, *out;
} fixture;

static int make_fixture(void **state)
{
    fixture *f = px_calloc(1, sizeof *f);
    f->folder = run_folder_create();
    f->set = make_set(f->folder, "d.h5", &(set_spec){.count = 12, .side = SIDE, .channels = 3, .classes = 3});
    f->data = px_format("data.path=%s", f->set);
    f->out = px_format("%s/views.png", f->folder);
    *state = f;
    return 0;
}

static int remove_fixture(void **state)
{
    fixture *f = *state;
    run_folder_remove(f->folder);
    free(f->set);
    free(f->data);
    free(f->out);
    free(f);
    return 0;
}

/* The sheet of these settings, of two images; what standard output must say. */
static px_image sheet_of(const fixture *f, const char *const given[], const char *says)
{
    char *out = px_format("out=%s", f->out);
    const char *words[12] = {
        "views", f->data, out, "views.images=2", "batch=256", "augment=none", "data.shuffle=false"};
    int n = 7;
    for (int i = 0; given[i]; i++)
        words[n++] = given[i];
    run_child c = run_start(0, words);
    run_result r = run_wait(&c);
    if (r.status != 0 || !strstr(r.out, says))
        fail_msg("%s: status %d, '%s' is not in %s%s", given[0], r.status, says, r.out, r.err);
    run_finish(&r);
    free(out);
    FILE *file = fopen(f->out, "rb");
    static uint8_t bytes[1 << 20];
    size_t size = file ? fread(bytes, 1, sizeof bytes, file) : 0;
    px_image image = {0};
    if (!file || px_image_decode(&image, bytes, size, (px_image_want){0}, f->out) != 0)
        fail_msg("%s: no picture", given[0]);
    fclose(file);
    assert_int_equal(remove(f->out), 0);
    return image;
}

static const uint8_t *pixel(const px_image *sheet, int row, int column, int y, int x)
{
    return sheet->pixels + 3 * ((row * PITCH + SCALE * y) * sheet->width + column * PITCH + SCALE * x);
}

static void every_method(void **state)
{
    for (int i = 0; px_methods[i]; i++) {
        char *method = px_format("method=%s", px_methods[i]->name);
        px_image sheet = sheet_of(*state, (const char *[]){method, NULL}, "2 images\ncolumn");
        assert_int_equal(sheet.height, 2 * PITCH - 4);
        assert_int_equal(sheet.width % PITCH, CELL);
        px_image_finish(&sheet);
        free(method);
    }
}

static void pixels_of_the_data_set(void **state)
{
    const fixture *f = *state;
    px_dataset *d;
    px_image image = {0}, sheet;
    assert_int_equal(px_dataset_open(&d, f->set, PX_LINKS_REFUSED), 0);
    for (int normalized = 0; normalized < 2; normalized++) {
        const char *how = normalized ? "data.normalize=dataset" : "data.normalize=none";
        sheet = sheet_of(f, (const char *[]){"method=supervised", how, NULL}, "label, from above: ");
        assert_int_equal(sheet.width, CELL);
        for (int row = 0; row < 2; row++) {
            assert_int_equal(px_dataset_read(d, row, &image), 0);
            for (int i = 0; i < SIDE * SIDE; i++)
                for (int c = 0; c < 3; c++)
                    assert_in_range(pixel(&sheet, row, 0, i / SIDE, i % SIDE)[c] + 1, image.pixels[3 * i + c],
                                    image.pixels[3 * i + c] + 2);
        }
        px_image_finish(&sheet);
    }
    px_image_finish(&image);
    px_dataset_close(d);
}

/* Patches in the second column that are gray; the others are the image's. */
static int hidden_patches(const px_image *sheet, int row)
{
    int count = 0;
    for (int patch = 0; patch < 64; patch++) {
        int same = 0, gray = 0;
        for (int i = 0; i < PATCH * PATCH; i++) {
            int y = patch / 8 * PATCH + i / PATCH, x = patch % 8 * PATCH + i % PATCH;
            same += memcmp(pixel(sheet, row, 0, y, x), pixel(sheet, row, 1, y, x), 3) == 0;
            gray += memcmp("\x80\x80\x80", pixel(sheet, row, 1, y, x), 3) == 0;
        }
        assert_true(same == PATCH * PATCH || gray == PATCH * PATCH);
        count += gray == PATCH * PATCH;
    }
    return count;
}

static void hidden_patches_are_gray(void **state)
{
    px_image sheet = sheet_of(*state, (const char *[]){"method=mae", "mae.mask_ratio=0.75", NULL}, "column 2: visible");
    assert_int_equal(hidden_patches(&sheet, 0), 48);
    assert_int_equal(hidden_patches(&sheet, 1), 48);
    px_image_finish(&sheet);
    sheet = sheet_of(*state, (const char *[]){"method=simmim", "simmim.mask_size=4", "simmim.mask_ratio=0.5", NULL},
                     "column 2: mask");
    assert_int_equal(hidden_patches(&sheet, 0), 32);
    px_image_finish(&sheet);
}

static void small_crops_are_small(void **state)
{
    px_image sheet = sheet_of(*state, (const char *[]){"method=swav", "swav.small_crops=1", NULL},
                              "columns 1 to 2: views (3, 32, 32)\ncolumn 3: small (3, 16, 16)\n");
    assert_int_equal(sheet.width, 3 * PITCH - 4);
    assert_memory_equal(pixel(&sheet, 0, 2, SIDE / 2, 0), "\xff\xff\xff", 3);
    px_image_finish(&sheet);
}

static void refuses(run_result r, int status, const char *text)
{
    if (r.status != status || !strstr(r.err, text))
        fail_msg("status %d, expected %d and '%s': %s", r.status, status, text, r.err);
    run_finish(&r);
}

static void other_files_stay(void **state)
{
    const fixture *f = *state;
    char *out = px_format("out=%s/notes.txt", f->folder), *path = out + strlen("out=");
    write_content(f->folder, "notes.txt", "mine, not yours", 15);
    refuses(RUN("views", f->data, out, "batch=4"), 2, "is not a picture (PNG), so it is not replaced");
    char kept[16] = "";
    FILE *file = fopen(path, "r");
    assert_int_equal(fread(kept, 1, 15, file), 15);
    fclose(file);
    assert_string_equal(kept, "mine, not yours");
    refuses(RUN("views", f->data, "batch=4"), 2, "out=");
    refuses(RUN("views", f->data, "out=/no/such/v.png", "batch=4"), 1, "/no/such/v.png: cannot be written");
    refuses(RUN("views", "data.path=/no/d.h5", out), 3, "/no/d.h5");
    refuses(RUN("views", f->data, out, "method=jigsaw", "data.image_size=16"), 2, "images of less than 24 px");
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method),
        cmocka_unit_test(pixels_of_the_data_set),
        cmocka_unit_test(hidden_patches_are_gray),
        cmocka_unit_test(small_crops_are_small),
        cmocka_unit_test(other_files_stay),
    };
    return cmocka_run_group_tests_name("views", tests, make_fixture, remove_fixture);
}

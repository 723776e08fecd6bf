/* test_safetensors.c - weights files: what is written can be read, with every element type; one clear line for each
 * way in which a file can be wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "data/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct fixture {
    char *folder, *path;
} fixture;

static int set_up(void **state)
{
    const char *root = getenv("TMPDIR");
    fixture *f = px_calloc(1, sizeof *f);
    f->folder = px_format("%s/px-safetensors-XXXXXX", root ? root : "/tmp");
    *state = f;
    if (!mkdtemp(f->folder))
        return -1;
    f->path = px_format("%s/w.safetensors", f->folder);
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    unlink(f->path);
    rmdir(f->folder);
    free(f->path);
    free(f->folder);
    free(f);
    return 0;
}

static void put(const fixture *f, uint64_t length, const char *header, const void *data, size_t bytes)
{
    FILE *out = fopen(f->path, "wb");
    assert_non_null(out);
    fwrite(&length, sizeof length, 1, out);
    fwrite(header, 1, strlen(header), out);
    if (bytes > 0)
        fwrite(data, 1, bytes, out);
    assert_int_equal(fclose(out), 0);
}

static void what_is_written_is_read(void **state)
{
    const fixture *f = *state;
    float weight[6] = {1, -2, 3.5f, 0, 1e-30f, 7}, mean[3] = {4, 5, 6}, out[6];
    int64_t batches = 12;
    const px_stored_tensor tensors[] = {
        {.name = "conv.weight", .type = "F32", .shape = PX_SHAPE(2, 3, 1, 1), .data = weight},
        {.name = "bn.num_batches_tracked", .type = "I64", .data = &batches},
        {.name = "bn.running_mean", .type = "F32", .shape = PX_SHAPE(3), .data = mean}};
    assert_int_equal(px_safetensors_write(f->path, tensors, 3, &(px_safetensors_note){"format", "pt"}, 1), 0);
    px_tensor_file *s;
    assert_int_equal(px_tensor_file_open(&s, f->path), 0);
    assert_int_equal(px_tensor_file_count(s), 3);
    assert_string_equal(px_tensor_file_at(s, 0)->name, "bn.num_batches_tracked");
    assert_string_equal(px_tensor_file_about(s, "format"), "pt");
    assert_null(px_tensor_file_about(s, "method"));
    assert_null(px_tensor_file_find(s, "conv"));
    const px_stored_tensor *t = px_tensor_file_find(s, "conv.weight");
    assert_true(px_shape_equal(t->shape, tensors[0].shape));
    px_stored_tensor_read(t, out);
    assert_memory_equal(out, weight, sizeof weight);
    px_stored_tensor_read(px_tensor_file_find(s, "bn.running_mean"), out);
    assert_memory_equal(out, mean, sizeof mean);
    t = px_tensor_file_find(s, "bn.num_batches_tracked");
    assert_false(px_stored_tensor_is_real(t));
    assert_int_equal(t->shape.rank, 0);
    assert_memory_equal(t->data, &batches, sizeof batches);
    for (int i = 0; i < 3; i++) /* PyTorch cannot view what is not aligned */
        assert_int_equal((uintptr_t)px_tensor_file_at(s, i)->data % (i == 0 ? 8 : 4), 0);
    px_tensor_file_close(s);
}

static void every_real_type(void **state)
{
    const fixture *f = *state;
    static const char header[] = "{\"a\":{\"dtype\":\"F16\",\"shape\":[8],\"data_offsets\":[0,16]},"
                                 "\"b\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[16,20]},"
                                 "\"c\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[20,28]},"
                                 "\"d\":{\"dtype\":\"F8_FUTURE\",\"shape\":[3],\"data_offsets\":[28,28]},\"e\":{"
                                 "\"dtype\":\"F32\",\"shape\":[0,4],"
                                 "\"data_offsets\":[28,28]}}   ";
    /* 1, -2, the largest, the smallest normal, the smallest, 0, infinity, not a number */
    const uint16_t half[8] = {0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x8000, 0xfc00, 0x7e00};
    const float expected[7] = {1, -2, 65504, 0x1p-14f, 0x1p-24f, -0.0f, -INFINITY};
    const uint16_t brain[2] = {0x3f80, 0xc049};
    const double pi = 3.14159265358979;
    uint8_t data[28];
    memcpy(data, half, 16);
    memcpy(data + 16, brain, 4);
    memcpy(data + 20, &pi, 8);
    put(f, strlen(header), header, data, sizeof data);
    px_tensor_file *s;
    assert_int_equal(px_tensor_file_open(&s, f->path), 0);
    float out[8];
    px_stored_tensor_read(px_tensor_file_find(s, "a"), out);
    assert_memory_equal(out, expected, sizeof expected);
    assert_true(isnan(out[7]));
    px_stored_tensor_read(px_tensor_file_find(s, "b"), out);
    assert_true(out[0] == 1 && out[1] == -3.140625f);
    px_stored_tensor_read(px_tensor_file_find(s, "c"), out);
    assert_true(out[0] == (float)pi);
    assert_false(px_stored_tensor_is_real(px_tensor_file_find(s, "d")));
    assert_int_equal(px_shape_count(px_tensor_file_find(s, "e")->shape), 0);
    px_tensor_file_close(s);
}

static void check_refused(const fixture *f, const char *says)
{
    px_tensor_file *s;
    char *message = px_format("%s: %s", f->path, says);
    assert_int_equal(px_tensor_file_open(&s, f->path), -1);
    assert_int_equal(px_error_status(), PX_DATA);
    assert_string_equal(px_error(), message);
    free(message);
}

#define TENSOR(type, shape, offsets) "\"w\":{\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void headers_that_lie(void **state)
{
    const fixture *f = *state;
    const struct {
        const char *header, *says;
    } cases[] = {
        {"{\"w\":1", "is not a safetensors file, its header is not JSON from byte 6 on"},
        {"[1, 2]", "is not a safetensors file, its header is not a JSON object"},
        {"{\"w\":{\"shape\":[2],\"data_offsets\":[0,8]}}", "tensor w has no dtype"},
        {"{" TENSOR("F32", "2", "[0,8]") "}", "tensor w needs a shape of at most 6 extents"},
        {"{" TENSOR("F32", "[1,1,1,1,1,1,2]", "[0,8]") "}", "tensor w needs a shape of at most 6 extents"},
        {"{" TENSOR("F32", "[-2]", "[0,8]") "}", "tensor w: extent 1 of its shape is not a whole number >= 0"},
        {"{" TENSOR("F32", "[2,1.5]", "[0,8]") "}", "tensor w: extent 2 of its shape is not a whole number >= 0"},
        {"{" TENSOR("F32", "[4294967296,4294967296]", "[0,8]") "}", "tensor w: its shape is larger than any file"},
        {"{" TENSOR("F32", "[2]", "[8,0]") "}", "tensor w: its data_offsets are not [begin, end]"},
        {"{" TENSOR("F32", "[2]", "[0]") "}", "tensor w: its data_offsets are not [begin, end]"},
        {"{" TENSOR("F32", "[2]", "[-8,0]") "}", "tensor w: its data_offsets are not [begin, end]"},
        {"{" TENSOR("F32", "[3]", "[8,20]") "}",
         "tensor w ends at byte 20 of the data, but the file has only 16: is it cut off?"},
        {"{" TENSOR("F32", "[3]", "[0,8]") "}", "tensor w, F32 (3), takes 12 bytes, not 8"},
        {"{\"v\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}," TENSOR("F32", "[2]", "[0,8]") "}",
         "tensors w and v overlap"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        put(f, strlen(cases[i].header), cases[i].header, (float[4]){1, 2, 3, 4}, 16);
        check_refused(f, cases[i].says);
    }
}

static void files_that_are_something_else(void **state)
{
    const fixture *f = *state;
    px_tensor_file *s;
    put(f, 1000, "{}", NULL, 0);
    check_refused(f, "is not a safetensors file, or is cut off: a header of 1000 bytes in a file of 10");
    put(f, UINT64_MAX, "{}", NULL, 0);
    check_refused(f,
                  "is not a safetensors file, or is cut off: a header of 18446744073709551615 bytes in a file of 10");
    FILE *out = fopen(f->path, "wb");
    assert_int_equal(fclose(out), 0);
    check_refused(f, "is not a safetensors file, it has 0 bytes");
    unlink(f->path);
    check_refused(f, "No such file or directory");
    assert_int_equal(px_tensor_file_open(&s, f->folder), -1);
    assert_non_null(strstr(px_error(), ": is not a file"));
}

static void a_folder_that_is_not_there(void **state)
{
    const fixture *f = *state;
    char *path = px_format("%s/none/w.safetensors", f->folder);
    const px_stored_tensor t = {.name = "w", .type = "F32", .shape = PX_SHAPE(1), .data = &(float){1}};
    assert_int_equal(px_safetensors_write(path, &t, 1, NULL, 0), -1);
    assert_non_null(strstr(px_error(), "cannot be written: No such file or directory"));
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),    cmocka_unit_test(every_real_type),
        cmocka_unit_test(headers_that_lie),           cmocka_unit_test(files_that_are_something_else),
        cmocka_unit_test(a_folder_that_is_not_there),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

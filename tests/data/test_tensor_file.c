/* test_tensor_file.c - files that torch.save wrote (torch/, by make_torch_fixtures.py): every tensor is found with its
 * numbers; what is not weights is refused by name; damaged files of any kind end in one line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "data/tensor_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The path of a fixture: a new string. */
static char *fixture(const char *name)
{
    const char *folder = getenv("TORCH_FILES");
    assert_non_null(folder);
    return px_format("%s/%s", folder, name);
}

static px_tensor_file *open_fixture(const char *name)
{
    px_tensor_file *f = NULL;
    char *path = fixture(name);
    if (px_tensor_file_open(&f, path) != 0)
        fail_msg("%s", px_error());
    free(path);
    return f;
}

static void check(const px_tensor_file *f, const char *name, const char *type, px_shape shape, const float *values)
{
    float read[24];
    const px_stored_tensor *t = px_tensor_file_find(f, name);
    assert_non_null(t);
    assert_string_equal(t->type, type);
    assert_true(px_shape_equal(t->shape, shape));
    assert_true(px_shape_count(shape) <= 24);
    px_stored_tensor_read(t, read);
    for (int i = 0; i < px_shape_count(shape); i++)
        assert_true(read[i] == values[i]);
}

static void check_tensors(const char *name)
{
    px_tensor_file *f = open_fixture(name);
    float counting[24], view[6] = {13, 14, 17, 18, 21, 22}, some[3] = {1.5f, -2, 0.25f};
    for (int i = 0; i < 24; i++)
        counting[i] = (float)i;
    assert_int_equal(px_tensor_file_count(f), 7);
    check(f, "conv", "F32", PX_SHAPE(2, 3, 4), counting);
    check(f, "view", "F32", PX_SHAPE(3, 2), view);
    check(f, "half", "F16", PX_SHAPE(3), some);
    check(f, "brain", "BF16", PX_SHAPE(3), some);
    check(f, "double", "F64", (px_shape){0}, &(float){3.25f});
    check(f, "empty", "F32", PX_SHAPE(0, 5), NULL);
    const px_stored_tensor *count = px_tensor_file_find(f, "count");
    assert_non_null(count);
    assert_string_equal(count->type, "I64");
    assert_false(px_stored_tensor_is_real(count));
    assert_memory_equal(count->data, &(int64_t){7}, sizeof(int64_t));
    px_tensor_file_close(f);
}

static void zips(void **state)
{
    (void)state;
    check_tensors("tensors.pth");
}

static void the_format_before_1_6(void **state)
{
    (void)state;
    check_tensors("older.pth");
}

static void names_are_paths(void **state)
{
    (void)state;
    px_tensor_file *f = open_fixture("nested.ckpt");
    static const char *const names[] = {"optimizer.state.0.step", "state_dict.list.0", "state_dict.list.1.0",
                                        "state_dict.module.w"};
    assert_int_equal(px_tensor_file_count(f), 4);
    for (int i = 0; i < 4; i++)
        assert_string_equal(px_tensor_file_at(f, i)->name, names[i]);
    check(f, "state_dict.module.w", "F32", PX_SHAPE(2), (float[]){1, 1});
    px_tensor_file_close(f);
    f = open_fixture("linear.pth"); /* with the attribute _metadata */
    assert_int_equal(px_tensor_file_count(f), 2);
    px_tensor_file_close(f);
}

static void check_refused(const char *path, const char *says)
{
    px_tensor_file *f = NULL;
    assert_int_equal(px_tensor_file_open(&f, path), -1);
    assert_int_equal(px_error_status(), PX_DATA);
    if (!strstr(px_error(), says))
        fail_msg("\"%s\" does not say \"%s\"", px_error(), says);
}

static void what_is_not_weights_is_named(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"module.pth", "Python's class torch.nn.modules.linear.Linear"},
                                           {"script.pt", "is a program of TorchScript"},
                                           {"empty.pth", "holds no tensors"},
                                           {"number.pth", "is not a dictionary of tensors"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *path = fixture(cases[i][0]);
        check_refused(path, cases[i][1]);
        free(path);
    }
}

/* ---- files that the test writes ---- */

typedef struct bytes {
    uint8_t byte[1 << 14];
    size_t size;
} bytes;

static void put(bytes *b, const void *from, size_t size)
{
    assert_true(b->size + size <= sizeof b->byte);
    memcpy(b->byte + b->size, from, size);
    b->size += size;
}

static char *write_bytes(const void *from, size_t size)
{
    const char *root = getenv("TMPDIR");
    char *path = px_format("%s/px-tensors-XXXXXX", root ? root : "/tmp");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, from, size), (ssize_t)size);
    close(fd);
    return path;
}

static void check_bytes(const void *from, size_t size, const char *says)
{
    char *path = write_bytes(from, size);
    check_refused(path, says);
    unlink(path);
    free(path);
}

#define PICKLE(text) text, sizeof(text) - 1

/* The older format around the pickle of the contents; no storages. */
static void check_pickle(const char *pickle, size_t size, const char *says)
{
    bytes b = {.size = 0};
    put(&b, PICKLE("\x80\2\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."));
    put(&b, PICKLE("\x80\2M\xe9\3."));
    put(&b, PICKLE("\x80\2}."));
    put(&b, pickle, size);
    put(&b, PICKLE("\x80\2]."));
    check_bytes(b.byte, b.size, says);
}

#define STORAGE                                                                                                        \
    "(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"                                                                 \
    "0X\3\0\0\0cpuK\4tQ"
#define TENSOR "ctorch._utils\n_rebuild_tensor_v2\n"

static void pickles_that_do_more_than_hold_tensors(void **state)
{
    (void)state;
    check_pickle(PICKLE("\x80\2cos\nsystem\nX\2\0\0\0id\x85R."), "Python's class os.system;");
    check_pickle(PICKLE("\x80\4\x8c\2os\x8c\6system\x93."), "Python's class os.system;");
    check_pickle(PICKLE("\x80\2cbuiltins\neval\n."), "Python's class builtins.eval;");
    check_pickle(PICKLE("\x80\2ctorch\nnn\n."), "Python's class torch.nn;");
    check_pickle(PICKLE("\x80\2(ios\nsystem\n."), "is the instruction 0x69, which weights do not need");
    check_pickle(PICKLE("\x80\2\x82\1."), "is the instruction 0x82");
    check_pickle(PICKLE("\x80\2}ccollections\nOrderedDict\n}b."), "attributes of what has none");
    check_pickle(PICKLE("\x80\2ccollections\nOrderedDict\nK\1\x85R."), "with arguments that PyTorch does not give it");
}

static void pickles_that_are_damaged(void **state)
{
    (void)state;
    check_pickle(PICKLE("\x80\2}X\1\0\0\0a" TENSOR "(" STORAGE "K\0K\2\x85K\1\x85\x89}tRs."),
                 "the numbers of tensor a are not there (storage 0)");
    check_pickle(PICKLE("\x80\2}X\1\0\0\0a" TENSOR "(" STORAGE "K\0K\2\x85)\x89}tRs."),
                 "other arguments than PyTorch's");
    check_pickle(PICKLE("\x80\2}X\1\0\0\0a" TENSOR "(" STORAGE "K\0J\xff\xff\xff\xff\x85K\1\x85\x89}tRs."),
                 "an extent or a stride that is not a whole number >= 0");
    check_pickle(
        PICKLE("\x80\2}X\1\0\0\0a" TENSOR "(" STORAGE "K\0(K\1K\1K\1K\1K\1K\1K\1t(K\1K\1K\1K\1K\1K\1K\1t\x89}tRs."),
        "has a tensor of 7 axes");
    check_pickle(PICKLE("\x80\2(X\7\0\0\0storageK\1X\1\0\0\0"
                        "0X\3\0\0\0cpuK\4tQ."),
                 "is not a tensor's storage");
    check_pickle(PICKLE("\x80\2h\5."), "the memo has no such number");
    check_pickle(PICKLE("\x80\2}r\xff\xff\xff\xff."), "larger than what came before");
    check_pickle(PICKLE("\x80\2t."), "there is no mark");
    check_pickle(PICKLE("\x80\2}(K\1e."), "does not find what it needs");
    check_pickle(PICKLE("\x80\2}(K\1u."), "does not find what it needs");
    check_pickle(PICKLE("\x80\2K\1\x86."), "too few elements");
    check_pickle(PICKLE("\x80\2."), "does not find what it needs");
    check_pickle(PICKLE("\x80\2X\xff\xff\xff\x7f"), "it ends within an instruction");
    check_pickle(PICKLE("\x80\2}q\0X\1\0\0\0ah\0s."), "nested more than 16 deep"); /* it holds itself */
}

/* As Python 2 writes it: OrderedDict([["a", tensor]]), a list in place of a tuple. */
static void an_ordered_dict_of_lists(void **state)
{
    (void)state;
    bytes b = {.size = 0};
    put(&b, PICKLE("\x80\2\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."));
    put(&b, PICKLE("\x80\2M\xe9\3."));
    put(&b, PICKLE("\x80\2}."));
    put(&b, PICKLE("\x80\2ccollections\nOrderedDict\n]](X\1\0\0\0a" TENSOR "(" STORAGE "K\0K\2\x85K\1\x85\x89}tRea"
                   "](X\1\0\0\0bK\7ea\x85R."));
    put(&b, PICKLE("\x80\2]X\1\0\0\0"
                   "0a."));
    put(&b, &(int64_t){4}, sizeof(int64_t));
    put(&b, (float[]){5, 6, 7, 8}, 4 * sizeof(float));
    px_tensor_file *f = NULL;
    char *path = write_bytes(b.byte, b.size);
    assert_int_equal(px_tensor_file_open(&f, path), 0);
    assert_int_equal(px_tensor_file_count(f), 1);
    check(f, "a", "F32", PX_SHAPE(2), (float[]){5, 6});
    px_tensor_file_close(f);
    unlink(path);
    free(path);
    check_pickle(PICKLE("\x80\2ccollections\nOrderedDict\n]](K\1K\2K\3ea\x85R."), "something else than pairs");
    check_pickle(PICKLE("\x80\2ccollections\nOrderedDict\n]K\1a\x85R."), "something else than pairs");
}

/* Fourteen dictionaries, each of which holds the one before three times: millions of paths. */
static void a_pickle_that_explodes(void **state)
{
    (void)state;
    bytes b = {.size = 0};
    put(&b, PICKLE("\x80\2}q\0"));
    for (int i = 1; i <= 14; i++) {
        put(&b, PICKLE("}(K\1h"));
        put(&b, &(uint8_t){(uint8_t)(i - 1)}, 1);
        put(&b, PICKLE("K\2h"));
        put(&b, &(uint8_t){(uint8_t)(i - 1)}, 1);
        put(&b, PICKLE("K\3h"));
        put(&b, &(uint8_t){(uint8_t)(i - 1)}, 1);
        put(&b, PICKLE("uq"));
        put(&b, &(uint8_t){(uint8_t)i}, 1);
    }
    put(&b, ".", 1);
    check_pickle((const char *)b.byte, b.size, "hold too much, or have too long names, for weights");
}

static void other_files(void **state)
{
    (void)state;
    check_bytes(PICKLE("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"), "is a Git LFS pointer");
    check_bytes(PICKLE("\x89HDF\r\n\x1a\n        "), "is an HDF5 file");
    check_bytes(PICKLE("<!DOCTYPE html><html>"), "is a web page");
    check_bytes(PICKLE("\x80\4}\x94(K\1K\2u.    "), "is a pickle that torch.save did not write");
    check_bytes(PICKLE("PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), "is damaged or cut off");
}

static uint8_t *read_fixture(const char *name, size_t *size)
{
    char *path = fixture(name);
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    uint8_t *all = px_calloc(1 << 16, 1);
    *size = fread(all, 1, 1 << 16, in);
    fclose(in);
    free(path);
    return all;
}

/* Cut off anywhere a file is refused; with a changed byte it is read or refused. */
static void damaged_anywhere(void **state)
{
    (void)state;
    static const char *const names[] = {"older.pth", "tensors.pth"};
    for (int k = 0; k < 2; k++) {
        size_t size;
        uint8_t *all = read_fixture(names[k], &size);
        for (size_t i = 0; i < size; i += 3) {
            px_tensor_file *f = NULL;
            char *path = write_bytes(all, i);
            assert_int_equal(px_tensor_file_open(&f, path), -1);
            assert_int_equal(px_error_status(), PX_DATA);
            unlink(path);
            free(path);
            all[i] ^= 0x15;
            path = write_bytes(all, size);
            if (px_tensor_file_open(&f, path) == 0)
                px_tensor_file_close(f);
            all[i] ^= 0x15;
            unlink(path);
            free(path);
        }
        free(all);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zips),
        cmocka_unit_test(the_format_before_1_6),
        cmocka_unit_test(names_are_paths),
        cmocka_unit_test(what_is_not_weights_is_named),
        cmocka_unit_test(pickles_that_do_more_than_hold_tensors),
        cmocka_unit_test(pickles_that_are_damaged),
        cmocka_unit_test(an_ordered_dict_of_lists),
        cmocka_unit_test(a_pickle_that_explodes),
        cmocka_unit_test(other_files),
        cmocka_unit_test(damaged_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

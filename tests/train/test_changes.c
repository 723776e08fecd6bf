/* test_changes.c - what is said of settings that differ when a run is resumed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "train/changes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check_told(const px_changes *c, const char *text)
{
    char *told = NULL;
    size_t size;
    FILE *out = open_memstream(&told, &size);
    px_log log = px_log_make(out, false);
    px_changes_tell(&log, c);
    fclose(out);
    assert_string_equal(told, text);
    free(told);
}

#define WAS "warning: resumed with a different setting: "

static void what_differs_is_told(void **state)
{
    (void)state;
    check_told(&(px_changes){.before = "epochs = 2.0;\noptim = {\n  lr = 0.1;\n};\n",
                             .now = "epochs = 4.0;\noptim = {\n  lr = 0.2;\n};\n",
                             .asked = "",
                             .usual = ""},
               WAS "epochs = 4.0 (was: 2.0)\n" WAS "optim.lr = 0.2 (was: 0.1)\n");
    check_told(&(px_changes){.before = "epochs = 1.0e+01;\n", .now = "epochs = 1.25e+01;\n", .asked = "", .usual = ""},
               WAS "epochs = 12.5 (was: 10.0)\n");
    check_told(&(px_changes){.before = "old = 1;\n", .now = "", .asked = "", .usual = ""}, WAS "old = none (was: 1)\n");
}

/* The value may be "auto" that was resolved for the images. */
static void new_settings_with_usual_values_are_no_change(void **state)
{
    (void)state;
    px_changes c = {.before = "seed = 1;\n",
                    .now = "seed = 1;\nvit = {\n  heads = 3;\n  stem = \"3x3\";\n};\n",
                    .asked = "seed = 1;\nvit = {\n  heads = 0;\n  stem = \"auto\";\n};\n",
                    .usual = "seed = 5;\nvit = {\n  heads = 0;\n  stem = \"auto\";\n};\n"};
    check_told(&c, "");
    c.asked = "seed = 1;\nvit = {\n  heads = 12;\n  stem = \"auto\";\n};\n";
    check_told(&c, WAS "vit.heads = 3 (was: none)\n");
}

/* They change the network, but no parameter's shape. */
static void other_networks_of_the_same_shapes_are_refused(void **state)
{
    (void)state;
    static const char *const keys[][2] = {
        {"resnet", "max_pool"}, {"mobilenet_v1", "stem"},   {"mobilenet_v2", "stem"}, {"mobilenet_v3", "stem"},
        {"vgg", "last_pool"},   {"googlenet", "transform"}, {"resnet", "shortcuts"},  {"vit", "depth"},
        {"nasnet", "cells"},    {"nasnet", "normal"},       {"nasnet", "reduction"}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        char *before = px_format("%s = {\n  %s = \"a\";\n};\n", keys[i][0], keys[i][1]),
             *now = px_format("%s = {\n  %s = \"b\";\n};\n", keys[i][0], keys[i][1]),
             *says = px_format("is a run with %s.%s = \"a\" and cannot go on with \"b\"", keys[i][0], keys[i][1]);
        for (int read = 0; read < 2; read++) {
            assert_int_equal(px_changes_check(&(px_changes){.before = before, .now = now, .to_read = read}, "runs/a"),
                             -1);
            assert_non_null(strstr(px_error(), says));
        }
        free(before);
        free(now);
        free(says);
    }
}

static void what_makes_another_run_is_refused(void **state)
{
    (void)state;
    px_changes c = {.before = "method = \"mae\";\nvit = {\n  heads = 3;\n};\n",
                    .now = "method = \"mae\";\nvit = {\n  heads = 6;\n};\n"};
    assert_int_equal(px_changes_check(&c, "runs/a"), -1);
    assert_int_equal(px_error_status(), PX_USAGE);
    assert_string_equal(px_error(),
                        "runs/a: is a run with vit.heads = 3 and cannot go on with 6; pretext export runs/a "
                        "out=w.safetensors and init=w.safetensors give its weights to another run");
    c.now = c.before;
    assert_int_equal(px_changes_check(&c, "runs/a"), 0);
    c.before = "method = \"mae\";\n"; /* of a version without that option */
    assert_int_equal(px_changes_check(&c, "runs/a"), 0);
}

static void numbers(void **state)
{
    (void)state;
    static const char text[] = "linear = {\n  batch = 512;\n};\nbatch = 64;\n";
    assert_true(px_changes_number(text, "batch") == 64);
    assert_true(px_changes_number(text, "epochs") == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_differs_is_told),
        cmocka_unit_test(new_settings_with_usual_values_are_no_change),
        cmocka_unit_test(other_networks_of_the_same_shapes_are_refused),
        cmocka_unit_test(what_makes_another_run_is_refused),
        cmocka_unit_test(numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

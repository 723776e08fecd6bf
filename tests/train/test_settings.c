/* test_settings.c - where settings come from: the tables' defaults, the method's, the file, the command line, of which
 * later ones win; and the resolved text, which reads back as itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "train/changes.h"
#include "train/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Writes a configuration file with this text; the caller removes it. */
static char *write_config(const char *text)
{
    const char *tmp = getenv("TMPDIR");
    char *path = px_format("%s/pretext-settings-XXXXXX", tmp ? tmp : "/tmp");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    return path;
}

static void later_ones_win(void **state)
{
    (void)state;
    px_settings s;
    assert_int_equal(px_settings_load(&s, NULL, NULL, 0), 0);
    assert_string_equal(s.method->name, "simclr"); /* the table's */
    assert_string_equal(s.backbone->name, "resnet18");
    assert_int_equal(s.optim.optimizer, PX_LARS); /* SimCLR's, over the table's sgd */
    assert_int_equal(s.train.batch, 512);
    assert_true(s.optim.momentum == 0.9); /* the table's: SimCLR says nothing of it */
    px_settings_finish(&s);

    char *path = write_config(
        "batch = 64;\nseed = 5;\noptim = { lr = 0.25; optimizer = \"sgd\"; };\nresnet = { width = 0.5; };\n");
    const char *const given[] = {"seed=7", "optim.optimizer=adamw"};
    assert_int_equal(px_settings_load(&s, path, given, 2), 0);
    assert_int_equal(s.train.batch, 64); /* the file's, over the method's */
    assert_true(s.optim.lr == 0.25);
    assert_int_equal(s.train.seed, 7); /* the command line's, over the file's */
    assert_int_equal(s.optim.optimizer, PX_ADAMW);
    assert_true(s.optim.warmup_epochs == 10); /* still the method's */
    px_settings_finish(&s);
    unlink(path);
    free(path);
}

/* method= decides which groups exist, wherever it is written. */
static void groups_follow_the_method(void **state)
{
    (void)state;
    px_settings s;
    const char *const wrong[] = {"simclr.temperature=1", "method=supervised"};
    if (!px_method_find("supervised"))
        skip();
    const px_option *o = px_method_find("supervised")->options;
    if (o && o->name) {
        char *first = px_format("supervised.%s=%s", o->name, o->def);
        assert_int_equal(px_settings_load(&s, NULL, (const char *const[]){first, wrong[1]}, 2), 0);
        px_settings_finish(&s);
        free(first);
    }
    assert_int_equal(px_settings_load(&s, NULL, wrong, 2), -1);
    assert_int_equal(px_error_status(), PX_USAGE);
    assert_non_null(strstr(px_error(), "simclr"));
}

/* The resolved text is complete: every choice can be read back from it alone, for every method. */
static void text_reads_back(void **state)
{
    (void)state;
    const px_method *m;
    for (int i = 0; (m = px_method_at(i)); i++) {
        px_settings a, b;
        char *method = px_format("method=%s", m->name);
        const char *const given[] = {method, "optim.lr=0.3", "out=some \"where\"", "optim.steps=[3, 4.5]",
                                     "data.normalize=true"};
        if (px_settings_load(&a, NULL, given, 5) != 0)
            fail_msg("%s", px_error());
        char *text = px_config_text(a.config);
        if (px_settings_load_text(&b, text, "the text", NULL, 0) != 0)
            fail_msg("%s", px_error());
        char *again = px_config_text(b.config);
        assert_string_equal(text, again);
        assert_ptr_equal(a.method, b.method);
        assert_ptr_equal(a.backbone, b.backbone);
        assert_string_equal(b.train.out, "some \"where\"");
        assert_true(b.optim.lr == 0.3 && b.optim.steps.count == 2 && b.optim.steps.value[1] == 4.5);
        assert_int_equal(b.data.normalize, PX_NORMALIZE_TRUE);
        free(again);
        px_settings_finish(&b);
        assert_int_equal(px_settings_load_text(&b, text, "the text", (const char *const[]){"optim.lr=0.4"}, 1), 0);
        assert_true(b.optim.lr == 0.4);
        px_settings_finish(&b);
        px_settings_finish(&a);
        free(text);
        free(method);
    }
}

/* The moments that an assignment gives for images of this many channels. */
static bool moments(const char *a, const char *b, int channels, float mean[2], float std[2])
{
    static const float own_mean[] = {0.4f, 0.3f, 0.2f}, own_std[] = {0.1f, 0.2f, 0.3f};
    px_settings s;
    bool normalized;
    assert_int_equal(px_settings_load(&s, NULL, (const char *const[]){a, b, "data.std=0.25"}, 3), 0);
    assert_int_equal(px_settings_moments(&s, own_mean, own_std, channels, &normalized), 0);
    for (int c = 0; c < 2; c++) {
        mean[c] = s.moments.mean[c];
        std[c] = s.moments.std[c];
    }
    px_settings_finish(&s);
    return normalized;
}

static void check_moments(const char *a, const char *b, float mean, float std, float next_mean, float next_std)
{
    float m[2], d[2];
    assert_true(moments(a, b, 3, m, d));
    assert_true(m[0] == mean && m[1] == next_mean && d[0] == std && d[1] == next_std);
}

static void refuse_moments(const char *a, const char *b, int channels, const char *says)
{
    px_settings s;
    bool normalized;
    assert_int_equal(px_settings_load(&s, NULL, (const char *const[]){a, b}, 2), 0);
    assert_int_equal(px_settings_moments(&s, NULL, NULL, channels, &normalized), -1);
    assert_string_equal(px_error(), says);
    px_settings_finish(&s);
}

static void pixels_are_normalized_as_said(void **state)
{
    (void)state;
    float m[2], d[2];
    assert_false(moments("data.normalize=auto", "seed=1", 3, m, d));
    assert_false(moments("data.normalize=none", "seed=1", 3, m, d));
    assert_false(moments("data.normalize=false", "seed=1", 3, m, d));
    check_moments("data.normalize=dataset", "seed=1", 0.4f, 0.1f, 0.3f, 0.2f);
    check_moments("data.normalize=true", "seed=1", 0.4f, 0.1f, 0.3f, 0.2f);
    check_moments("data.normalize=imagenet", "seed=1", 0.485f, 0.229f, 0.456f, 0.224f);
    check_moments("data.normalize=half", "seed=1", 0.5f, 0.5f, 0.5f, 0.5f);
    check_moments("data.normalize=given", "data.mean=[0.5, 0.25, 0]", 0.5f, 0.25f, 0.25f, 0.25f);
    refuse_moments("data.normalize=imagenet", "seed=1", 1,
                   "data.normalize = imagenet is for images of 3 channels, but these have 1");
    refuse_moments(
        "data.normalize=given", "data.mean=[1, 2]", 3,
        "data.normalize = given needs data.mean = [...] with a number for each of the images' 3 channels, or one "
        "for all; it has 2; data.normalize=dataset takes the data set's own");
    /* as files of before have it */
    px_settings s;
    assert_int_equal(px_settings_load_text(&s, "data = { normalize = true; };", "a file", NULL, 0), 0);
    assert_int_equal(s.data.normalize, PX_NORMALIZE_TRUE);
    px_settings_finish(&s);
}

/* data.normalize was a flag once. */
static void older_words_for_the_same_are_no_change(void **state)
{
    static const char *const cases[][3] = {{"false", "\"auto\"", ""},
                                           {"\"false\"", "\"none\"", ""},
                                           {"true", "\"dataset\"", ""},
                                           {"true", "\"none\"", "data.normalize = \"none\" (was: true)"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *before = px_format("data = {\n  normalize = %s;\n};\n", cases[i][0]);
        char *now = px_format("data = {\n  normalize = %s;\n};\n", cases[i][1]), *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);
        px_log log = px_log_make(out, false);
        px_changes_tell(&log, &(px_changes){.before = before, .now = now, .asked = "", .usual = ""});
        fclose(out);
        assert_true(cases[i][2][0] ? strstr(text, cases[i][2]) != NULL : text[0] == '\0');
        free(text);
        free(before);
        free(now);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(later_ones_win), cmocka_unit_test(groups_follow_the_method), cmocka_unit_test(text_reads_back),
        cmocka_unit_test(older_words_for_the_same_are_no_change), cmocka_unit_test(pixels_are_normalized_as_said)};
    return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}

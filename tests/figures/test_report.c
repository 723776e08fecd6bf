/* test_report.c - runs as a page: it is well formed and needs nothing else, has what the run has, and texts of files stay texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "figures/html.h"
#include "figures/report.h"
#include "page.h"
#include "results/ledger.h"
#include "results/measured.h"
#include "test_folder.h"

#include <string.h>
#include <sys/stat.h>

static char *page;

static int setup_page(void **state)
{
    int bad = setup(state);
    page = px_format("%s/page.html", bad ? "" : folder);
    return bad;
}

static int teardown_page(void **state)
{
    free(page);
    return teardown(state);
}

/* The page of these runs; a new string. */
static char *page_of(const char *const runs[], int count, int refresh)
{
    if (px_report_save(page, runs, count, &(px_report_form){.refresh = refresh}, NULL) != 0)
        fail_msg("%s", px_error());
    return read_all(page);
}

static void has(const char *text, const char *wanted)
{
    if (!strstr(text, wanted))
        fail_msg("the page does not have: %s", wanted);
}

/* ---- pieces ---- */

typedef void write_text(FILE *, const char *);

static char *written(write_text *write, const char *text)
{
    char *got;
    size_t size;
    FILE *out = open_memstream(&got, &size);
    write(out, text);
    fclose(out);
    return got;
}

static void test_text(void **state)
{
    (void)state;
    static const struct {
        write_text *write;
        const char *text, *expected;
    } cases[] = {
        {px_html_text, "a<b>&\"'", "a&lt;b&gt;&amp;&quot;&#39;"},
        {px_html_text, "&lt;", "&amp;lt;"},
        {px_html_text, "one\ntwo\033[31m\177", "one?two?[31m?"},
        {px_html_text, "Knöchel 猫", "Knöchel 猫"},
        {px_html_text, "bad \xff\xc3(",
         "bad ?"
         "?("},
        {px_html_text,
         "gpj.\xE2\x80\xAE"
         "exe \xE2\x81\xA6x\xE2\x81\xA9 \xE2\x80\x93",
         "gpj.?exe ?x? \xE2\x80\x93"},
        {px_html_text, "ends in \xE2\x80", "ends in ??"},
        {px_html_lines, "a\tb\n<c>\r", "a\tb\n&lt;c&gt;?"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *got = written(cases[i].write, cases[i].text);
        assert_string_equal(got, cases[i].expected);
        free(got);
    }
}

/* RFC 4648, section 10. */
static void test_base64(void **state)
{
    (void)state;
    static const char *const encoded[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    for (size_t n = 0; n < sizeof encoded / sizeof *encoded; n++) {
        char *got, *expected = px_format("data:image/png;base64,%s", encoded[n]);
        size_t size;
        FILE *out = open_memstream(&got, &size);
        px_html_png(out, "foobar", n);
        fclose(out);
        assert_string_equal(got, expected);
        free(got);
        free(expected);
    }
}

/* What becomes of a picture; NULL: it is refused. */
static char *taken(const char *svg)
{
    char *got;
    size_t size;
    FILE *out = open_memstream(&got, &size);
    int status = px_html_svg(out, svg, "p1-", "two \"lines\"");
    fclose(out);
    if (status == 0)
        return got;
    assert_int_equal(px_error_status(), PX_DATA);
    free(got);
    return NULL;
}

static void test_svg(void **state)
{
    (void)state;
    char *got =
        taken("<?xml version='1.0'?>\n<svg width=\"9\" viewBox='0 0 9 9' xmlns='http://www.w3.org/2000/svg'>"
              "<title>x</title><desc>y<b/></desc><!-- z --><defs><filter id='f'><feFlood/></filter><circle id='gpDot' "
              "r='1'/></defs>"
              "<g clip-path=\"url(#c)\"><use xlink:href='#gpDot' color = '#00ff00'/><text>a &lt; b</text></g></svg>\n");
    assert_non_null(got);
    assert_string_equal(got, "<svg viewBox=\"0 0 9 9\" role=\"img\" aria-label=\"two &quot;lines&quot;\">"
                             "<defs><circle id=\"p1-gpDot\" r=\"1\"/></defs>"
                             "<g clip-path=\"url(#p1-c)\"><use xlink:href=\"#p1-gpDot\" color=\"#00ff00\"/><text>a "
                             "&lt; b</text></g></svg>\n");
    free(got);
}

static void test_svg_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "PNG",
        "<svg><script>alert(1)</script></svg>",
        "<svg onload=\"alert(1)\"></svg>",
        "<svg><a href=\"http://example.org\"><text>x</text></a></svg>",
        "<svg><use xlink:href=\"http://example.org/x.svg#y\"/></svg>",
        "<svg><image href=\"data:image/svg+xml;base64,AAAA\"/></svg>",
        "<svg><rect fill=\"url(http://example.org/x)\"/></svg>",
        "<svg><rect style=\"fill:red\"/></svg>",
        "<svg><foreignObject></foreignObject></svg>",
        "<svg><g",
        "<svg><g a=b></g></svg>",
        "<svg><g a=\"<script>\"></g></svg>",
        "<svg><title>never ends",
        "<svg><!-- never ends",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *got = taken(bad[i]);
        if (got)
            fail_msg("%s was taken: %s", bad[i], got);
    }
}

/* ---- pages ---- */

static void test_one_run(void **state)
{
    (void)state;
    assert_int_equal(write_synthetic_run(folder, true), 0);
    char *text = page_of((const char *[]){folder}, 1, 0);
    assert_int_equal(page_check(text, "svg"), 8); /* as many as test_plot.c draws */
    has(text, "<dd>simclr</dd>");
    has(text, "<dt>state</dt><dd>stopped at 2.99 of 3 epochs</dd>");
    has(text, "<dt>checkpoint</dt><dd>none: the run cannot be resumed, probed or exported</dd>");
    has(text, "<dt>top-1</dt><dd>90.00 % (linear probe), 75.00 % (");
    has(text, "<dt>steps</dt><dd>[1.5, 2]</dd>");
    has(text, "<td class=\"n\">75.00</td>"); /* of the nearest neighbours */
    assert_null(strstr(text, "http-equiv=\"refresh\""));
    assert_null(strstr(text, "Comparison"));
    free(text);

    text = page_of((const char *[]){folder}, 1, 7); /* an older page is replaced */
    has(text, "<meta http-equiv=\"refresh\" content=\"7\">");
    free(text);
}

/* Which of a run's last epochs is its last one: steps tell, however many an epoch has. */
static void test_states(void **state)
{
    (void)state;
    static const struct {
        double before, last;
        const char *config;
        bool written;
        const char *state;
    } cases[] = {
        {999.49, 999.5, "epochs = 1000;", false, "stopped at 999.5 of 1000 epochs"},
        {999.96, 999.98, "epochs = 1000;", false, "stopped at 999.98 of 1000 epochs"},
        {999.998, 999.999, "epochs = 1000;", false, "stopped at 999.99 of 1000 epochs"},
        {999.999, 1000, "epochs = 1000.0;", false, "finished: 1000 epochs"},
        {999.999, 1000, "epochs = 1000;", true, "finished: 1000 epochs"}, /* as while it is evaluated */
        {999.998, 999.999, "epochs = 1000;", true, "goes on: 999.99 of 1000 epochs"},
        {2, 2.5, "epochs = 2.3;", false, "finished: 2.5 epochs"}, /* of two steps each */
        {NAN, 1, "epochs = 1;", false, "finished: 1 epochs"},     /* of a single step */
        {NAN, 0.5, "epochs = 1;", false, "stopped at 0.5 of 1 epochs"},
        {NAN, 0.005, "epochs = 0.2;", false, "stopped at 0.005 of 0.2 epochs"},
        {0.001, 0.00123456, "epochs = 0.2;", true, "goes on: 0.001234 of 0.2 epochs"},
        {0.5, 1, "", false, "finished: 1 epochs"},
        {0.5, 1, "", true, "goes on: 1 epochs"},
        {NAN, NAN, "epochs = 1;", false, "was not trained here"},
        {NAN, NAN, "epochs = 1;", true, "being written"},
    };
    static const char *const series[] = {"epoch"};
    char *file = px_format("%s/run.h5", folder);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        px_results *r;
        assert_int_equal(px_results_open(&r, file, PX_RESULTS_APPEND), 0);
        int status = px_results_put_text(r, "/config", cases[i].config) | px_results_series(r, "/train", series, 1);
        status |= px_results_row(r, "/train", 0, series, &cases[i].before, 1);
        status |= px_results_row(r, "/train", 1, series, &cases[i].last, 1);
        status |= px_results_flush(r);
        if (!cases[i].written)
            status |= px_results_close(r);
        assert_int_equal(status, 0);
        char *text = page_of((const char *[]){folder}, 1, 0),
             *wanted = px_format("<dt>state</dt><dd>%s</dd>", cases[i].state);
        has(text, wanted);
        free(wanted);
        free(text);
        if (cases[i].written)
            assert_int_equal(px_results_close(r), 0);
        assert_int_equal(unlink(file), 0);
    }
    free(file);
}

static void test_several_runs(void **state)
{
    (void)state;
    char *a = px_format("%s/a", folder), *b = px_format("%s/b", folder), *file = px_format("%s/b/run.h5", folder);
    assert_int_equal(mkdir(a, 0777) | mkdir(b, 0777), 0);
    assert_int_equal(write_synthetic_run(a, true) | write_synthetic_run(b, false), 0);
    px_results *r;
    assert_int_equal(px_results_open(&r, file, PX_RESULTS_APPEND), 0);
    assert_int_equal(px_results_put_text(r, "/config", "method = \"byol\"; epochs = 4; optim = { lr = 0.1; };"), 0);
    assert_int_equal(px_results_close(r), 0);
    char *text = page_of((const char *[]){a, file}, 2, 0);
    assert_int_equal(page_check(text, "section"), 3);
    has(text, "<h2>Comparison</h2>");
    has(text, "<th scope=\"row\">optim.lr</th><td>0.3</td><td>0.1</td>");
    has(text, "<a href=\"#run-2\">b</a>");
    has(text, "<dd>stopped at 2.99 of 4 epochs</dd>");
    has(text, "<dd>not evaluated</dd>");
    free(text);
    free(file);
    free(b);
    free(a);
}

/* Texts that try to become part of the page wherever a file has some. */
static void test_hostile(void **state)
{
    (void)state;
    static const char bad[] = "</pre></td><script>alert(1)</script>\" onload=\"x' <b>&amp;\033[2J\xE2\x80\xAE";
    static const char *const evil[] = {bad, "<svg/onload=alert(1)>", "--><!--"};
    char *run = px_format("%s/<script>&\"x", folder), *file = px_format("%s/run.h5", run);
    assert_int_equal(mkdir(run, 0777), 0);
    assert_int_equal(write_synthetic_run(run, true), 0);
    px_results *r;
    assert_int_equal(px_results_open(&r, file, PX_RESULTS_APPEND), 0);
    static const char *const series[] = {"<img src=x onerror=alert(1)>"};
    uint8_t pixels[2 * 3 * 3];
    memset(pixels, 200, sizeof pixels);
    int status = px_results_series(r, "/train", series, 1);
    for (int i = 0; i < 5; i++)
        status |= px_results_row(r, "/train", SYNTHETIC_STEPS + i, series, &(double){i}, 1);
    status |= px_results_put_text(r, "/config",
                                  "method = \"<script>alert(2)</script>\"; epochs = 3.0;\n"
                                  "optim = { lr = \"\\\"><img src=x>\"; };\n");
    status |= px_results_put(r, "/figures/<b>", PX_U8, 3, (int64_t[]){2, 3, 3}, pixels);
    status |= px_results_attribute_text(r, "/figures/<b>", "caption", bad);
    status |= px_results_put_texts(r, "/eval/linear/class_names", evil, 3);
    status |= px_results_put_texts(r, "/eval/knn/class_names", evil, 3);
    status |= px_measured_begin(r, "/eval/knn/<i>subject", "data = <script>\ntest = \"</pre>\ntrain = & '\n");
    status |= put_neighbours(r, "/eval/knn/<i>subject", 1);
    status |= px_results_put(r, "/eval/knn/<i>subject/top1", PX_F64, 0, NULL, &(double){0.5});
    status |= px_results_attribute_text(r, "/provenance/1", "command", bad);
    status |= px_results_attribute_text(r, "/provenance/1", "hosts", "<script>");
    status |= px_results_attribute_text(r, "/provenance", "versions", bad);
    status |= px_results_close(r);
    assert_int_equal(status, 0);
    char *text = page_of((const char *[]){run, run}, 2, 0);
    assert_true(page_check(text, "svg") > 5);
    assert_int_equal(page_check(text, "img"), 2 * (1 + 8)); /* of each run a picture, and neighbours */
    assert_null(strstr(text, "<script"));
    assert_null(strchr(text, '\033'));
    assert_null(strstr(text, "\xE2\x80\xAE"));
    has(text, "&lt;/pre&gt;&lt;/td&gt;&lt;script&gt;alert(1)");
    has(text, "data = &lt;script&gt;\n");
    has(text, "<td class=\"right\"><img ");
    has(text, "<div>× &lt;svg/");
    free(text);
    free(file);
    free(run);
}

static void test_refusals(void **state)
{
    (void)state;
    const px_report_form form = {0};
    assert_int_equal(px_report_save(page, (const char *[]){folder}, 1, &form, NULL), -1); /* no run.h5 */
    assert_int_equal(px_error_status(), PX_DATA);
    assert_int_not_equal(access(page, F_OK), 0);

    assert_int_equal(px_report_check(page), 0);
    FILE *f = fopen(page, "w");
    assert_non_null(f);
    fputs("my notes\n", f);
    fclose(f);
    assert_int_equal(px_report_check(page), -1);
    assert_int_equal(px_error_status(), PX_USAGE);
    assert_non_null(strstr(px_error(), "is not a page (HTML)"));

    char *nowhere = px_format("%s/none/page.html", folder);
    assert_int_equal(write_synthetic_run(folder, false), 0);
    assert_int_equal(px_report_save(nowhere, (const char *[]){folder}, 1, &form, NULL), -1);
    assert_non_null(strstr(px_error(), "page.html: cannot be written: No such file or directory"));
    free(nowhere);
}

/* Without gnuplot there is a page all the same, which says what it lacks. */
static void test_without_gnuplot(void **state)
{
    (void)state;
    assert_int_equal(write_synthetic_run(folder, true), 0);
    char *path = px_strdup(getenv("PATH"));
    setenv("PATH", folder, 1);
    char *text = page_of((const char *[]){folder}, 1, 0);
    setenv("PATH", path, 1);
    assert_int_equal(page_check(text, "svg"), 0);
    has(text, "No figures: gnuplot is not installed: apt install gnuplot-nox");
    has(text, "<dd>90.00 % (linear probe), ");
    free(text);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_svg),
        cmocka_unit_test(test_svg_refused),
        cmocka_unit_test_setup_teardown(test_one_run, setup_page, teardown_page),
        cmocka_unit_test_setup_teardown(test_states, setup_page, teardown_page),
        cmocka_unit_test_setup_teardown(test_several_runs, setup_page, teardown_page),
        cmocka_unit_test_setup_teardown(test_hostile, setup_page, teardown_page),
        cmocka_unit_test_setup_teardown(test_refusals, setup_page, teardown_page),
        cmocka_unit_test_setup_teardown(test_without_gnuplot, setup_page, teardown_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_layout.c - which folders of image files are splits and classes: a table of trees as people have them, each as a
 * folder and as an archive. docs/files.md has the rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/catalog.h"
#include "layout_trees.h"
#include "make_data.h"

#include <strings.h>
#include <time.h>

/* ---- making the trees -------------------------------------------------------------------------------------------- */

static bool next_file(const char **list, char file[200])
{
    *list += strspn(*list, " ");
    size_t length = strcspn(*list, " ");
    snprintf(file, 200, "%.*s", (int)length, *list);
    *list += length;
    return length > 0;
}

/* Gives the bytes of a file by its name; NULL: it is a folder. */
static blob content_of(const tree *t, char *file)
{
    size_t length = strlen(file);
    if (t->labels && strcmp(file, t->labels) == 0)
        return (blob){(uint8_t *)px_strdup(t->text), strlen(t->text)};
    if (t->names && strcmp(file, t->names) == 0)
        return (blob){(uint8_t *)px_strdup(t->words), strlen(t->words)};
    if (file[length - 1] == '/')
        return (blob){NULL, 0};
    const char *dot = strrchr(file, '.');
    if (dot && strcasecmp(dot, ".png") == 0)
        return make_flat_png(4, 4, 3, 9);
    if (file[length - 1] == '!')
        file[length - 1] = '\0';
    return (blob){(uint8_t *)px_strdup("text"), 4};
}

static char *make_tree(const char *folder, const tree *t)
{
    char file[200];
    const char *root = t->source ? t->source : "set";
    for (const char *list = t->files; next_file(&list, file);) {
        blob b = content_of(t, file);
        char *name = px_format("%s/%s%s", root, file, b.bytes ? "" : "x");
        char *path = write_file(folder, name, b.bytes ? (void *)b.bytes : "", b.size);
        if (!b.bytes)
            unlink(path); /* leaves the folder */
        free(path);
        free(name);
        free(b.bytes);
    }
    return px_format("%s/%s", folder, root);
}

/* Backwards, so that nothing depends on the order. */
static char *make_archive(const char *folder, const tree *t)
{
    char file[200], *path = px_format("%s/%s.tar.gz", folder, t->source ? t->source : "set");
    struct archive *a = begin_archive(path, ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_GZIP);
    int files = 0;
    for (const char *list = t->files; next_file(&list, file);)
        files++;
    for (int k = files - 1; k >= 0; k--) {
        const char *list = t->files;
        for (int i = 0; i <= k; i++)
            next_file(&list, file);
        blob b = content_of(t, file);
        add_entry(a, file, b.bytes, b.size);
        free(b.bytes);
    }
    end_archive(a);
    return path;
}

/* ---- what was understood ----------------------------------------------------------------------------------------- */

/* In the words of the table. */
static char *describe(const px_catalog *c)
{
    char *text = px_strdup("");
    for (int s = 0; s < c->splits.count; s++) {
        if (c->in_split[s] == 0)
            continue;
        char *longer = px_format("%s%s%s", text, *text ? ", " : "", px_split_name(c, s));
        free(text);
        text = longer;
        for (int class = -1; class < c->classes; class ++) {
            int images = 0;
            for (size_t k = 0; k < c->block_count; k++) {
                int split = c->split_of_row ? c->split_of_row[c->blocks[k].row] : c->blocks[k].split;
                images += split == s && c->blocks[k].label == class;
            }
            if (images == 0)
                continue;
            longer = px_format("%s %s %d", text, class < 0 ? "-" : c->class_names[class], images);
            free(text);
            text = longer;
        }
    }
    return text;
}

/* How many links were left out by the last understand(). */
static int64_t lost_links;

static char *understand(const char *source, const tree *t)
{
    px_pack_options o = {.class_names = ""};
    px_log log = px_log_make(stderr, true);
    px_catalog c = {0};
    const char *const sources[] = {source}; /* the catalog keeps the array */
    o.split = t->split ? t->split : "";
    o.classes = t->classes;
    o.bad = t->bad;
    o.labels = t->labels;
    o.class_names = t->names ? t->names : "";
    char *seen, *text = NULL;
    if (px_catalog_make(&c, sources, 1, &o, &log) != 0)
        seen = px_format("! %s", px_error());
    else if (c.bad_count > 0 && t->bad == PX_BAD_STOP)
        seen = px_format("! %d bad", c.bad_count);
    else
        seen = describe(&c);
    if (seen[0] != '!')
        assert_non_null(strstr(text = px_catalog_text(&c), "found in"));
    free(text);
    lost_links = c.lost;
    px_catalog_free(&c);
    return seen;
}

static int check(const tree *t, char *source)
{
    char *seen = understand(source, t);
    bool refused = t->right[0] == '!';
    bool right = refused ? seen[0] == '!' && strstr(seen, t->right + 2) : strcmp(seen, t->right) == 0;
    if (!right)
        print_error("%s (%s): '%s', not '%s'\n", t->files, source, seen, t->right);
    free(seen);
    free(source);
    return right ? 0 : 1;
}

static void all_trees(void **state)
{
    (void)state;
    int wrong = 0;
    for (size_t i = 0; i < sizeof trees / sizeof *trees; i++) {
        char *folder = make_folder();
        wrong += check(&trees[i], make_tree(folder, &trees[i]));
        wrong += check(&trees[i], make_archive(folder, &trees[i]));
        remove_folder(folder);
    }
    assert_int_equal(wrong, 0);
}

static const struct {
    const char *path, *to;
    bool hard;
} all_links[] = {{"b/2.png", "a/1.png", true},     {"c", "a", false},
                 {"d/3.png", "../a/1.png", false}, {"e/4.png", "../d/3.png", false},
                 {"f/5.png", "../z/9.png", false}, {"y", "c", false}};
static const char linked[] = "train a 1 b 1 c 1 d 1 e 1 f 1 y 1 z 1";

/* Links, hard and symbolic, to files, folders, other links, and to what comes later, count as what they point to. */
static void links_in_archives(void **state)
{
    (void)state;
    static const int formats[] = {ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FORMAT_TAR_PAX_RESTRICTED};
    for (int f = 0; f < 2; f++) {
        char *folder = make_folder(), *path = px_format("%s/links.tar.gz", folder);
        struct archive *a = begin_archive(path, formats[f], ARCHIVE_FILTER_GZIP);
        blob png = make_flat_png(4, 4, 3, 9);
        add_entry(a, "a/1.png", png.bytes, png.size);
        for (size_t k = 0; k < sizeof all_links / sizeof *all_links; k++)
            add_link(a, all_links[k].path, all_links[k].to, all_links[k].hard);
        add_link(a, "a/up", "..", false); /* these lead nowhere */
        add_link(a, "g/1.png", "/etc/passwd", false);
        add_link(a, "g/2.png", "../../x.png", false);
        add_link(a, "g/3.png", "4.png", false);
        add_link(a, "g/4.png", "3.png", false);
        add_link(a, "g/5.png", "none.png", false);
        add_link(a, "h", "empty", false); /* leads to a folder, which has no files */
        add_link(a, ".hidden", "/etc/passwd", false);
        add_entry(a, "empty", NULL, 0);
        add_entry(a, "empty/note.txt", "text", 4);
        add_entry(a, "z/9.png", png.bytes, png.size);
        end_archive(a);
        free(png.bytes);
        assert_int_equal(check(&(tree){.files = "links", .right = linked}, path), 0);
        assert_int_equal(lost_links, 6);
        remove_folder(folder);
    }
}

static void links_in_folders(void **state)
{
    (void)state;
    char *folder = make_folder(), *root = make_tree(folder, &(tree){.files = "a/1.png z/9.png b/ d/ e/ f/"});
    for (size_t k = 0; k < sizeof all_links / sizeof *all_links; k++) {
        char *path = px_format("%s/%s", root, all_links[k].path), *target = px_format("%s/%s", root, all_links[k].to);
        PX_CHECK((all_links[k].hard ? link(target, path) : symlink(all_links[k].to, path)) == 0);
        free(path);
        free(target);
    }
    assert_int_equal(check(&(tree){.files = "links", .right = linked}, root), 0);
    remove_folder(folder);
}

/* Two sources, one letter, a trailing slash: paths begin with the folder. */
static void paths(void **state)
{
    (void)state;
    char *folder = make_folder(), cwd[4096];
    PX_CHECK(getcwd(cwd, sizeof cwd) && chdir(folder) == 0);
    free(make_tree(folder, &(tree){.files = "x/1.png y/1.png", .source = "a"}));
    static const char *const names[] = {"a", "a/", "./a", "a//"};
    for (int i = 0; i < 4; i++) {
        px_pack_options o = {.split = "", .class_names = ""};
        px_log log = px_log_make(stderr, true);
        px_catalog c = {0};
        assert_int_equal(px_catalog_make(&c, &names[i], 1, &o, &log), 0);
        assert_string_equal(c.blocks[0].path, "x/1.png");
        px_catalog_free(&c);
    }
    PX_CHECK(chdir(cwd) == 0);
    remove_folder(folder);
}

/* Rows that name the same file in many folders, and as many empty folders: what took minutes must not grow with the
 * square. With linear searches these took 7 s. */
static void many_folders(void **state)
{
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    enum { FOLDERS = 700, SECONDS = 60 };
#else
    enum { FOLDERS = 10500, SECONDS = 5 };
#endif
    char *folder = make_folder(), *path = px_format("%s/set.tar", folder), *text = NULL;
    struct archive *a = begin_archive(path, ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE);
    blob png = make_flat_png(4, 4, 3, 9);
    size_t length = 0;
    FILE *rows = open_memstream(&text, &length);
    for (int k = 0; k < FOLDERS; k++) {
        char name[64];
        snprintf(name, sizeof name, "train/%d/1.png", k);
        add_entry(a, name, png.bytes, png.size);
        fprintf(rows, "%d/1.png,%d\n", k, k % 7);
        snprintf(name, sizeof name, "train/%d-empty", k);
        add_entry(a, name, NULL, 0);
        snprintf(name, sizeof name, "train/%d-empty/note.txt", k);
        add_entry(a, name, "no picture", 10);
    }
    fclose(rows);
    add_entry(a, "l.csv", text, length);
    end_archive(a);
    const int each = FOLDERS / 7;
    char *right = px_format("train 0 %d 1 %d 2 %d 3 %d 4 %d 5 %d 6 %d", each, each, each, each, each, each, each);
    tree t = {.files = "many folders", .right = right, .labels = "l.csv"};
    clock_t start = clock();
    assert_int_equal(check(&t, px_strdup(path)), 0);
    t.labels = NULL;
    t.right = "! no";
    char *seen = understand(path, &t);
    assert_memory_equal(seen, "train 0 1 1 1 10 1", 18);
    assert_true(clock() - start < SECONDS * CLOCKS_PER_SEC);
    free(right);
    free(seen);
    free(text);
    free(path);
    free(png.bytes);
    remove_folder(folder);
}

static void names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int split;
    } rows[] = {{"train", PX_SPLIT_TRAIN},
                {"TRAIN_SET", PX_SPLIT_TRAIN},
                {"trainval", PX_SPLIT_TRAIN},
                {"train_val", PX_SPLIT_TRAIN},
                {"imgs-train", PX_SPLIT_TRAIN},
                {"val_256", PX_SPLIT_VAL},
                {"validation", PX_SPLIT_VAL},
                {"test1", PX_SPLIT_TEST},
                {"TestImages", PX_SPLIT_TEST},
                {"UnlabeledData", PX_SPLIT_UNLABELED},
                {"trains", -1},
                {"train_test", -1},
                {"train station", -1},
                {"valley", -1},
                {"contest", -1},
                {"images", -1},
                {"", -1},
                {"2017", -1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (px_split_of_name(rows[i].name, strlen(rows[i].name)) != rows[i].split)
            fail_msg("%s is split %d", rows[i].name, px_split_of_name(rows[i].name, strlen(rows[i].name)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_trees),        cmocka_unit_test(links_in_archives),
                                       cmocka_unit_test(links_in_folders), cmocka_unit_test(paths),
                                       cmocka_unit_test(many_folders),     cmocka_unit_test(names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* gnuplot.c - starts gnuplot, gives it a script, and reads its errors. */
#include "figures/gnuplot.h"

#include "base/error.h"
#include "figures/glyphs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Okabe & Ito's palette without its yellow, which nobody sees on white; Paul Tol's wine in its place. Grey is left to
 * baselines. */
static const char *const colours[] = {"0072B2", "D55E00", "009E73", "CC79A7", "E69F00", "56B4E9", "000000", "882255"};
enum { COLOURS = sizeof colours / sizeof *colours };

/* Characters of a line, as most terminals have; their height, in widths. */
enum { COLUMNS = 80, LEAST_LINES = 16, CHARACTER_HEIGHT = 2 };

const char *px_gnuplot_colour(int index)
{
    return colours[index % COLOURS];
}

/* A file in memory: what goes to gnuplot and what it prints needs no room on any disk, and a picture that is written by us
 * meets a full one with its reason, which gnuplot does not tell. NULL with a message. */
static FILE *memory_file(void)
{
    int fd = memfd_create("gnuplot", MFD_CLOEXEC);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w+");
    if (file)
        return file;
    int error = errno;
    if (fd >= 0)
        close(fd);
    return px_fail_null(PX_FAIL, "no memory for a file for gnuplot: %s", strerror(error));
}

/* The first line that a child wrote into `file`, without gnuplot's prompt and caret lines; else the first one of any kind; a new
 * string. */
static char *first_complaint(FILE *file)
{
    char line[400], *found = NULL, *first = NULL;
    rewind(file);
    while (!found && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\r\n")] = '\0';
        const char *text = line + strspn(line, " \t^");
        if (*text && (strstr(text, "rror") || strstr(text, "line ") || strstr(text, "annot")))
            found = px_strdup(text);
        else if (*text && !first)
            first = px_strdup(text);
    }
    if (!found && first)
        return first;
    free(first);
    return found ? found : px_strdup("it says nothing");
}

/* Runs `script` through gnuplot's standard input: a file instead of a pipe, so that neither side can hang if the other
 * stops reading or writing; by its name, since gnuplot reads a file that it opens itself in blocks, its input byte by byte.
 * `output` gets the picture or what the script prints, `said` gnuplot's complaints. */
static int run(const char *script, FILE *output, FILE *said)
{
    FILE *input = memory_file();
    if (!input)
        return -1;
    if (fputs(script, input) < 0 || fflush(input) != 0) {
        int error = errno;
        fclose(input);
        return px_fail(PX_FAIL, "a script for gnuplot of %zu bytes cannot be kept in memory: %s", strlen(script),
                       strerror(error));
    }
    rewind(input);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fileno(input), STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, fileno(output), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, fileno(said), STDERR_FILENO);
    pid_t child;
    char *name = access("/dev/stdin", R_OK) == 0 ? (char[]){"/dev/stdin"} : NULL;
    char *const argv[] = {(char[]){"gnuplot"}, (char[]){"-d"}, name, NULL}; /* -d: without the user's ~/.gnuplot */
    int failed = posix_spawnp(&child, "gnuplot", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    fclose(input);
    if (failed && failed != ENOENT)
        return px_fail(PX_FAIL, "cannot start gnuplot: %s", strerror(failed));
    int status = 0;
    while (!failed && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (failed ||
        (WIFEXITED(status) && WEXITSTATUS(status) == 127)) /* POSIX allows posix_spawn to report it like this */
        return px_fail(PX_FAIL, "gnuplot is not installed: apt install gnuplot-nox");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFSIGNALED(status))
        return px_fail(PX_FAIL, "gnuplot was ended by signal %d", WTERMSIG(status));
    char *why = first_complaint(said);
    px_fail(PX_DATA, "gnuplot: %s", why);
    free(why);
    return -1;
}

int px_gnuplot_find(px_gnuplot *g, px_picture_form form)
{
    /* In the order in which they are taken, and what each serves. */
    static const struct {
        const char *terminal, *extension;
        bool serves[PX_PICTURE_TEXT + 1];
    } known[] = {{"pngcairo", "png", {[PX_PICTURE_PNG] = true}},
                 {"png", "png", {[PX_PICTURE_PNG] = true}},
                 {"svg", "svg", {[PX_PICTURE_PNG] = true, [PX_PICTURE_SVG] = true, [PX_PICTURE_PAGE] = true}},
                 {"dumb", "txt", {[PX_PICTURE_TEXT] = true}}};
    FILE *said = memory_file();
    if (!said)
        return -1;
    int bad = run("set print '-'\nprint ' '.GPVAL_TERMINALS.' '\n", said, said);
    char line[4096] = "";
    rewind(said);
    size_t length = bad ? 0 : fread(line, 1, sizeof line - 1, said);
    line[length] = '\0';
    fclose(said);
    if (bad)
        return -1;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        char word[16];
        snprintf(word, sizeof word, " %s ", known[i].terminal);
        if (strstr(line, word) && known[i].serves[form]) {
            *g = (px_gnuplot){.terminal = known[i].terminal,
                              .extension = known[i].extension,
                              .bare = form == PX_PICTURE_PAGE,
                              .columns = form == PX_PICTURE_TEXT ? COLUMNS : 0};
            return 0;
        }
    }
    return px_fail(PX_FAIL, "this gnuplot can draw %s: apt install gnuplot-nox",
                   form == PX_PICTURE_PNG    ? "neither PNG nor SVG"
                   : form == PX_PICTURE_TEXT ? "no characters"
                                             : "no SVG");
}

static void write_terminal(FILE *script, const px_gnuplot *g, int width, int height)
{
    if (g->columns) {
        int lines = g->columns * height / width / CHARACTER_HEIGHT;
        fprintf(script, "set encoding utf8\nset terminal dumb size %d,%d noenhanced\n", g->columns,
                lines < LEAST_LINES ? LEAST_LINES : lines);
        return;
    }
    fprintf(script, "set encoding utf8\nset terminal %s size %d,%d font '%s,14' linewidth 1.5", g->terminal, width,
            height, g->bare ? "sans-serif" : "Sans");
    if (strcmp(g->terminal, "png") == 0)
        fputs(" truecolor", script);
    fputs(g->bare ? " noenhanced\n" : " noenhanced background rgb 'white'\n", script);
}

static void write_prologue(FILE *script, const px_gnuplot *g, int width, int height)
{
    write_terminal(script, g, width, height);
    fputs("set border 3 lc rgb '#555555'\nset tics nomirror out scale 0.6 tc rgb "
          "'#333333'\n"
          "set key tc rgb '#333333' spacing 1.2\n"
          "set title font ',16' tc rgb '#222222'\nset xlabel tc rgb '#222222'\nset ylabel tc rgb '#222222'\n"
          "set style fill solid 1.0 noborder\n",
          script);
    if (!g->columns) /* in characters it would hide the lines */
        fputs("set grid xtics ytics back lt 1 lw 0.6 lc rgb '#DDDDDD'\n", script);
    for (int i = 0; i < COLOURS; i++)
        fprintf(script, "set linetype %d lw 2 lc rgb '#%s'\n", i + 1, colours[i]);
}

/* What is cut off has another end: gnuplot does not notice that it cannot write (ulimit -f also holds for memory). */
static bool is_whole(const px_gnuplot *g, FILE *picture, off_t size)
{
    if (g->columns)
        return size > 0;
    const char *end = strcmp(g->extension, "png") == 0 ? "IEND\xae\x42\x60\x82" : "</svg>";
    char last[16];
    return size >= (off_t)sizeof last &&
           pread(fileno(picture), last, sizeof last, size - (off_t)sizeof last) == sizeof last &&
           memmem(last, sizeof last, end, strlen(end));
}

/* gnuplot writes to its standard output, so that it need not understand a path. */
static int make_picture(const px_gnuplot *g, FILE *picture, FILE *said, const char *path, const char *script)
{
    struct stat info = {0};
    if (run(script, picture, said) != 0)
        return -1;
    if (fstat(fileno(picture), &info) == 0 && is_whole(g, picture, info.st_size))
        return 0;
    char *why = first_complaint(said);
    px_fail(PX_FAIL, "%s: gnuplot made %s: %s", path, info.st_size == 0 ? "no picture" : "only a part of the picture",
            why);
    free(why);
    return -1;
}

/* Copies the picture into a new file. */
static int save(FILE *picture, const char *part, const char *path)
{
    char some[1 << 14];
    ssize_t got = 0, done = 0;
    int file = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666), from = fileno(picture);
    bool good = file >= 0 && lseek(from, 0, SEEK_SET) == 0;
    while (good && (got = read(from, some, sizeof some)) > 0)
        for (done = 0; good && done < got;) {
            ssize_t written = write(file, some + done, (size_t)(got - done));
            good = written > 0;
            done += good ? written : 0;
        }
    good = good && got == 0;
    int error = errno;
    if (file >= 0 && close(file) != 0 && good) {
        good = false;
        error = errno;
    }
    return good ? 0 : px_fail(PX_FAIL, "%s: cannot be written: %s", path, strerror(error));
}

/* The picture as a file in memory, which the caller closes; NULL on failure. */
static FILE *draw(const px_gnuplot *g, const char *path, int width, int height, const char *body)
{
    char *text;
    size_t size;
    FILE *picture = memory_file(), *said = picture ? memory_file() : NULL, *script = open_memstream(&text, &size);
    write_prologue(script, g, width, height);
    fprintf(script, "%s\n", body);
    fclose(script);
    int bad = said ? make_picture(g, picture, said, path, text) : -1;
    if (said)
        fclose(said);
    if (picture && bad) {
        fclose(picture);
        picture = NULL;
    }
    free(text);
    return picture;
}

static int draw_into(const px_gnuplot *g, const char *part, const char *path, int width, int height, const char *body)
{
    FILE *picture = draw(g, path, width, height, body);
    int bad = picture ? save(picture, part, path) : -1;
    if (picture)
        fclose(picture);
    return bad;
}

char *px_gnuplot_picture(const px_gnuplot *g, const char *name, int width, int height, const char *body)
{
    struct stat info;
    FILE *picture = draw(g, name, width, height, body);
    if (!picture)
        return NULL;
    PX_CHECK(fstat(fileno(picture), &info) == 0);
    char *text = px_calloc((size_t)info.st_size + 1, 1);
    rewind(picture);
    size_t got = fread(text, 1, (size_t)info.st_size, picture);
    fclose(picture);
    PX_CHECK(got == (size_t)info.st_size); /* it lies in memory */
    size_t before = g->columns ? strspn(text, "\f") : 0;
    memmove(text, text + before, got - before + 1); /* a form feed would clear the terminal */
    return text;
}

int px_gnuplot_draw(const px_gnuplot *g, const char *path, int width, int height, const char *body)
{
    char *part = px_format("%s.part", path);
    int bad = px_plain_file(part, PX_USAGE) != 0 ? -1 : draw_into(g, part, path, width, height, body);
    if (bad == 0 && rename(part, path) != 0)
        bad = px_fail(PX_FAIL, "%s: cannot be written: %s", path, strerror(errno));
    if (bad)
        unlink(part);
    free(part);
    return bad;
}

/* ---- texts ---- */

/* Between double quotes every byte can be written as an octal number. Apostrophes between single quotes would be
 * doubled, but gnuplot 5.4 does not read two that follow each other. */
static void write_quoted(FILE *script, const char *text, bool is_format)
{
    char *line = px_one_line(px_strdup(text)), *shown = px_glyphs_drawable(line);
    bool plain = !strpbrk(shown, "'`\\");
    fputc(plain ? '\'' : '"', script);
    for (const char *c = shown; *c; c++) {
        if (*c == '%' && is_format)
            fputc('%', script);
        if (!plain && strchr("'`\\\"", *c))
            fprintf(script, "\\%03o", (unsigned char)*c);
        else
            fputc(*c, script);
    }
    fputc(plain ? '\'' : '"', script);
    free(shown);
    free(line);
}

void px_gnuplot_text(FILE *script, const char *text)
{
    write_quoted(script, text, false);
}

void px_gnuplot_tic(FILE *script, const char *text)
{
    enum { FORMATTED = 49 }; /* bytes that gnuplot draws of a label in which there is a %, wherever that cuts */
    static const char dots[] = "…";
    size_t length = strlen(text);
    char *shorter = NULL;
    if (strchr(text, '%') && length > FORMATTED) {
        for (length = FORMATTED - strlen(dots); length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80;)
            length--; /* into no character of UTF-8 */
        shorter = px_format("%.*s%s", (int)length, text, dots);
    }
    write_quoted(script, shorter ? shorter : text, true);
    free(shorter);
}

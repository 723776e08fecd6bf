/* gnuplot.c - starts gnuplot, gives it a script, and reads its errors. */
#include "report/gnuplot.h"

#include "base/error.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Okabe & Ito's palette without its yellow, which nobody sees on white; Paul Tol's wine in its place. Grey is left to
 * baselines. */
static const char *const colours[] = {"0072B2", "D55E00", "009E73", "CC79A7", "E69F00", "56B4E9", "000000", "882255"};
enum { COLOURS = sizeof colours / sizeof *colours };

const char *px_gnuplot_colour(int index)
{
    return colours[index % COLOURS];
}

/* The first line that a child wrote into `file`, without gnuplot's prompt and caret lines; a new string. */
static char *first_complaint(FILE *file)
{
    char line[400], *found = NULL;
    rewind(file);
    while (!found && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\r\n")] = '\0';
        const char *text = line + strspn(line, " \t^");
        if (*text && (strstr(text, "rror") || strstr(text, "line ") || strstr(text, "annot")))
            found = px_strdup(text);
    }
    return found ? found : px_strdup("no message");
}

/* Runs `script` through gnuplot's standard input: a file instead of a pipe, so that neither side can hang if the other
 * stops reading or writing. `said` gets what gnuplot prints on both streams. */
static int run(const char *script, FILE *said)
{
    FILE *input = tmpfile();
    if (!input || fputs(script, input) < 0 || fflush(input) != 0) {
        if (input)
            fclose(input);
        return px_fail(PX_FAIL, "cannot write a temporary file for gnuplot: %s", strerror(errno));
    }
    rewind(input);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fileno(input), STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, fileno(said), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, fileno(said), STDERR_FILENO);
    pid_t child;
    char *const argv[] = {(char[]){"gnuplot"}, (char[]){"-d"}, NULL}; /* -d: without the user's ~/.gnuplot */
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
    px_fail(PX_FAIL, "gnuplot: %s", why);
    free(why);
    return -1;
}

int px_gnuplot_find(px_gnuplot *g)
{
    static const px_gnuplot known[] = {{"pngcairo", "png"}, {"png", "png"}, {"svg", "svg"}};
    FILE *said = tmpfile();
    if (!said)
        return px_fail(PX_FAIL, "cannot write a temporary file for gnuplot: %s", strerror(errno));
    int bad = run("set print '-'\nprint ' '.GPVAL_TERMINALS.' '\n", said);
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
        if (strstr(line, word)) {
            *g = known[i];
            return 0;
        }
    }
    return px_fail(PX_FAIL, "this gnuplot can draw neither PNG nor SVG: apt install gnuplot-nox");
}

static void write_prologue(FILE *script, const px_gnuplot *g, const char *output, int width, int height)
{
    fprintf(script, "set encoding utf8\nset terminal %s size %d,%d font 'Sans,14' linewidth 1.5", g->terminal, width,
            height);
    if (strcmp(g->terminal, "png") == 0)
        fputs(" truecolor", script);
    fputs(" noenhanced background rgb 'white'\nset output ", script);
    px_gnuplot_text(script, output);
    fputs("\nset border 3 lc rgb '#555555'\nset tics nomirror out scale 0.6 tc rgb '#333333'\n"
          "set grid xtics ytics back lt 1 lw 0.6 lc rgb '#DDDDDD'\nset key tc rgb '#333333' spacing 1.2\n"
          "set title font ',16' tc rgb '#222222'\nset xlabel tc rgb '#222222'\nset ylabel tc rgb '#222222'\n"
          "set style fill solid 1.0 noborder\n",
          script);
    for (int i = 0; i < COLOURS; i++)
        fprintf(script, "set linetype %d lw 2 lc rgb '#%s'\n", i + 1, colours[i]);
}

int px_gnuplot_draw(const px_gnuplot *g, const char *path, int width, int height, const char *body)
{
    FILE *said = tmpfile();
    if (!said)
        return px_fail(PX_FAIL, "cannot write a temporary file for gnuplot: %s", strerror(errno));
    char *part = px_format("%s.part", path), *text;
    size_t size;
    FILE *script = open_memstream(&text, &size);
    write_prologue(script, g, part, width, height);
    fprintf(script, "%s\nunset output\n", body);
    fclose(script);
    int bad = run(text, said);
    struct stat info;
    if (bad == 0 && (stat(part, &info) != 0 || info.st_size == 0)) {
        char *why = first_complaint(said);
        bad = px_fail(PX_FAIL, "%s: gnuplot made no picture: %s", path, why);
        free(why);
    }
    if (bad == 0 && rename(part, path) != 0)
        bad = px_fail(PX_FAIL, "%s: cannot be written: %s", path, strerror(errno));
    if (bad)
        unlink(part);
    free(text);
    free(part);
    fclose(said);
    return bad;
}

/* A back-quote would run a command, a double quote would end a word of a data block; both become apostrophes. */
static char harmless(char c)
{
    return (char)(c == '`' || c == '"' ? '\'' : (unsigned char)c < ' ' ? ' ' : c);
}

void px_gnuplot_text(FILE *script, const char *text)
{
    fputc('\'', script);
    for (; *text; text++) {
        char c = harmless(*text);
        if (c == '\'')
            fputc(c, script); /* doubled: gnuplot's way to write one inside single quotes */
        fputc(c, script);
    }
    fputc('\'', script);
}

void px_gnuplot_word(FILE *script, const char *text)
{
    fputc('"', script);
    for (; *text; text++)
        fputc(*text == '\\' ? '/' : harmless(*text), script); /* a data block would read \n as a line break */
    fputc('"', script);
}

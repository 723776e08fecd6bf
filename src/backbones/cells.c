/* cells.c - see cells.h. */
#include "backbones/cells.h"
#include "base/error.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The operations of both papers, without dilated and 1x7 convolutions. */
const px_cell_op px_cell_ops[] = {{"id", PX_CELL_IDENTITY, 1},
                                  {"sep3x3", PX_CELL_SEPARABLE, 3},
                                  {"sep5x5", PX_CELL_SEPARABLE, 5},
                                  {"sep7x7", PX_CELL_SEPARABLE, 7},
                                  {"avg3x3", PX_CELL_AVERAGE, 3},
                                  {"max3x3", PX_CELL_MAXIMUM, 3},
                                  {0}};
enum { OPS = sizeof px_cell_ops / sizeof *px_cell_ops - 1 };

bool px_cell_reads(const px_cell *c, int value)
{
    for (int i = 0; i < c->blocks; i++)
        if (c->part[i][0].value == value || c->part[i][1].value == value)
            return true;
    return false;
}

int px_cell_width(const px_cell *c)
{
    int width = 0;
    for (int i = 0; i < PX_CELL_VALUES; i++)
        width += c->out[i];
    return width;
}

static bool is_left(const px_cell *c, int value)
{
    return value >= PX_CELL_INPUTS && value < PX_CELL_INPUTS + c->blocks && !px_cell_reads(c, value);
}

static void put_out_what_is_left(px_cell *c)
{
    for (int i = 0; i < PX_CELL_VALUES; i++)
        c->out[i] = is_left(c, i);
}

/* ---- text ---- */

/* A number without sign that ends at `end`, or -1. */
static int number(const char *text, const char *end)
{
    int n = 0;
    if (text == end)
        return -1;
    for (; text < end; text++) {
        if (*text < '0' || *text > '9' || n > PX_CELL_VALUES)
            return -1;
        n = 10 * n + *text - '0';
    }
    return n;
}

static int find_op(const char *text, size_t length)
{
    for (int i = 0; i < OPS; i++)
        if (strlen(px_cell_ops[i].name) == length && strncmp(text, px_cell_ops[i].name, length) == 0)
            return i;
    return -1;
}

/* "sep3x3:0"; `known`: values that there are. */
static int read_part(px_cell_part *p, const char *text, const char *end, int known)
{
    int length = (int)(end - text);
    const char *colon = memchr(text, ':', (size_t)length);
    if (!colon)
        return px_fail(PX_USAGE, "'%.*s' is not an operation and what it reads, as sep3x3:0", length, text);
    p->op = find_op(text, (size_t)(colon - text));
    if (p->op < 0)
        return px_fail(PX_USAGE, "'%.*s': there is no operation '%.*s': id, sep3x3, sep5x5, sep7x7, avg3x3, max3x3",
                       length, text, (int)(colon - text), text);
    p->value = number(colon + 1, end);
    if (p->value < 0 || p->value >= known)
        return px_fail(PX_USAGE,
                       "'%.*s' reads what does not exist yet: here it can read 0 (the cell before), 1 (the one before "
                       "it)%s",
                       length, text, known > PX_CELL_INPUTS ? ", and from 2 on the blocks before its own" : "");
    return 0;
}

/* "sep3x3:0+id:1" */
static int read_block(px_cell *c, const char *text, const char *end)
{
    int length = (int)(end - text), known = PX_CELL_INPUTS + c->blocks;
    const char *plus = memchr(text, '+', (size_t)length);
    if (c->blocks == PX_CELL_BLOCKS)
        return px_fail(PX_USAGE, "'%.*s': a cell has at most %d blocks", length, text, PX_CELL_BLOCKS);
    if (!plus || memchr(plus + 1, '+', (size_t)(end - plus - 1)))
        return px_fail(PX_USAGE, "'%.*s' is not a block of two operations, as sep3x3:0+id:1", length, text);
    px_cell_part *p = c->part[c->blocks];
    if (read_part(&p[0], text, plus, known) != 0 || read_part(&p[1], plus + 1, end, known) != 0)
        return -1;
    c->blocks++;
    return 0;
}

/* "out:1,2,3" */
static int read_out(px_cell *c, const char *text, const char *end)
{
    int length = (int)(end - text), known = PX_CELL_INPUTS + c->blocks;
    for (const char *item = text + strlen("out:"), *comma; item <= end; item = comma + 1) {
        comma = memchr(item, ',', (size_t)(end - item));
        comma = comma ? comma : end;
        int value = number(item, comma);
        if (value < 0 || value >= known)
            return px_fail(PX_USAGE, "'%.*s': '%.*s' is not one of the values 0 to %d of this cell", length, text,
                           (int)(comma - item), item, known - 1);
        if (c->out[value])
            return px_fail(PX_USAGE, "'%.*s' has %d twice", length, text, value);
        c->out[value] = true;
    }
    return 0;
}

/* What only a whole cell shows. */
static int check(const px_cell *c)
{
    if (!px_cell_reads(c, 0))
        return px_fail(PX_USAGE, "no operation reads value 0, the cell before: the network would not see its images");
    for (int i = 0; i < c->blocks; i++)
        if (is_left(c, PX_CELL_INPUTS + i) && !c->out[PX_CELL_INPUTS + i])
            return px_fail(PX_USAGE, "block %d, value %d, is neither read nor in the output", i + 1,
                           PX_CELL_INPUTS + i);
    return 0;
}

int px_cell_read(px_cell *c, const char *text)
{
    *c = (px_cell){0};
    bool told = false;
    for (const char *word = text + strspn(text, " "), *end; *word; word = end + strspn(end, " ")) {
        end = word + strcspn(word, " ");
        if (told)
            return px_fail(PX_USAGE, "'%.*s' stands behind out:, which is a cell's last word", (int)(end - word), word);
        told = strncmp(word, "out:", 4) == 0;
        if (told ? read_out(c, word, end) : read_block(c, word, end))
            return -1;
    }
    if (c->blocks == 0)
        return px_fail(PX_USAGE, "'%s' has no block of two operations, as sep3x3:0+id:1", text);
    if (!told)
        put_out_what_is_left(c);
    return check(c);
}

char *px_cell_text(const px_cell *c)
{
    char *text = NULL;
    size_t size;
    bool usual = true;
    FILE *out = open_memstream(&text, &size);
    PX_CHECK(out);
    for (int i = 0; i < c->blocks; i++)
        for (int k = 0; k < 2; k++)
            fprintf(out, "%s%s:%d", k ? "+" : i ? " " : "", px_cell_ops[c->part[i][k].op].name, c->part[i][k].value);
    for (int i = 0; i < PX_CELL_VALUES; i++)
        usual = usual && c->out[i] == is_left(c, i);
    const char *before = " out:";
    for (int i = 0; i < PX_CELL_VALUES && !usual; i++)
        if (c->out[i]) {
            fprintf(out, "%s%d", before, i);
            before = ",";
        }
    fclose(out);
    return text;
}

/* ---- the space ---- */

/* Uniform in 0..n-1 without `but`; n > 1. */
static int other(px_rng *rng, int n, int but)
{
    int drawn = (int)px_rng_below(rng, (uint32_t)(n - 1));
    return drawn + (drawn >= but);
}

void px_cell_draw(px_cell *c, int blocks, px_rng *rng)
{
    PX_CHECK(blocks > 0 && blocks <= PX_CELL_BLOCKS);
    do {
        *c = (px_cell){.blocks = blocks};
        for (int i = 0; i < blocks; i++)
            for (int k = 0; k < 2; k++) {
                c->part[i][k].op = (int)px_rng_below(rng, OPS);
                c->part[i][k].value = (int)px_rng_below(rng, (uint32_t)(PX_CELL_INPUTS + i));
            }
    } while (!px_cell_reads(c, 0));
    put_out_what_is_left(c);
}

void px_cell_mutate(px_cell *c, px_rng *rng)
{
    px_cell before = *c;
    do {
        *c = before;
        int block = (int)px_rng_below(rng, (uint32_t)c->blocks);
        px_cell_part *p = &c->part[block][px_rng_below(rng, 2)];
        if (px_rng_below(rng, 2))
            p->op = other(rng, OPS, p->op);
        else
            p->value = other(rng, PX_CELL_INPUTS + block, p->value);
    } while (!px_cell_reads(c, 0));
    put_out_what_is_left(c);
}

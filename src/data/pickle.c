/* pickle.c - a machine with a stack and a memo, as Python's: each instruction makes at most one item, so items are
 * bounded by the bytes. */
#include "base/error.h"
#include "data/pickle_private.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { OVERHEAD = 24, GROWN = 2 * sizeof(void *) /* of a block of malloc; of an element of an array that doubles */ };

px_item *px_pickle_make(px_machine *m, px_item_kind kind)
{
    px_pickle_block *b = m->p->blocks;
    if (!b || b->count == BLOCK) {
        b = px_calloc(1, sizeof *b);
        b->next = m->p->blocks;
        m->p->blocks = b;
    }
    px_item *i = &b->item[b->count++];
    i->kind = kind;
    m->memory += sizeof *i;
    return i;
}

const void *px_pickle_keep(px_machine *m, const void *bytes, size_t length)
{
    px_pickle_kept *t = px_calloc(1, sizeof *t + length + 1);
    memcpy(t->bytes, bytes, length);
    t->next = m->p->kept;
    m->p->kept = t;
    m->memory += sizeof *t + length + OVERHEAD;
    return t->bytes;
}

int px_pickle_damaged(const px_machine *m, const char *why)
{
    return px_fail(PX_DATA, "%s: its pickle is damaged or cut off at byte %zu: %s", m->path, m->at, why);
}

static int too_large(const px_machine *m)
{
    return px_fail(PX_DATA, "%s: up to byte %zu its pickle takes more than %d MiB of memory, which no weights need",
                   m->path, m->at, PICKLE_MEMORY >> 20);
}

/* ---- bytes ---- */

/* `count` bytes, or NULL with an error. */
static const uint8_t *take(px_machine *m, uint64_t count)
{
    if (count > m->size - m->at) {
        px_pickle_damaged(m, "it ends within an instruction");
        return NULL;
    }
    m->at += (size_t)count;
    return m->bytes + m->at - (size_t)count;
}

/* A little-endian number of 1 to 8 bytes. */
static int take_number(px_machine *m, int bytes, uint64_t *out)
{
    const uint8_t *from = take(m, (uint64_t)bytes);
    *out = 0;
    for (int i = 0; from && i < bytes; i++)
        *out |= (uint64_t)from[i] << (8 * i);
    return from ? 0 : -1;
}

/* Up to a newline, which is left out. */
static const char *take_line(px_machine *m)
{
    const uint8_t *from = m->bytes + m->at, *end = memchr(from, '\n', m->size - m->at);
    if (!end) {
        px_pickle_damaged(m, "a line does not end");
        return NULL;
    }
    m->at += (size_t)(end - from) + 1;
    return px_pickle_keep(m, from, (size_t)(end - from));
}

/* ---- stack and memo ---- */

int px_pickle_push(px_machine *m, px_item *i)
{
    m->stack = px_grow(m->stack, m->depth, sizeof m->stack[0]);
    m->stack[m->depth++] = i;
    if (m->depth > m->deepest) {
        m->deepest = m->depth;
        m->memory += GROWN;
    }
    return 0;
}

/* The topmost item, `kind`; PX_ITEM_OTHER: any. NULL with an error. */
static px_item *top(const px_machine *m, px_item_kind kind)
{
    int floor = m->marks > 0 ? m->mark[m->marks - 1] : 0;
    if (m->depth <= floor || (kind != PX_ITEM_OTHER && m->stack[m->depth - 1]->kind != kind)) {
        px_pickle_damaged(m, "an instruction does not find what it needs on the stack");
        return NULL;
    }
    return m->stack[m->depth - 1];
}

px_item *px_pickle_pop(px_machine *m, px_item_kind kind)
{
    px_item *i = top(m, kind);
    m->depth -= i != NULL;
    return i;
}

static int floor_of(const px_machine *m)
{
    return m->marks > 0 ? m->mark[m->marks - 1] : 0;
}

/* ---- instructions: `n` is the number that follows the instruction, `what` the last column of its row ---- */

static int skip(px_machine *m, uint64_t n, int what)
{
    (void)m, (void)n, (void)what;
    return 0;
}

static int set_mark(px_machine *m, uint64_t n, int what)
{
    (void)n, (void)what;
    m->mark = px_grow(m->mark, m->marks, sizeof m->mark[0]);
    m->mark[m->marks++] = m->depth;
    if (m->marks > m->most_marks) {
        m->most_marks = m->marks;
        m->memory += GROWN;
    }
    return 0;
}

static int drop(px_machine *m, uint64_t n, int what)
{
    (void)n, (void)what;
    return px_pickle_pop(m, PX_ITEM_OTHER) ? 0 : -1;
}

static int put_empty(px_machine *m, uint64_t n, int kind)
{
    (void)n;
    return px_pickle_push(m, px_pickle_make(m, (px_item_kind)kind));
}

static int put_number(px_machine *m, int64_t n)
{
    px_item *i = px_pickle_make(m, PX_ITEM_INT);
    i->number = n;
    return px_pickle_push(m, i);
}

static int put_flag(px_machine *m, uint64_t n, int value)
{
    (void)n;
    return put_number(m, value);
}

static int put_unsigned(px_machine *m, uint64_t n, int what)
{
    (void)what;
    return put_number(m, (int64_t)n);
}

static int put_int32(px_machine *m, uint64_t n, int what)
{
    (void)what;
    return put_number(m, (int32_t)n);
}

/* A whole number of n bytes in two's complement. */
static int put_long(px_machine *m, uint64_t n, int what)
{
    (void)what;
    const uint8_t *from = take(m, n);
    if (!from)
        return -1;
    if (n > sizeof(int64_t))
        return put_empty(m, 0, PX_ITEM_OTHER);
    uint64_t value = n > 0 && from[n - 1] >= 128 ? UINT64_MAX : 0;
    for (uint64_t i = n; i-- > 0;)
        value = value << 8 | from[i];
    return put_number(m, (int64_t)value);
}

static int put_text(px_machine *m, uint64_t n, int what)
{
    (void)what;
    const uint8_t *from = take(m, n);
    if (!from)
        return -1;
    px_item *i = px_pickle_make(m, PX_ITEM_TEXT);
    i->text = px_pickle_keep(m, from, (size_t)n);
    return px_pickle_push(m, i);
}

static int put_bytes(px_machine *m, uint64_t n, int what)
{
    (void)what;
    return take(m, n) ? put_empty(m, 0, PX_ITEM_OTHER) : -1;
}

static int put_float(px_machine *m, uint64_t n, int what)
{
    (void)n;
    return put_bytes(m, sizeof(double), what);
}

/* A tuple of the `count` items on top. */
static int tuple_of(px_machine *m, uint64_t n, int count)
{
    (void)n;
    if (m->depth - count < floor_of(m))
        return px_pickle_damaged(m, "a tuple has too few elements");
    px_item *t = px_pickle_make(m, PX_ITEM_TUPLE);
    m->depth -= count;
    t->count = count;
    t->item = px_calloc((size_t)count + 1, sizeof t->item[0]);
    m->memory += (size_t)(count + 1) * sizeof t->item[0] + OVERHEAD;
    if (count > 0)
        memcpy(t->item, m->stack + m->depth, (size_t)count * sizeof t->item[0]);
    return px_pickle_push(m, t);
}

static int pop_mark(px_machine *m, int *first)
{
    if (m->marks == 0)
        return px_pickle_damaged(m, "there is no mark");
    *first = m->mark[--m->marks];
    return 0;
}

static int tuple_to_mark(px_machine *m, uint64_t n, int what)
{
    (void)what;
    int first = 0;
    return pop_mark(m, &first) == 0 ? tuple_of(m, n, m->depth - first) : -1;
}

void px_pickle_append(px_machine *m, px_item *to, px_item *i)
{
    enum { FIRST = 8 * sizeof(px_item *) }; /* px_grow begins with so many */
    to->item = px_grow(to->item, to->count, sizeof(px_item *));
    m->memory += to->count == 0 ? FIRST + OVERHEAD : to->count < 8 ? 0 : GROWN;
    to->item[to->count++] = i;
}

/* The topmost `count` items become elements of the container below them: of a dict, `count` is even. */
static int extend(px_machine *m, int count, int kind)
{
    int first = m->depth - count;
    if (first <= floor_of(m) || m->stack[first - 1]->kind != (px_item_kind)kind || (kind == PX_ITEM_DICT && count % 2))
        return px_pickle_damaged(m, "an instruction does not find what it needs on the stack");
    for (int i = first; i < m->depth; i++)
        px_pickle_append(m, m->stack[first - 1], m->stack[i]);
    m->depth = first;
    return 0;
}

static int extend_by_one(px_machine *m, uint64_t n, int kind)
{
    (void)n;
    return extend(m, kind == PX_ITEM_DICT ? 2 : 1, kind);
}

static int extend_to_mark(px_machine *m, uint64_t n, int kind)
{
    (void)n;
    int first = 0;
    return pop_mark(m, &first) == 0 ? extend(m, m->depth - first, kind) : -1;
}

static int remember(px_machine *m, uint64_t at, int what)
{
    (void)what;
    px_item *i = top(m, PX_ITEM_OTHER);
    if (!i)
        return -1;
    if (at >= m->at) /* they are counted from 0 */
        return px_pickle_damaged(m, "a number of the memo is larger than what came before");
    if (at >= m->memo_count) {
        size_t count = 2 * (size_t)at + 64;
        m->memory += (count - m->memo_count) * sizeof m->memo[0];
        if (m->memory > PICKLE_MEMORY)
            return too_large(m);
        m->memo = px_realloc(m->memo, count * sizeof m->memo[0]);
        memset(m->memo + m->memo_count, 0, (count - m->memo_count) * sizeof m->memo[0]);
        m->memo_count = count;
    }
    m->memo[at] = i;
    return 0;
}

static int remember_next(px_machine *m, uint64_t n, int what)
{
    (void)n;
    return remember(m, (uint64_t)m->next_memo++, what);
}

static int recall(px_machine *m, uint64_t at, int what)
{
    (void)what;
    if (at >= m->memo_count || !m->memo[at])
        return px_pickle_damaged(m, "the memo has no such number");
    return px_pickle_push(m, m->memo[at]);
}

static int class_of_lines(px_machine *m, uint64_t n, int what)
{
    (void)n, (void)what;
    const char *module = take_line(m), *name = module ? take_line(m) : NULL;
    return name ? px_pickle_class(m, module, name) : -1;
}

static int class_of_stack(px_machine *m, uint64_t n, int what)
{
    (void)n, (void)what;
    const px_item *name = px_pickle_pop(m, PX_ITEM_TEXT), *module = name ? px_pickle_pop(m, PX_ITEM_TEXT) : NULL;
    return module ? px_pickle_class(m, module->text, name->text) : -1;
}

static int call(px_machine *m, uint64_t n, int what)
{
    (void)n, (void)what;
    return px_pickle_call(m);
}

static int persistent(px_machine *m, uint64_t n, int what)
{
    (void)n, (void)what;
    return px_pickle_persistent(m);
}

/* Attributes of the item below, such as a state_dict's _metadata: dropped. */
static int build(px_machine *m, uint64_t n, int what)
{
    (void)n, (void)what;
    const px_item *attributes = px_pickle_pop(m, PX_ITEM_OTHER), *of = attributes ? top(m, PX_ITEM_OTHER) : NULL;
    if (!of)
        return -1;
    bool takes = of->kind == PX_ITEM_DICT || of->kind == PX_ITEM_TENSOR;
    return takes ? 0 : px_pickle_damaged(m, "attributes of what has none");
}

enum { STOP = '.' };

/* The names are those of pickletools.py. */
static const struct instruction {
    uint8_t code;
    int bytes; /* of the number that follows */
    int (*run)(px_machine *, uint64_t n, int what);
    int what;
} instructions[] = {
    {0x80, 1, skip, 0},                     /* PROTO */
    {0x95, 8, skip, 0},                     /* FRAME */
    {'(', 0, set_mark, 0},                  /* MARK */
    {'0', 0, drop, 0},                      /* POP */
    {'N', 0, put_empty, PX_ITEM_OTHER},     /* NONE */
    {0x88, 0, put_flag, 1},                 /* NEWTRUE */
    {0x89, 0, put_flag, 0},                 /* NEWFALSE */
    {'J', 4, put_int32, 0},                 /* BININT */
    {'K', 1, put_unsigned, 0},              /* BININT1 */
    {'M', 2, put_unsigned, 0},              /* BININT2 */
    {0x8a, 1, put_long, 0},                 /* LONG1 */
    {0x8b, 4, put_long, 0},                 /* LONG4 */
    {'G', 0, put_float, 0},                 /* BINFLOAT */
    {'U', 1, put_text, 0},                  /* SHORT_BINSTRING */
    {'T', 4, put_text, 0},                  /* BINSTRING */
    {0x8c, 1, put_text, 0},                 /* SHORT_BINUNICODE */
    {'X', 4, put_text, 0},                  /* BINUNICODE */
    {0x8d, 8, put_text, 0},                 /* BINUNICODE8 */
    {'C', 1, put_bytes, 0},                 /* SHORT_BINBYTES */
    {'B', 4, put_bytes, 0},                 /* BINBYTES */
    {')', 0, tuple_of, 0},                  /* EMPTY_TUPLE */
    {'t', 0, tuple_to_mark, 0},             /* TUPLE */
    {0x85, 0, tuple_of, 1},                 /* TUPLE1 */
    {0x86, 0, tuple_of, 2},                 /* TUPLE2 */
    {0x87, 0, tuple_of, 3},                 /* TUPLE3 */
    {']', 0, put_empty, PX_ITEM_LIST},      /* EMPTY_LIST */
    {'a', 0, extend_by_one, PX_ITEM_LIST},  /* APPEND */
    {'e', 0, extend_to_mark, PX_ITEM_LIST}, /* APPENDS */
    {'}', 0, put_empty, PX_ITEM_DICT},      /* EMPTY_DICT */
    {'s', 0, extend_by_one, PX_ITEM_DICT},  /* SETITEM */
    {'u', 0, extend_to_mark, PX_ITEM_DICT}, /* SETITEMS */
    {'q', 1, remember, 0},                  /* BINPUT */
    {'r', 4, remember, 0},                  /* LONG_BINPUT */
    {0x94, 0, remember_next, 0},            /* MEMOIZE */
    {'h', 1, recall, 0},                    /* BINGET */
    {'j', 4, recall, 0},                    /* LONG_BINGET */
    {'c', 0, class_of_lines, 0},            /* GLOBAL */
    {0x93, 0, class_of_stack, 0},           /* STACK_GLOBAL */
    {'R', 0, call, 0},                      /* REDUCE */
    {'b', 0, build, 0},                     /* BUILD */
    {'Q', 0, persistent, 0},                /* BINPERSID */
};

static const struct instruction *find(uint8_t code)
{
    for (size_t i = 0; i < sizeof instructions / sizeof instructions[0]; i++)
        if (instructions[i].code == code)
            return &instructions[i];
    return NULL;
}

static int unknown(const px_machine *m, uint8_t code)
{
    return px_fail(PX_DATA,
                   "%s: byte %zu of its pickle is the instruction 0x%02x, which weights do not need; only tensors in "
                   "dictionaries and lists are read",
                   m->path, m->at - 1, code);
}

static int by_key(const void *a, const void *b)
{
    const px_item *const *x = a, *const *y = b;
    return strcmp((*x)->text, (*y)->text);
}

static int run(px_machine *m)
{
    for (;;) {
        uint64_t n;
        const uint8_t *code = take(m, 1);
        if (!code)
            return -1;
        if (*code == STOP)
            break;
        const struct instruction *i = find(*code);
        if (!i)
            return unknown(m, *code);
        if (take_number(m, i->bytes, &n) != 0 || i->run(m, n, i->what) != 0)
            return -1;
        if (m->memory > PICKLE_MEMORY)
            return too_large(m);
    }
    if (m->p->storages > 0)
        qsort(m->p->storage, (size_t)m->p->storages, sizeof m->p->storage[0], by_key);
    m->p->root = px_pickle_pop(m, PX_ITEM_OTHER);
    return m->p->root ? 0 : -1;
}

px_pickle *px_pickle_read(const char *path, const uint8_t *bytes, size_t size, size_t *used)
{
    px_machine m = {.p = px_calloc(1, sizeof *m.p), .path = path, .bytes = bytes, .size = size};
    int status = run(&m);
    free(m.stack);
    free(m.mark);
    free(m.memo);
    if (used)
        *used = m.at;
    if (status == 0)
        return m.p;
    px_pickle_free(m.p);
    return NULL;
}

const px_item *px_pickle_root(const px_pickle *p)
{
    return p->root;
}

void px_pickle_free(px_pickle *p)
{
    if (!p)
        return;
    for (px_pickle_block *b = p->blocks, *next; b; b = next) {
        next = b->next;
        for (int i = 0; i < b->count; i++)
            free(b->item[i].item);
        free(b);
    }
    for (px_pickle_kept *t = p->kept, *next; t; t = next) {
        next = t->next;
        free(t);
    }
    free(p->storage);
    free(p);
}

const px_item *px_pickle_storage(const px_pickle *p, const char *key)
{
    const px_item wanted = {.text = key}, *at = &wanted;
    const px_item **found =
        p->storages == 0 ? NULL : bsearch(&at, p->storage, (size_t)p->storages, sizeof p->storage[0], by_key);
    return found ? *found : NULL;
}

const px_item *px_item_find(const px_item *dict, const char *key)
{
    for (int i = 0; dict->kind == PX_ITEM_DICT && i + 1 < dict->count; i += 2)
        if (dict->item[i]->kind == PX_ITEM_TEXT && strcmp(dict->item[i]->text, key) == 0)
            return dict->item[i + 1];
    return NULL;
}

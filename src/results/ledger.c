/* ledger.c - see ledger.h. */
#include "results/ledger.h"
#include "base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const px_part_names[PX_PARTS] = {"loader",        "waiting",   "forward",    "backward",
                                             "communication", "optimizer", "evaluation", "other"};

enum { SESSION, IMAGES, MULTIPLY_ADDS, BYTES_SENT, PEAK_BYTES, JOULES, RANKS, SINGLE, COLUMNS = SINGLE + 2 * PX_PARTS };
static const char *const single[SINGLE] = {"session",    "images", "multiply_adds", "bytes_sent",
                                           "peak_bytes", "joules", "ranks"};

/* Names of all columns: single ones, wall_PART, core_PART. */
static void name_columns(char *name[COLUMNS])
{
    for (int i = 0; i < SINGLE; i++)
        name[i] = px_strdup(single[i]);
    for (int i = 0; i < PX_PARTS; i++) {
        name[SINGLE + i] = px_format("wall_%s", px_part_names[i]);
        name[SINGLE + PX_PARTS + i] = px_format("core_%s", px_part_names[i]);
    }
}

static void free_columns(char *name[COLUMNS])
{
    for (int i = 0; i < COLUMNS; i++)
        free(name[i]);
}

int px_ledger_series(px_results *r)
{
    char *name[COLUMNS];
    name_columns(name);
    int status = px_results_series(r, "/ledger", (const char *const *)name, COLUMNS);
    free_columns(name);
    return status;
}

int px_ledger_row(px_results *r, int session, int64_t step, const px_ledger *l)
{
    char *name[COLUMNS];
    double row[COLUMNS] = {session, l->images, l->multiply_adds, l->bytes_sent, l->peak_bytes, l->joules, l->ranks};
    memcpy(row + SINGLE, l->wall, sizeof l->wall);
    memcpy(row + SINGLE + PX_PARTS, l->core, sizeof l->core);
    name_columns(name);
    int status = px_results_row(r, "/ledger", step, (const char *const *)name, row, COLUMNS);
    free_columns(name);
    return status;
}

/* A column, and in *rows its length if that is less. NULL: it cannot be read. */
static double *column(px_results *r, const char *name, int64_t *rows)
{
    char *path = px_format("/ledger/%s", name);
    double *data = NULL;
    int rank;
    int64_t dim[4];
    if (px_results_get(r, path, &data, &rank, dim) != 0)
        data = NULL;
    else if (rank != 1) {
        px_fail(PX_DATA, "%s: the number of its axes is %d, not 1", path, rank);
        free(data);
        data = NULL;
    }
    if (data && dim[0] < *rows)
        *rows = dim[0];
    free(path);
    return data;
}

int px_ledger_sessions(px_results *r)
{
    int64_t rows = INT64_MAX;
    double most = 0, *session = px_results_has(r, "/ledger/session") ? column(r, "session", &rows) : NULL;
    for (int64_t i = 0; session && i < rows; i++)
        most = session[i] > most && session[i] < 1e9 ? session[i] : most;
    free(session);
    return (int)most;
}

static void add(px_ledger_total *t, double *const data[], int64_t row)
{
    px_ledger *l = &t->sum;
    t->sessions++;
    l->images += data[IMAGES][row];
    l->multiply_adds += data[MULTIPLY_ADDS][row];
    l->bytes_sent += data[BYTES_SENT][row];
    l->peak_bytes = fmax(l->peak_bytes, data[PEAK_BYTES][row]);
    l->ranks = fmax(l->ranks, data[RANKS][row]);
    if (isfinite(data[JOULES][row]))
        l->joules += data[JOULES][row];
    else
        t->without_energy++;
    for (int i = 0; i < PX_PARTS; i++) {
        l->wall[i] += data[SINGLE + i][row];
        l->core[i] += data[SINGLE + PX_PARTS + i][row];
    }
}

/* A writer that dies in the middle of a row leaves columns that are not a number; joules are so where nothing tells them. */
static bool is_complete(double *const data[], int64_t row)
{
    for (int i = 0; i < COLUMNS; i++)
        if (i != JOULES && !isfinite(data[i][row]))
            return false;
    return true;
}

int px_ledger_read(px_results *r, px_ledger_total *t)
{
    *t = (px_ledger_total){.sessions = 0};
    if (!px_results_has(r, "/ledger/session"))
        return 0;
    char *name[COLUMNS];
    double *data[COLUMNS] = {NULL};
    int64_t rows = INT64_MAX;
    int status = 0;
    name_columns(name);
    for (int i = 0; i < COLUMNS && status == 0; i++)
        status = (data[i] = column(r, name[i], &rows)) ? 0 : -1;
    for (int64_t i = 0, whole = -1; i < rows && status == 0; i++) { /* each session's last complete row */
        if (is_complete(data, i))
            whole = i;
        bool last = i + 1 == rows || data[SESSION][i + 1] != data[SESSION][i];
        if (last && whole >= 0) {
            add(t, data, whole);
            whole = -1;
        }
    }
    for (int i = 0; i < COLUMNS; i++)
        free(data[i]);
    free_columns(name);
    return status;
}

double px_ledger_wall(const px_ledger *l)
{
    double sum = 0;
    for (int i = 0; i < PX_PARTS; i++)
        sum += l->wall[i];
    return sum;
}

double px_ledger_core_seconds(const px_ledger *l)
{
    double sum = 0;
    for (int i = 0; i < PX_PARTS; i++)
        sum += l->core[i];
    return sum;
}

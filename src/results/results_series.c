/* results_series.c - series of run.h5: groups of extendable columns that grow by rows, in SWMR or before it. */
#include "base/error.h"
#include "results/h5.h"
#include "results/results_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_ROWS = 512 };

void px_results_groups_close(px_results *r)
{
    for (int g = 0; g < r->group_count; g++) {
        series_group *s = &r->groups[g];
        for (int i = 0; i < s->count; i++) {
            H5Dclose(s->sets[i]);
            free(s->names[i]);
        }
        free(s->names);
        free(s->sets);
        free(s->path);
    }
    free(r->groups);
    r->groups = NULL;
    r->group_count = 0;
}

static int series_fail(px_results *r, const char *doing, const series_group *s, int i)
{
    char *object = px_format("%s/%s", s->path, s->names[i]);
    px_results_broken(r->path, PX_FAIL, doing, object);
    free(object);
    return -1;
}

static hsize_t rows_of(hid_t set)
{
    hid_t space = H5Dget_space(set);
    hsize_t rows = 0;
    if (H5Sget_simple_extent_ndims(space) != 1 || H5Sget_simple_extent_dims(space, &rows, NULL) < 0)
        rows = 0;
    H5Sclose(space);
    return rows;
}

static bool extendable(hid_t set)
{
    hid_t space = H5Dget_space(set);
    hsize_t rows, most = 0;
    bool yes = H5Sget_simple_extent_ndims(space) == 1 && H5Sget_simple_extent_dims(space, &rows, &most) == 1 &&
               most == H5S_UNLIMITED;
    H5Sclose(space);
    return yes;
}

static void series_add(series_group *s, const char *name, hid_t set)
{
    s->names = px_realloc(s->names, (size_t)(s->count + 1) * sizeof *s->names);
    s->sets = px_realloc(s->sets, (size_t)(s->count + 1) * sizeof *s->sets);
    s->names[s->count] = px_strdup(name);
    s->sets[s->count++] = set;
}

static herr_t load_series(hid_t group, const char *name, const H5L_info_t *info, void *data)
{
    (void)info;
    series_group *s = data;
    if (strcmp(name, "step") == 0)
        return 0; /* already the first */
    hid_t set = H5Dopen2(group, name, H5P_DEFAULT);
    char why[PX_H5_WHY];
    if (set >= 0 && extendable(set) && !px_h5_unreadable(set, why)) /* rows would be added to the other file */
        series_add(s, name, set);
    else if (set >= 0)
        H5Dclose(set);
    return 0;
}

static series_group *group_known(px_results *r, const char *path)
{
    for (int g = 0; g < r->group_count; g++)
        if (strcmp(r->groups[g].path, path) == 0)
            return &r->groups[g];
    return NULL;
}

/* The series of a group, opened on first use; NULL (no message) if the file has no such group of series. */
static series_group *group_open(px_results *r, const char *path)
{
    series_group *s = group_known(r, path);
    if (s)
        return s;
    char *ruler = px_format("%s/step", path);
    hid_t step = px_results_exists(r->file, ruler) ? H5Dopen2(r->file, ruler, H5P_DEFAULT) : H5I_INVALID_HID;
    free(ruler);
    char why[PX_H5_WHY];
    if (step >= 0 && px_h5_unreadable(step, why)) {
        H5Dclose(step);
        return NULL;
    }
    if (step < 0)
        return NULL;
    r->groups = px_realloc(r->groups, (size_t)(r->group_count + 1) * sizeof *r->groups);
    s = &r->groups[r->group_count++];
    *s = (series_group){.path = px_strdup(path), .rows = rows_of(step)};
    series_add(s, "step", step);
    hid_t group = H5Gopen2(r->file, path, H5P_DEFAULT);
    H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, NULL, load_series, s);
    H5Gclose(group);
    return s;
}

static int series_find(const series_group *s, const char *name)
{
    for (int i = 0; i < s->count; i++)
        if (strcmp(s->names[i], name) == 0)
            return i;
    return -1;
}

/* Rows that were never written read as NaN (step: -1), not as zero. */
static int series_create(px_results *r, const char *group, const char *name, bool is_step, hsize_t rows)
{
    hsize_t most = H5S_UNLIMITED, chunk = CHUNK_ROWS;
    double nothing = NAN;
    int64_t no_step = -1;
    hid_t dcpl = H5Pcreate(H5P_DATASET_CREATE), lcpl = H5Pcreate(H5P_LINK_CREATE);
    H5Pset_chunk(dcpl, 1, &chunk);
    H5Pset_fill_value(dcpl, is_step ? H5T_NATIVE_INT64 : H5T_NATIVE_DOUBLE, is_step ? (void *)&no_step : &nothing);
    H5Pset_create_intermediate_group(lcpl, 1);
    hid_t space = H5Screate_simple(1, &rows, &most);
    char *path = px_format("%s/%s", group, name);
    hid_t set = H5Dcreate2(r->file, path, is_step ? H5T_STD_I64LE : H5T_IEEE_F64LE, space, lcpl, dcpl, H5P_DEFAULT);
    int bad = set < 0 ? px_results_broken(r->path, PX_FAIL, "create", path) : 0;
    if (set >= 0)
        H5Dclose(set);
    free(path);
    H5Sclose(space);
    H5Pclose(lcpl);
    H5Pclose(dcpl);
    return bad;
}

/* A writer that is killed between two data sets leaves series of unequal length. `step` decides: rows beyond it are
 * dropped, missing ones read as NaN. */
static int group_level(px_results *r, series_group *s, hsize_t rows)
{
    for (int i = 0; i < s->count; i++)
        if (rows_of(s->sets[i]) != rows && H5Dset_extent(s->sets[i], &rows) < 0)
            return series_fail(r, "resize", s, i);
    s->rows = rows;
    return 0;
}

int px_results_series(px_results *r, const char *group, const char *const names[], int count)
{
    PX_CHECK(r->stage && !r->live);
    series_group *s = group_open(r, group);
    hsize_t rows = s ? s->rows : 0;
    if (!s && series_create(r, group, "step", true, 0) != 0)
        return -1;
    for (int i = 0; i < count; i++)
        if ((!s || series_find(s, names[i]) < 0) && series_create(r, group, names[i], false, rows) != 0)
            return -1;
    px_results_groups_close(r); /* they will be loaded again, with the new ones */
    return px_results_truncate(r, group, INT64_MAX);
}

static herr_t write_at(hid_t set, hsize_t row, hid_t type, const void *value)
{
    hsize_t one = 1;
    hid_t file_space = H5Dget_space(set), memory = H5Screate_simple(1, &one, NULL);
    H5Sselect_hyperslab(file_space, H5S_SELECT_SET, &row, NULL, &one, NULL);
    herr_t bad = H5Dwrite(set, type, memory, file_space, H5P_DEFAULT, value);
    H5Sclose(memory);
    H5Sclose(file_space);
    return bad;
}

int px_results_row(px_results *r, const char *group, int64_t step, const char *const names[], const double values[],
                   int count)
{
    PX_CHECK(r->stage);
    series_group *s = group_open(r, group);
    for (int i = 0; i < count; i++)
        if (!s || series_find(s, names[i]) < 0)
            return px_fail(PX_FAIL, "%s: series %s/%s was not created", r->path, group, names[i]);
    if (!s)
        return px_fail(PX_FAIL, "%s: series %s/step was not created", r->path, group);
    hsize_t row = s->rows;
    if (group_level(r, s, row + 1) != 0)
        return -1;
    for (int i = 0; i < count; i++) {
        int k = series_find(s, names[i]);
        if (write_at(s->sets[k], row, H5T_NATIVE_DOUBLE, &values[i]) < 0)
            return series_fail(r, "write", s, k);
    }
    return write_at(s->sets[0], row, H5T_NATIVE_INT64, &step) < 0 ? series_fail(r, "write", s, 0) : 0;
}

int px_results_truncate(px_results *r, const char *group, int64_t step)
{
    PX_CHECK(r->stage && !r->live);
    series_group *s = group_open(r, group);
    if (!s)
        return 0;
    int64_t *steps;
    if (!px_h5_plausible(s->sets[0], 1, &s->rows, sizeof *steps))
        return px_fail(PX_DATA, "%s: %s/step announces %llu rows, more than the file can contain", r->path, group,
                       (unsigned long long)s->rows);
    steps = px_calloc(s->rows + 1, sizeof *steps);
    int bad = 0;
    if (H5Dread(s->sets[0], H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, steps) < 0)
        bad = series_fail(r, "read", s, 0);
    hsize_t keep = 0;
    while (keep < s->rows && steps[keep] >= 0 && steps[keep] < step) /* -1: an incompletely written row */
        keep++;
    free(steps);
    return bad ? bad : group_level(r, s, keep);
}

/* hostile_runs.c - hostile checkpoints, and results as show, plot and column read them (hostile.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../data/make_data.h"
#include "hostile_h5.h"

#include <hdf5.h>
#include <inttypes.h>

#define COUNT(table) (int)(sizeof(table) / sizeof *(table))
#define OTHER_TYPES "text compound opaque list reference bits"
#define FORMAT ": is not a checkpoint of format 1"
#define CONV "/parameters/conv1.weight"

/* ---- checkpoints ------------------------------------------------------------------------------------------------- */

/* As a run continues with them. */
static const h5_case resumed[] = {
    {"/config", "remove group dangling loop real integer compound opaque list reference null longer", 3, FORMAT, 0, 0},
    {"@step @format", "remove text real compound opaque list reference null longer", 3, FORMAT, 0, 0},
    {"@optimizer_step", "remove text real compound null longer", 3, "has no attribute optimizer_step", 0, 0},
    {"@format", "value", 3, FORMAT, 0, 2},
    {"@step", "value", 3, "its step is -5, which no run reaches", 0, -5},
    {"@step", "value", 3, "its step is 9223372036854774784, which no run reaches", 0, 9223372036854774784.0},
    {"/parameters /parameters/conv1.weight", "remove", 2, "contains no parameters/conv1.weight", 0, 0},
    {"/optimizer", "remove", 2, "contains no optimizer/", 0, 0},
    {CONV, "dangling loop group broken", 3, "parameters/conv1.weight", 0, 0},
    {CONV, "external passwd storage virtual filter", 3, "parameters/conv1.weight", 0, 0},
    {CONV, OTHER_TYPES, 3, "parameters/conv1.weight is damaged: ", 0, 0},
    {CONV, "null scalar empty one shorter longer more-axes 32-axes huge", 2, "parameters/conv1.weight is (", 0, 0},
};

/* As export reads them. */
static const h5_case exported[] = {
    {"/config", "remove group real", 3, FORMAT, 0, 0},
    {"@step", "remove longer text", 3, FORMAT, 0, 0},
    {"/parameters", "remove", 3, "contains no parameters", 0, 0},
    {CONV, "dangling loop group broken", 3, "parameters/conv1.weight", 0, 0},
    {CONV, "external passwd storage virtual filter", 3, "parameters/conv1.weight", 0, 0},
    {CONV, OTHER_TYPES, 3, "parameters/conv1.weight is damaged: ", 0, 0},
    {CONV, "32-axes", 3, "parameters/conv1.weight has 32 axes, but at most 6 are supported", 0, 0},
    {CONV, "huge overflow", 3, "parameters/conv1.weight claims to be larger than the file can contain", 0, 0},
};

void hostile_checkpoints(void **state)
{
    (void)state;
    hostile_rows rows = {0};
    hostile_h5_rows(&rows, "ok/checkpoint.h5", hostile_h5_checkpoint, resumed, COUNT(resumed));
    hostile_run_made(&rows, (const char *const[]){"pretrain", "--resume", "out=%", NULL});
    hostile_h5_rows(&rows, "ok/checkpoint.h5", hostile_h5_file, exported, COUNT(exported));
    hostile_run_made(&rows, (const char *const[]){"export", "%", NULL});
}

/* ---- whole files ------------------------------------------------------------------------------------------------- */

static void put(const hostile *h, const void *bytes, size_t size)
{
    bool file = strstr(h->name, ".h5") != NULL;
    char *path = px_format(file ? "%s" : "%s/checkpoint.h5", h->name);
    hostile_put(path, bytes, size);
    free(path);
}

/* The first `size` per cent of the checkpoint; the bit `number` of byte `at` is changed. */
static void damaged(const hostile *h)
{
    blob b = read_file("../../good/ok/checkpoint.h5");
    b.bytes[h->at] ^= (uint8_t)h->number;
    put(h, b.bytes, b.size * (size_t)h->size / 100);
    free(b.bytes);
}

/* The checkpoint with `size` more parameters. */
static void many(const hostile *h)
{
    blob b = read_file("../../good/ok/checkpoint.h5");
    put(h, b.bytes, b.size);
    free(b.bytes);
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), space = H5Screate(H5S_SCALAR);
    H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110);
    hid_t file = H5Fopen(h->name, H5F_ACC_RDWR, access), group = H5Gopen2(file, "parameters", H5P_DEFAULT);
    PX_CHECK(group >= 0);
    for (int64_t i = 0; i < h->size; i++) {
        char name[32];
        float value = 1;
        snprintf(name, sizeof name, "z%" PRId64, i);
        hid_t set = H5Dcreate2(group, name, H5T_IEEE_F32LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        PX_CHECK(H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, &value) >= 0);
        H5Dclose(set);
    }
    H5Gclose(group);
    H5Fclose(file);
    H5Sclose(space);
    H5Pclose(access);
}

/* A file in HDF5's oldest format. */
static void old_format(const hostile *h)
{
    hid_t file = H5Fcreate(h->name, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    PX_CHECK(file >= 0);
    H5Fclose(file);
}

#define RESUME                                                                                                         \
    {                                                                                                                  \
        "pretrain", "--resume", "out=%"                                                                                \
    }
#define EXPORT                                                                                                         \
    {                                                                                                                  \
        "export", "%"                                                                                                  \
    }
#define CHECKPOINT(NAME, MAKE, SAYS, ...)                                                                              \
    {                                                                                                                  \
        .name = NAME, .make = MAKE, .status = 3, .says = SAYS, __VA_ARGS__                                             \
    }
#define DAMAGED(NAME, SAYS, OBJECT, KIND, ...)                                                                         \
    CHECKPOINT(NAME, hostile_h5_checkpoint, SAYS, .from = "ok/checkpoint.h5", .object = OBJECT, .kind = KIND,          \
               __VA_ARGS__)

static const hostile files[] = {
    CHECKPOINT("cut", damaged, "checkpoint.h5: is not a complete HDF5 file: ", .size = 66, .words = RESUME,
               .ranks = true),
    CHECKPOINT("zero", damaged, "checkpoint.h5: is not a complete HDF5 file", .size = 0, .words = RESUME),
    CHECKPOINT("no-config", hostile_h5_checkpoint, "checkpoint.h5" FORMAT, .from = "ok/checkpoint.h5",
               .object = "/config", .kind = "remove", .words = RESUME, .ranks = true),
    DAMAGED("text", "parameters/conv1.weight is damaged: ", CONV, "text", .words = RESUME, .ranks = true),
    DAMAGED("steps", "checkpoint.h5" FORMAT, "@step", "longer", .words = RESUME, .ranks = true),
    DAMAGED("probed", "parameters/conv1.weight is damaged: ", CONV, "text", .words = {"probe", "%"}),
    DAMAGED("features", "parameters/conv1.weight is damaged: ", CONV, "text", .words = {"features", "%"}),
    CHECKPOINT("cut.h5", damaged, "cut.h5: is not a complete HDF5 file: ", .size = 66, .words = EXPORT),
    CHECKPOINT("head.h5", damaged, "head.h5: is not a complete HDF5 file: ", .size = 100, .at = 9, .number = 4,
               .words = EXPORT),
    CHECKPOINT("old.h5", old_format, "old.h5" FORMAT ": it is in an older HDF5 format", .words = EXPORT),
    CHECKPOINT("zero.h5", damaged, "zero.h5: is not a complete HDF5 file", .size = 0, .words = EXPORT),
    {.name = "many.h5", .make = many, .size = 20000, .says = "tensors of resnet18", .words = EXPORT},
    CHECKPOINT("@/d.h5", NULL, "d.h5" FORMAT, .words = {"export", "@/d.h5"}),
};

void hostile_checkpoint_files(void **state)
{
    (void)state;
    hostile_run(files, COUNT(files), NULL);
}

/* ---- results ----------------------------------------------------------------------------------------------------- */

/* An object that cannot be read is left out of what show prints and plot draws. */
static const h5_case shown[] = {
    {"/train/step /train/loss /config", "none remove dangling loop group external passwd", 0, NULL, 0, 0},
    {"/provenance /train /eval", "remove dangling loop external passwd", 0, NULL, 0, 0},
    {"/train/step /train/loss /config", OTHER_TYPES " null scalar 32-axes empty", 0, NULL, 0, 0},
    {"/train/step /train/loss", "huge overflow storage virtual broken ones more-axes filter enum", 0, NULL, 0, 0},
};

/* What the run cost, and what several runs are compared by. */
static const h5_case costs[] = {
    {"/ledger /ledger/session /ledger/images /ledger/joules", "none remove dangling loop group external passwd", 0,
     NULL, 0, 0},
    {"/ledger/session /ledger/images", OTHER_TYPES " null scalar 32-axes empty one shorter longer", 0, NULL, 0, 0},
    {"/ledger/session", "huge overflow storage virtual broken ones more-axes filter enum", 0, NULL, 0, 0},
};

static const h5_case compared[] = {
    {"/config /ledger /eval", "none remove dangling loop group external passwd", 0, NULL, 0, 0},
    {"/config", OTHER_TYPES " null scalar 32-axes empty", 0, NULL, 0, 0},
    {"/ledger/session", "huge overflow storage virtual broken ones more-axes filter enum", 0, NULL, 0, 0},
};

static const h5_case drawn[] = {
    {"/train/step /train/loss", "loop external text scalar 32-axes empty huge storage broken ones filter enum bits", 0,
     NULL, 0, 0},
};

static const h5_case printed[] = {
    {"/train/step /train/loss", "none real integer", 0, "train/loss", 0, 0},
    {"/train/loss", "null scalar", 0, "train/loss", 0, 0},
    {"/train/step", "null scalar more-axes", 3, " axes, but steps have one", 0, 0},
    {"/train/step", "remove ones one empty shorter longer", 0, "train/loss", 0, 0},
    {"/train/loss", "one empty shorter longer ones", 0, "train/loss", 0, 0},
    {"/train/loss", "remove", 2, "contains no series 'train/loss'", 0, 0},
    {"/train/loss", "group", 2, "'train/loss' is a group, not a series; it is empty", 0, 0},
    {"/train/step /train/loss", "dangling loop external passwd", 3, "contains no data set /train/", 0, 0},
    {"/train/step /train/loss", OTHER_TYPES, 3, " is not numeric", 0, 0},
    {"/train/step /train/loss", "32-axes", 3, " has 32 axes, but at most 4 are supported", 0, 0},
    {"/train/step /train/loss", "huge overflow", 3, " elements, but stores 0 bytes", 0, 0},
    {"/train/step /train/loss", "storage virtual", 3, "which is not read", 0, 0},
    {"/train/step /train/loss", "filter", 3, "it is packed by filter 32767", 0, 0},
    {"/train/step /train/loss", "broken", 3, "cannot read /train/", 0, 0},
};

void hostile_results(void **state)
{
    (void)state;
    hostile_rows rows = {0};
    hostile_h5_rows(&rows, "ok/run.h5", hostile_h5_results, shown, COUNT(shown));
    hostile_run_made(&rows, (const char *const[]){"show", "%", NULL});
    hostile_h5_rows(&rows, "ok/run.h5", hostile_h5_results, costs, COUNT(costs));
    hostile_run_made(&rows, (const char *const[]){"show", "--json", "%", NULL});
    hostile_h5_rows(&rows, "ok/run.h5", hostile_h5_results, compared, COUNT(compared));
    hostile_run_made(&rows, (const char *const[]){"compare", "%", NULL});
    hostile_h5_rows(&rows, "ok/run.h5", hostile_h5_results, drawn, COUNT(drawn));
    hostile_run_made(&rows, (const char *const[]){"plot", "%", NULL});
    hostile_h5_rows(&rows, "ok/run.h5", hostile_h5_results, printed, COUNT(printed));
    hostile_run_made(&rows, (const char *const[]){"column", "%", "train/loss", NULL});
}

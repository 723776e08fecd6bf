/* fuzz_checkpoint.c - checkpoints. Input: an HDF5 file; or else a recipe for one: its members with their types, shapes
 * and storage. So all of our reader is reached, whatever HDF5 itself refuses.
 *
 * A recipe is a row of members, each: name, type, how many axes, how it is stored, its extents, and how it is filled.
 */
#include "fuzz.h"

#include "results/h5.h"
#include "train/checkpoint.h"

/* HDF5 itself leaks memory when a file is damaged, which we cannot mend. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libhdf5";
}

enum { MEMBERS = 12, RANK_MAX = 7 };

static const char *const members[] = {"config",
                                      "parameters/cls_token",
                                      "parameters/pos_embed",
                                      "parameters/patch_embed.proj.weight",
                                      "parameters/other",
                                      "optimizer/momentum/cls_token",
                                      "parameters"};
static const char *const attributes[] = {"format", "step", "optimizer_step"};
enum { SETS = sizeof members / sizeof *members, ATTRIBUTES = sizeof attributes / sizeof *attributes };

/* An extent: small, that of the model's shapes, or beyond all reason. */
static hsize_t extent(fuzz_input *in)
{
    static const hsize_t known[] = {
        0, 1, 192, 5, 17, 16, 3, 1 << 20, (hsize_t)1 << 31, (hsize_t)1 << 40, (hsize_t)1 << 62};
    uint8_t b = fuzz_byte(in);
    return b < sizeof known / sizeof *known ? known[b] : b - 10u;
}

/* A new type; the caller closes it. */
static hid_t type_of(uint8_t kind, uint8_t length)
{
    hid_t type;
    switch (kind % 8) {
    case 0:
        return H5Tcopy(H5T_IEEE_F32LE);
    case 1:
        return H5Tcopy(H5T_STD_I64LE);
    case 2:
        return H5Tcopy(H5T_IEEE_F64BE);
    case 3:
        return H5Tcopy(H5T_STD_U8LE);
    case 4:
        type = H5Tcopy(H5T_C_S1);
        H5Tset_size(type, length ? length : H5T_VARIABLE);
        return type;
    case 5:
        type = H5Tcreate(H5T_COMPOUND, 8);
        H5Tinsert(type, "x", 0, H5T_IEEE_F32LE);
        return type;
    case 6:
        return H5Tvlen_create(H5T_IEEE_F32LE);
    default:
        return H5Tarray_create2(H5T_IEEE_F32LE, 1, (hsize_t[]){3});
    }
}

/* A scalar (no axes), nothing at all (7), or this many axes. HDF5 writes attributes at once, so extents are small. */
static hid_t space_of(fuzz_input *in, int rank, bool attribute, hsize_t dim[RANK_MAX])
{
    for (int i = 0; i < rank; i++)
        dim[i] = attribute ? extent(in) % 4 : extent(in);
    if (rank == 0 || rank == RANK_MAX)
        return H5Screate(rank == 0 ? H5S_SCALAR : H5S_NULL);
    return H5Screate_simple(rank, dim, NULL);
}

static hid_t storage(uint8_t how, int rank, const hsize_t dim[])
{
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    hsize_t chunk[RANK_MAX];
    for (int i = 0; i < rank; i++)
        chunk[i] = dim[i] < 8 && dim[i] > 0 ? dim[i] : 8;
    if (how % 4 == 1)
        H5Pset_layout(plist, H5D_COMPACT);
    if (how % 4 >= 2 && rank > 0 && rank < RANK_MAX)
        H5Pset_chunk(plist, rank, chunk);
    if (how % 4 == 3)
        H5Pset_fletcher32(plist);
    return plist;
}

static void put_member(hid_t file, fuzz_input *in)
{
    uint8_t name = fuzz_byte(in) % (SETS + ATTRIBUTES), kind = fuzz_byte(in);
    uint8_t length = kind % 8 == 4 ? fuzz_byte(in) : 0;
    int rank = fuzz_byte(in) % (RANK_MAX + 1);
    uint8_t how = fuzz_byte(in);
    hsize_t dim[RANK_MAX];
    uint8_t content[256] = {0};
    hid_t type = type_of(kind, length), space = space_of(in, rank, name >= SETS, dim),
          links = H5Pcreate(H5P_LINK_CREATE);
    H5Pset_create_intermediate_group(links, 1);
    uint8_t value = fuzz_byte(in);
    for (size_t i = 0; i < sizeof content; i += H5Tget_size(type)) /* the first byte of each element */
        content[i] = value;
    /* Only small ones are filled; variable-length strings are pointers and stay empty. */
    double count = rank < RANK_MAX ? 1 : 0;
    for (int i = 0; i < rank && rank < RANK_MAX; i++)
        count *= (double)dim[i];
    bool fill =
        count * (double)H5Tget_size(type) <= (double)sizeof content && kind % 8 != 6 && !(kind % 8 == 4 && length == 0);
    if (name < SETS && name != 6) {
        hid_t plist = storage(how, rank, dim),
              set = H5Dcreate2(file, members[name], type, space, links, plist, H5P_DEFAULT);
        if (set >= 0 && fill)
            H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, content);
        H5Dclose(set);
        H5Pclose(plist);
    } else if (name < SETS) {
        H5Gclose(H5Gcreate2(file, members[name], links, H5P_DEFAULT, H5P_DEFAULT));
    } else {
        hid_t attribute = H5Acreate2(file, attributes[name - SETS], type, space, H5P_DEFAULT, H5P_DEFAULT);
        if (attribute >= 0 && fill)
            H5Awrite(attribute, type, content);
        H5Aclose(attribute);
    }
    H5Pclose(links);
    H5Sclose(space);
    H5Tclose(type);
}

static const char *cook(fuzz_input *in)
{
    const char *path = fuzz_empty_file();
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, access);
    PX_CHECK(file >= 0);
    for (int i = 0; i < MEMBERS && in->at < in->size; i++)
        put_member(file, in);
    H5Fclose(file);
    H5Pclose(access);
    return path;
}

/* A model with position embeddings, which may be resampled, and an optimizer. Made once. */
typedef struct model {
    px_settings settings;
    px_model model;
    px_optimizer *optimizer;
} model;

static model *the_model(void)
{
    static model m;
    if (m.optimizer)
        return &m;
    px_task task = {.image_size = 32, .channels = 3, .batch = 1, .ranks = 1};
    static const char *const given[] = {"backbone=vit_tiny_16", "optim.optimizer=sgd"};
    int spans;
    PX_CHECK(px_settings_load(&m.settings, NULL, given, 2) == 0);
    PX_CHECK(px_model_encoder(&m.model, &m.settings, &task, &(px_encoder_spec){.batch = 1, .views = 1, .size = 32}) ==
             0);
    const px_param_span *span = px_plan_spans(m.model.plan, &spans);
    PX_CHECK(px_optimizer_create(&m.optimizer, &m.settings.optim, span, spans, px_plan_update(m.model.plan)) == 0);
    return &m;
}

static void check(int status, px_checkpoint *c)
{
    if (status != 0)
        fuzz_check_message();
    else
        px_checkpoint_finish(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_input in = {bytes, size, 0};
    px_log quiet = px_log_make(stderr, true);
    px_checkpoint c;
    model *m = the_model();
    px_h5_quiet();
    bool file = size >= 8 && memcmp(bytes, "\x89HDF\r\n\x1a\n", 8) == 0;
    const char *path = file ? fuzz_file(bytes, size) : cook(&in);
    check(px_checkpoint_arrays(path, &c, &quiet), &c);
    check(px_checkpoint_load(path, &m->model, NULL, &c, &quiet), &c);
    check(px_checkpoint_load(path, &m->model, m->optimizer, &c, &quiet), &c);
    return 0;
}

/* h5.c - see h5.h. */
#include "results/h5.h"

#include <stdio.h>
#include <string.h>

void px_h5_quiet(void)
{
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

/* Walking upward, the first entry is where the failure was found. After a system call it also contains time, file,
 * descriptor and address, from which the reason is cut out. */
static herr_t take_first(unsigned n, const H5E_error2_t *entry, void *text)
{
    static const char mark[] = "error message = '";
    const char *all = entry->desc ? entry->desc : "", *system = strstr(all, mark);
    const char *what = system ? system + strlen(mark) : all;
    if (n == 0)
        snprintf(text, PX_H5_WHY, "%.*s", (int)(system ? strcspn(what, "'") : strlen(what)), what);
    return 0;
}

const char *px_h5_why(char text[PX_H5_WHY])
{
    snprintf(text, PX_H5_WHY, "HDF5 gives no reason");
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_first, text);
    return text;
}

/* Whether its bytes lie in one piece in this file, as those of nearly all do: told without a copy of its properties, which
 * takes most of the time where there are tens of thousands. */
static bool is_contiguous(hid_t set)
{
    return H5Dget_offset(set) != HADDR_UNDEF;
}

double px_h5_chunk_bytes(hid_t set)
{
    if (is_contiguous(set))
        return 0;
    hsize_t dim[H5S_MAX_RANK];
    hid_t how = H5Dget_create_plist(set), type = H5Dget_type(set);
    int rank = H5Pget_layout(how) == H5D_CHUNKED ? H5Pget_chunk(how, H5S_MAX_RANK, dim) : 0;
    double bytes = rank > 0 ? (double)H5Tget_size(type) : 0;
    for (int i = 0; i < rank; i++)
        bytes *= (double)dim[i];
    H5Tclose(type);
    H5Pclose(how);
    return bytes;
}

/* HDF5 reads whole chunks: whether one takes much more memory than the data set itself. */
static bool has_giant_chunks(hid_t set, double size)
{
    enum { USUAL = 64 << 20 };
    double bytes = px_h5_chunk_bytes(set);
    return bytes > USUAL && bytes > 2 * size;
}

bool px_h5_is_bomb(hid_t set, double bytes, char why[PX_H5_WHY])
{
    enum { ALWAYS = 64 << 20, RATIO = 200, LARGEST = 200000000 }; /* pictures stay below 100 */
    double stored = (double)H5Dget_storage_size(set), chunk = px_h5_chunk_bytes(set),
           all = bytes > chunk ? bytes : chunk;
    bool bomb = chunk > 0 && all > ALWAYS && all > RATIO * stored; /* what is not in chunks is not compressed */
    if (bomb)
        snprintf(why, PX_H5_WHY,
                 "its %.1f MB unpack to %.0f MB, like a decompression bomb; if it is not one, store it unpacked "
                 "(h5repack -f NONE -l CONTI)",
                 stored / 1e6, all / 1e6);
    else if (chunk > LARGEST)
        snprintf(
            why, PX_H5_WHY,
            "it is stored in chunks of %.0f MB, more than the %d MB that are unpacked as a whole; store it unpacked "
            "(h5repack -f NONE -l CONTI)",
            chunk / 1e6, LARGEST / 1000000);
    return bomb || chunk > LARGEST;
}

bool px_h5_plausible(hid_t set, int rank, const hsize_t dim[], size_t element)
{
    enum { RATIO = 1032, SMALL = 1 << 16 }; /* deflate's best; parts never written take no space */
    hid_t file = H5Iget_file_id(set);
    hsize_t stored = H5Dget_storage_size(set), whole = 0;
    H5Fget_filesize(file, &whole);
    H5Fclose(file);
    double size = (double)element; /* skips extents of zero, so that no later product of the others overflows */
    for (int i = 0; i < rank; i++)
        size *= dim[i] > 0 ? (double)dim[i] : 1;
    return size <= (double)(stored < whole ? stored : whole) * RATIO + SMALL && !has_giant_chunks(set, size);
}

static bool lacks_filter(hid_t how, char why[PX_H5_WHY])
{
    for (int i = 0; i < H5Pget_nfilters(how); i++) {
        H5Z_filter_t id = H5Pget_filter2(how, (unsigned)i, &(unsigned){0}, &(size_t){0}, NULL, 0, NULL, NULL);
        if (id >= 0 && H5Zfilter_avail(id) > 0)
            continue;
        snprintf(why, PX_H5_WHY,
                 "it is packed by filter %d, which this HDF5 does not have; where it is, h5repack -f NONE unpacks it",
                 (int)id);
        return true;
    }
    return false;
}

bool px_h5_lacks_filter(hid_t set, char why[PX_H5_WHY])
{
    if (is_contiguous(set))
        return false;
    hid_t how = H5Dget_create_plist(set);
    bool lacks = H5Pget_layout(how) == H5D_CHUNKED && lacks_filter(how, why);
    H5Pclose(how);
    return lacks;
}

bool px_h5_unreadable(hid_t set, char why[PX_H5_WHY])
{
    if (is_contiguous(set))
        return false;
    char name[PX_H5_WHY / 2] = "";
    hid_t how = H5Dget_create_plist(set);
    bool virtual = H5Pget_layout(how) == H5D_VIRTUAL, external = H5Pget_external_count(how) > 0;
    bool packed = !virtual && !external && lacks_filter(how, why);
    if (virtual)
        H5Pget_virtual_filename(how, 0, name, sizeof name);
    else if (external)
        H5Pget_external(how, 0, sizeof name, name, NULL, NULL);
    H5Pclose(how);
    name[sizeof name - 1] = '\0'; /* H5Pget_external does not end a name that it has cut */
    if (virtual || external)
        snprintf(why, PX_H5_WHY, "it is %s, of '%s', which is not read",
                 virtual ? "a virtual data set" : "in external storage", name);
    return virtual || external || packed;
}

hid_t px_h5_bf16_type(void)
{
    hid_t type = H5Tcopy(H5T_NATIVE_FLOAT);
    H5Tset_fields(type, 15, 7, 8, 0, 7); /* sign; exponent from bit 7; mantissa from bit 0 */
    H5Tset_size(type, 2);
    H5Tset_ebias(type, 127);
    return type;
}

int px_h5_get_attribute_number(hid_t object, const char *name, int64_t *value)
{
    hid_t attribute = H5Aexists(object, name) > 0 ? H5Aopen(object, name, H5P_DEFAULT) : -1;
    if (attribute < 0)
        return -1;
    hid_t space = H5Aget_space(attribute), type = H5Aget_type(attribute);
    bool one = H5Sget_simple_extent_npoints(space) == 1 && H5Tget_class(type) == H5T_INTEGER;
    herr_t bad = one ? H5Aread(attribute, H5T_NATIVE_INT64, value) : -1;
    H5Tclose(type);
    H5Sclose(space);
    H5Aclose(attribute);
    return bad < 0 ? -1 : 0;
}

static int put_attribute(hid_t object, const char *name, hid_t stored, hid_t memory, const void *value)
{
    hid_t space = H5Screate(H5S_SCALAR), attribute = H5Acreate2(object, name, stored, space, H5P_DEFAULT, H5P_DEFAULT);
    herr_t bad = attribute < 0 ? -1 : H5Awrite(attribute, memory, value);
    if (attribute >= 0)
        H5Aclose(attribute);
    H5Sclose(space);
    return bad < 0 ? -1 : 0;
}

int px_h5_put_attribute_text(hid_t object, const char *name, const char *text)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, strlen(text) + 1);
    H5Tset_cset(type, H5T_CSET_UTF8);
    int status = put_attribute(object, name, type, type, text);
    H5Tclose(type);
    return status;
}

int px_h5_put_attribute_number(hid_t object, const char *name, int64_t value)
{
    return put_attribute(object, name, H5T_STD_I64LE, H5T_NATIVE_INT64, &value);
}

int px_h5_put_attribute_texts(hid_t object, const char *name, int count, const char *const *texts)
{
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate_simple(1, (hsize_t[]){(hsize_t)count}, NULL);
    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    hid_t attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    herr_t bad = attribute < 0 ? -1 : H5Awrite(attribute, type, texts);
    if (attribute >= 0)
        H5Aclose(attribute);
    H5Sclose(space);
    H5Tclose(type);
    return bad < 0 ? -1 : 0;
}

/* dataset_links.c - whether the other files that hold a data set's elements are there. HDF5 reads zeros, black images, where
 * the source of a virtual data set cannot be opened and where a file of external storage ends early. */
#include "base/error.h"
#include "data/dataset_private.h"
#include "data/source.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Whether this file can be opened and contains the HDF5 data set. */
static bool contains(const char *path, const char *set_name)
{
    px_h5_disk disk = {0};
    hid_t file = px_h5_open(path, false, &disk), set = file < 0 ? file : H5Dopen2(file, set_name, H5P_DEFAULT);
    if (set >= 0)
        H5Dclose(set);
    if (file >= 0)
        H5Fclose(file);
    return set >= 0;
}

/* HDF5 looks for a source by its name, then beside the file that leads to it. */
static bool source_is_there(hid_t set, const char *name, const char *set_name)
{
    char from[4096] = "";
    H5Fget_name(set, from, sizeof from);
    if (strcmp(name, ".") == 0)
        return contains(from, set_name);
    if (contains(name, set_name))
        return true;
    int folder = (int)(px_base_name(from) - from);
    char *beside = px_format("%.*s%s", folder, from, name[0] == '/' ? px_base_name(name) : name);
    bool there = contains(beside, set_name);
    free(beside);
    return there;
}

static int check_source(const px_dataset *d, hid_t set, const char *object, hid_t how, size_t index)
{
    char name[4096] = "", set_name[1024] = "";
    H5Pget_virtual_filename(how, index, name, sizeof name);
    H5Pget_virtual_dsetname(how, index, set_name, sizeof set_name);
    if (strchr(name, '%') || strchr(set_name, '%')) /* a pattern of names: as many as there are */
        return 0;
    if (source_is_there(set, name, set_name))
        return 0;
    return px_fail(PX_DATA, "%s: %s is a virtual data set of %s in '%s', which cannot be opened", d->path, object,
                   set_name, name);
}

static int check_storage(const px_dataset *d, const char *object, hid_t how, unsigned index, hsize_t *rest)
{
    struct stat about;
    char name[4096] = "";
    off_t offset;
    hsize_t size;
    H5Pget_external(how, index, sizeof name - 1, name, &offset, &size);
    hsize_t needed = size < *rest ? size : *rest;
    *rest -= needed;
    if (stat(name, &about) == 0 && about.st_size >= offset && (hsize_t)(about.st_size - offset) >= needed)
        return 0;
    return px_fail(PX_DATA, "%s: %s is in external storage, of '%s', which is missing or too short", d->path, object,
                   name);
}

int px_dataset_check_links(const px_dataset *d, hid_t set, const char *object, hsize_t bytes)
{
    hid_t how = H5Dget_create_plist(set);
    size_t sources = 0;
    int status = 0, files = H5Pget_external_count(how);
    /* With these variables files are found elsewhere. */
    if (H5Pget_layout(how) == H5D_VIRTUAL && !getenv("HDF5_VDS_PREFIX"))
        H5Pget_virtual_count(how, &sources);
    if (getenv("HDF5_EXTFILE_PREFIX"))
        files = 0;
    for (size_t i = 0; i < sources && status == 0; i++)
        status = check_source(d, set, object, how, i);
    for (int i = 0; i < files && status == 0; i++)
        status = check_storage(d, object, how, (unsigned)i, &bytes);
    H5Pclose(how);
    return status;
}

/* h5.c - HDF5's error stack in one line; scalar attributes. */
#include "data/h5.h"

#include <stdio.h>
#include <string.h>

void px_h5_quiet(void)
{
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

/* Walking upward, the first entry is where the failure was met. That of a system call holds time, file, descriptor and
 * address around what counts. */
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

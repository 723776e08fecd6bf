/* image_exif.c - the orientation in an EXIF block, by libexif. */
#include "base/error.h"
#include "data/image_private.h"

#include <libexif/exif-data.h>
#include <stdlib.h>
#include <string.h>

enum { EXIF_MAX = 1 << 16 }; /* as in a JPEG's segment; the orientation comes in the first directory */

int px_exif_orientation(const uint8_t *exif, size_t size)
{
    static const char prefix[6] = "Exif\0";
    bool prefixed = size >= sizeof prefix && memcmp(exif, prefix, sizeof prefix) == 0;
    size_t lead = prefixed ? 0 : sizeof prefix;
    if (size == 0 || size > EXIF_MAX)
        return 1;
    uint8_t *whole = px_realloc(NULL, size + lead);
    memcpy(whole, prefix, lead);
    memcpy(whole + lead, exif, size);
    ExifData *data = exif_data_new_from_data(whole, (unsigned)(size + lead));
    free(whole);
    ExifEntry *entry = data ? exif_content_get_entry(data->ifd[EXIF_IFD_0], EXIF_TAG_ORIENTATION) : NULL;
    int orientation = 1;
    if (entry && entry->format == EXIF_FORMAT_SHORT && entry->components >= 1 && entry->size >= 2)
        orientation = exif_get_short(entry->data, exif_data_get_byte_order(data));
    exif_data_unref(data);
    return orientation >= 1 && orientation <= 8 ? orientation : 1;
}

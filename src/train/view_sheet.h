/* view_sheet.h - the views of some images as one picture, before a run is paid for: a row per image, a column per copy of each
 * view that is an image. What a method says of patches stands beside: a view "mask" (rows, columns), whose patches of 1 are hidden,
 * and "visible" or "targets", places of those that stay, in the backbone's grid.
 *
 *     px_view_sheet sheet;
 *     if (px_view_sheet_make(&sheet, &settings, 8) != 0) ...
 *     px_png_write(path, sheet.pixels, sheet.height, sheet.width, 3);
 *     puts(sheet.legend);
 *     px_view_sheet_finish(&sheet);
 */
#ifndef PX_TRAIN_VIEW_SHEET_H
#define PX_TRAIN_VIEW_SHEET_H

#include "train/settings.h"

typedef struct px_view_sheet {
    uint8_t *pixels; /* (height, width, 3) */
    int height, width, rows, columns;
    char *legend; /* lines: what each column is, numbers that belong to the images, views that are not pictures */
} px_view_sheet;

/* Of the first images of the run's first epoch, at most `rows`; with the settings' seed, so the network will see these. 0 or -1;
 * px_view_sheet_finish is due in both cases. */
int px_view_sheet_make(px_view_sheet *, px_settings *, int rows);
void px_view_sheet_finish(px_view_sheet *);

#endif

/* zip.h - whether a zip tells the same twice.
 *
 *     if (px_zip_check(bytes, size, "weights.pth") != 0) return -1;
 *
 * The directory at the end of a zip says what it holds. Each entry has a header of its own, too, with the same name, method
 * and sizes. Some programs believe the one, some the other, so that a made zip shows different files to different programs.
 * We read by the directory, and refuse a zip whose entries' own headers contradict it; Python's zipfile does the same. What
 * the directory does not name is not read.
 */
#ifndef PX_DATA_ZIP_H
#define PX_DATA_ZIP_H

#include <stddef.h>
#include <stdint.h>

/* 0, or -1 (PX_DATA) with the name of the first entry whose headers differ. A file that is damaged otherwise, or not a zip,
 * is left to its reader: 0. */
int px_zip_check(const uint8_t *bytes, size_t size, const char *path);

#endif

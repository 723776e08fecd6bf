/* folder.h - makes a folder and its parents so that a failure can take them back.
 *
 *     int existed;
 *     if (px_folder_make("a/b/c", 64, &existed) != 0) return -1;      // on failure none of those that it made is left
 *     ...
 *     px_folder_unmake("a/b/c", existed);                             // removes what it made and is empty
 */
#ifndef PX_BASE_FOLDER_H
#define PX_BASE_FOLDER_H

/* `room`: bytes for the longest name in it, with its slash. *existed: bytes of `folder` that name folders which were
 * there. 0, or -1 with PX_USAGE: it is not a folder, cannot be written to, or its path is too long, which is refused
 * before anything is made. */
int px_folder_make(const char *folder, int room, int *existed);
void px_folder_unmake(const char *folder, int existed);

#endif

/* folder.h - makes a folder and its parents so that a failure can take them back; tells an output from an input.
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

/* 0 if the output `path` is another file than `input`, or one of them is missing; -1 with PX_USAGE: writing it would
 * replace what is read. `what`: the input in the user's words. */
int px_not_input(const char *path, const char *input, const char *what);

#endif

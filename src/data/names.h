/* names.h - what the names of files and folders say by themselves. docs/files.md has the rule in full.
 *
 * A name is cut into words: at every character that is neither letter nor digit, between letters and digits, and where
 * capitals begin a word ("seg_train2017" is seg, train, 2017; "TrainSet" is train, set). Upper and lower case are the
 * same. */
#ifndef PX_DATA_NAMES_H
#define PX_DATA_NAMES_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the longest name of a class or split: that of a path, which a class may be called by. */
enum { PX_NAME_LONGEST = 4096 };

/* The standard splits in the order in which they are stored. */
enum { PX_SPLIT_TRAIN, PX_SPLIT_VAL, PX_SPLIT_TEST, PX_SPLIT_UNLABELED, PX_SPLITS_STANDARD };

extern const char *const px_split_standard[PX_SPLITS_STANDARD];

/* The standard split that a name stands for: one of its words is a split's in any usual spelling, all others say nothing
 * (numbers, "set", "images", "seg"). -1: none. */
int px_split_of_name(const char *name, size_t length);

/* The standard split that one word of a name stands for, whatever the others say: "MNIST_train", "trainA". -1: none, or
 * several. rest: the other words that say something, in lower case, with blanks between them, cut off if they are long. */
enum { PX_NAME_REST = 80 };
int px_split_in_name(const char *name, size_t length, char rest[PX_NAME_REST]);

/* Whether a name is that of a part of a cross-validation: "fold0", "Fold_3", "cv-1". */
bool px_name_is_fold(const char *name, size_t length);

/* Whether a name only says that pictures are below, as "images", "JPEGImages" and "images_001" do. */
bool px_name_is_container(const char *name, size_t length);

/* Whether a file or folder is hidden (.git, ._x.jpg), or is made by a system for itself (__MACOSX, @eaDir, Thumbs.db). */
bool px_name_is_junk(const char *name, size_t length);

/* Whether the name's extension is that of a picture in a format that is read. */
bool px_name_is_picture(const char *path);

/* The format of a picture that is not read, by the name's extension: "HEIC". NULL: it is not such a picture. */
const char *px_name_other_picture(const char *path);

#endif

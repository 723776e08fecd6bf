/* hostile_h5.h - makers of hostile HDF5 files (hostile.h): a copy of a good file in which one object is damaged.
 *
 * A row's `from` is the good file, `object` the object ("/labels", or "/train@name" for an attribute), `kind` the damage:
 *     none                        nothing
 *     remove, group, dangling, loop, external, passwd
 *                                 the object is missing, a group, a soft link to nowhere or to itself, an external link to
 *                                 another HDF5 file or to /etc/passwd
 *     text, real, integer, compound, opaque, list, reference
 *                                 elements of another type, all zero
 *     null, scalar, more-axes, 32-axes, empty, one, shorter, longer
 *                                 other extents
 *     huge, overflow              extents that are announced but not stored, with a product below and above 2^64
 *     storage, virtual            elements that lie in another file
 *     chunked, broken             the same elements, compressed; a compressed block that cannot be unpacked
 *     ones, value                 all bits of all elements set; element `at` is `number`
 */
#ifndef PX_TESTS_CLI_HOSTILE_H5_H
#define PX_TESTS_CLI_HOSTILE_H5_H

#include "hostile.h"

/* The file itself, or a folder with this file in it. */
void hostile_h5_file(const hostile *);
void hostile_h5_checkpoint(const hostile *);
void hostile_h5_results(const hostile *);

/* One row for each of the objects and damages, which are separated by spaces; they are called after these. */
typedef struct h5_case {
    const char *objects, *damages;
    int status;
    const char *says;
    int64_t at;
    double number;
} h5_case;

void hostile_h5_rows(hostile_rows *, const char *from, void (*make)(const hostile *), const h5_case cases[], int count);

#endif

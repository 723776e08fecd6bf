/* table.h - all ops there are. The tests walk it: an op without its case fails. */
#ifndef PX_OPS_TABLE_H
#define PX_OPS_TABLE_H

#include "graph/op.h"

extern const px_op *const px_ops[]; /* NULL-terminated */

#endif

/* table.h - the table of all ops. The tests walk it: an op without a test case fails. */
#ifndef PX_OPS_TABLE_H
#define PX_OPS_TABLE_H

#include "graph/op.h"

extern const px_op *const px_ops[]; /* NULL-terminated */

#endif

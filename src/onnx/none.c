/* none.c - in place of all other files of this folder, in a build without protobuf-c. */
#include "base/error.h"
#include "onnx/rows.h"

const char *px_onnx_missing(void)
{
    return "this build of Pretext has no protobuf-c, which ONNX takes: install libprotobuf-c-dev and "
           "protobuf-c-compiler (Debian's names) and build again; out=W.safetensors needs neither";
}

int px_onnx_write(const char *path, const px_onnx_model *m)
{
    (void)m;
    return px_fail(PX_USAGE, "%s: %s", path, px_onnx_missing());
}

int px_onnx_check(const char *path)
{
    return px_fail(PX_USAGE, "%s: %s", path, px_onnx_missing());
}

const px_onnx_row *px_onnx_row_of(const px_op *op)
{
    (void)op;
    return NULL;
}

"""Compares an exported backbone under onnxruntime with what `pretext features` computed.

compare.py W.onnx DATA.h5 FEATURES.h5: prints the largest difference, divided by the largest feature; 1 if it is above 1e-4.
DATA.h5 has /images (N, H, W, C) as bytes, of the size that the model takes. Batches of 1, of 3 and of all images are run, and
must agree. Where a module is missing, it ends with 77: meson then skips the test.
"""
import sys

try:
    import h5py
    import numpy as np
    import onnxruntime
except ImportError as error:
    print(f"skipped: {error}; the environment variable ONNX_PYTHON can name an interpreter that has onnxruntime and h5py")
    sys.exit(77)

LIMIT = 1e-4


def check_model(path):
    """With the package onnx, its checker also infers all shapes."""
    try:
        import onnx
    except ImportError:
        return
    onnx.checker.check_model(path, full_check=True)


def main(model, data, features):
    check_model(model)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    with h5py.File(features) as f:
        want, rows = f["features"][:], f["rows"][:]
    with h5py.File(data) as f:
        images = f["images"][:][rows]
    images = np.ascontiguousarray(images.transpose(0, 3, 1, 2)).astype(np.float32) / np.float32(255)
    worst = 0.0
    for count in (1, 3, len(images)):
        names = [o.name for o in session.get_outputs()]
        got = dict(zip(names, session.run(None, {"images": images[:count]})))
        if any(len(v) != count for v in got.values()) or got["features"].shape != want[:count].shape:
            print("shapes:", {k: v.shape for k, v in got.items()}, "expected", want[:count].shape)
            return 1
        worst = max(worst, float(np.abs(got["features"] - want[:count]).max() / np.abs(want).max()))
    print(f"{worst:.1e}", {o.name: o.shape for o in session.get_outputs()}, session.get_modelmeta().custom_metadata_map)
    return 0 if worst < LIMIT else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""Runs FOLDER/m.onnx under onnxruntime and compares every output with FOLDER/NAME.f32, which our own kernels computed.

compare_ops.py FOLDER: the input is FOLDER/images.f32, three samples; their first one alone is run as well. 1 if an output differs
by more than 1e-5 of its largest number. Where a module is missing, it ends with 77: the test is skipped.
"""
import os
import sys

try:
    import numpy as np
    import onnxruntime
except ImportError as error:
    print(f"skipped: {error}; the environment variable ONNX_PYTHON can name an interpreter that has onnxruntime")
    sys.exit(77)

LIMIT = 1e-5


def main(folder):
    model = os.path.join(folder, "m.onnx")
    try:
        import onnx
        onnx.checker.check_model(model, full_check=True)
    except ImportError:
        pass
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map["key"] == "its text"
    images = np.fromfile(os.path.join(folder, "images.f32"), "<f4").reshape(3, *session.get_inputs()[0].shape[1:])
    names = [o.name for o in session.get_outputs()]
    bad = 0
    for count in (3, 1):
        for name, got in zip(names, session.run(None, {"images": images[:count]})):
            want = np.fromfile(os.path.join(folder, name + ".f32"), "<f4")
            if name == "left":  # the samples lie along its second axis
                got, want = got.T.ravel(), want.reshape(got.shape[0], -1).T.ravel()
            want = want[:want.size * count // 3]
            difference = np.abs(got.ravel() - want).max() / np.abs(want).max() if got.size == want.size else np.inf
            if not difference < LIMIT:
                print(f"{name}, {count} samples: {difference:.1e}, {got.shape}")
                bad += 1
    print(f"{len(names)} outputs, {bad} differ")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

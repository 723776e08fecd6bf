"""SimCLR's views by torchvision, for comparison with our loader: views per second on one core.

    python3 peer_views.py DATA.h5 [--size 32] [--blur 0.5] [--strength 0.5] [--seconds 10]

DATA.h5 is made by `pretext pack`; its images are in memory before the clock starts, as pixels or as JPEG. Prints a JSON
line for each way: transforms on PIL images, and (torchvision 0.15 and later) transforms.v2 on uint8 tensors. Seconds are those of
the processor, so that what else the machine does counts less. Needs torchvision and h5py.
"""
import argparse
import io
import json
import time

import h5py
import torch
import torchvision
from PIL import Image


def images(path, count=512):
    with h5py.File(path) as f:
        if "images" in f:
            return list(f["images"][:count]), False
        at = f["offsets"][: count + 1]
        data = f["encoded"][: int(at[-1])]
        return [data[int(a) : int(b)].tobytes() for a, b in zip(at, at[1:])], True


def recipe(t, args, last):
    s = args.strength
    jitter = t.ColorJitter(0.8 * s, 0.8 * s, 0.8 * s, 0.2 * s)
    steps = [
        t.RandomResizedCrop(args.size, scale=(0.08, 1), antialias=True) if last else t.RandomResizedCrop(args.size, scale=(0.08, 1)),
        t.RandomHorizontalFlip(),
        t.RandomApply([jitter], 0.8),
        t.RandomGrayscale(0.2),
    ]
    if args.blur:
        steps.append(t.RandomApply([t.GaussianBlur(int(0.1 * args.size) | 1, (0.1, 2.0))], args.blur))
    return steps


def pil_way(args):
    t = torchvision.transforms
    views = t.Compose(recipe(t, args, False) + [t.ToTensor()])

    def load(image, encoded):
        return Image.open(io.BytesIO(image)).convert("RGB") if encoded else Image.fromarray(image)

    return load, views


def tensor_way(args):
    from torchvision.transforms import v2

    views = v2.Compose(recipe(v2, args, True) + [v2.ToDtype(torch.float32, scale=True)])

    def load(image, encoded):
        if encoded:
            return torchvision.io.decode_jpeg(torch.frombuffer(bytearray(image), dtype=torch.uint8), mode="RGB")
        return torch.from_numpy(image).permute(2, 0, 1).contiguous()

    return load, views


def main():
    a = argparse.ArgumentParser()
    a.add_argument("data")
    a.add_argument("--size", type=int, default=32)
    a.add_argument("--blur", type=float, default=0)
    a.add_argument("--strength", type=float, default=0.5)
    a.add_argument("--seconds", type=float, default=10)
    args = a.parse_args()
    torch.set_num_threads(1)
    all_images, encoded = images(args.data)
    ways = {"PIL": pil_way}
    if hasattr(torchvision.transforms, "v2") or torchvision.__version__ >= "0.15":
        ways["v2 tensors"] = tensor_way
    for name, way in ways.items():
        load, views = way(args)
        made, start = 0, time.process_time()
        while time.process_time() - start < args.seconds:
            image = load(all_images[made // 2 % len(all_images)], encoded)
            views(image), views(image)
            made += 2
        rate = made / (time.process_time() - start)
        print(json.dumps(dict(way=name, torchvision=torchvision.__version__, views_per_s=round(rate, 1))), flush=True)


if __name__ == "__main__":
    main()

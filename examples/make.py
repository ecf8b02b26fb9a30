"""Make the faces of the photos here, and the example kittens, which are mixes of training faces by our own v6.

    python -m examples.make --data SOURCE

None of the kittens is a photo of a cat that exists. Each is half way between a training face and the most
similar one of a random handful: alike enough that the mix has one pair of eyes and one coat.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor

from catvae import load_variant
from catvae.images import to_pil
from catvae.photos.decode import open_image
from catvae.photos.faces import cut_face
from catvae.training.data import PUBLISHED_DATASET, load_faces

CANDIDATES = 300
HANDFUL = 400


@torch.inference_mode()
def make_kittens(faces: Tensor, count: int, checkpoints: Path | None, seed: int = 0) -> Tensor:
    """`count` mixed faces in [0, 1], (count, 3, 64, 64), as unlike one another as can be."""
    model = load_variant("v6", checkpoints)
    generator = torch.Generator().manual_seed(seed)
    chosen = faces[torch.randperm(len(faces), generator=generator)[: CANDIDATES + HANDFUL]]
    mu = torch.cat([model.encode(batch.float() / 255)[0] for batch in chosen.split(256)])
    a, others = mu[:CANDIDATES], mu[CANDIDATES:]
    kittens = model.decode((a + others[torch.cdist(a, others).argmin(1)]) / 2)

    coarse = torch.nn.functional.avg_pool2d(kittens, 8).flatten(1)  # coat and light, not fur
    picked = [int(contrast(kittens).argmax())]
    clear = contrast(kittens) > contrast(kittens).median()
    while len(picked) < count:  # farthest-point sampling among the clearer half
        distance = torch.cdist(coarse, coarse[picked]).amin(1)
        picked.append(int(distance.where(clear, -1).argmax()))
    return kittens[picked]


def contrast(images: Tensor) -> Tensor:
    """Mean absolute difference of neighbouring pixels, (N,): low for blurred faces."""
    return images.diff(dim=-1).abs().flatten(1).mean(1) + images.diff(dim=-2).abs().flatten(1).mean(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=PUBLISHED_DATASET)
    parser.add_argument("--checkpoints", type=Path)
    parser.add_argument("--count", type=int, default=16)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    args = parser.parse_args()
    kittens = make_kittens(load_faces(args.data).train, args.count, args.checkpoints)
    for number, kitten in enumerate(to_pil(kittens), start=1):
        kitten.save(args.out / f"kitten-{number:02d}.png", optimize=True)
    for photo in args.out.glob("*.jpg"):
        cut_face(open_image(photo)).save(photo.with_suffix(".png"), optimize=True)
    print(f"{len(kittens)} kittens in {args.out}")


if __name__ == "__main__":
    main()

"""How near to a cat v7's painter comes when the judge teaches it: python -m benchmarks.judge --data FACES

First how alike gradients are: that of LPIPS with VGG, which judges v7, by the pixels of what v7 paints, and those of
what v7 learns from, with faces seen at one size and at three. Then the painter goes on without bounds, and learns from
the judge with a tenth of L1, and nothing else: no adversary, no spectrum, no mixes. Its weights are not kept.
"""

import argparse
import time
from collections.abc import Callable
from copy import deepcopy

import torch
import torch.nn.functional as F
from torch import Tensor

from catvae import load_faces, load_variant, painter
from catvae.evaluation.perceptual import _unit, _vgg, load_eyes, load_vgg
from catvae.machine import autocast, pick_precision
from catvae.metrics import psnr, sharpness
from catvae.model import CatVAE
from catvae.training.losses import Eyes, distance, enlarge
from catvae.training.painting import vary

CPU = torch.device("cpu")
BATCH = 32
ROW = 4800  # faces from one row to the next
PEAK_LR = 5e-4
L1 = 0.1
EMA = 0.998


def load_judge() -> Eyes:
    """LPIPS with VGG, with gradients."""
    return Eyes(lambda x: [_unit(tap) for tap in _vgg(x)], [head.sqrt()[:, None, None] for head in load_vgg()[1]])


def gradient(loss: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    images = images.clone().requires_grad_(True)
    return torch.autograd.grad(loss(images), images)[0].flatten()


def alike(vae: CatVAE, x: Tensor, judge: Eyes, eyes: Eyes) -> dict[str, float]:
    """Cosine of the judge's gradient and that of the eyes at one size and at several, moved by 0 and 2 pixels."""

    def seen(side: int, shift: int) -> Tensor:
        def far(y: Tensor) -> Tensor:
            return distance(eyes, *(eyes.taps(enlarge(image, side, (shift, shift))) for image in (y, x))).sum()

        return gradient(far, painted)

    painted = vae.decode(vae.encode(x)[0])
    wanted = gradient(lambda y: distance(judge, judge.taps(y), judge.taps(x)).sum(), painted)
    views = {side: [seen(side, shift) for shift in (0, 2)] for side in (64, 128, 192)}
    sets = {"128 pixels": views[128][:1], "64, 128 and 192 pixels, moved": [g for pair in views.values() for g in pair]}
    return {
        name: F.cosine_similarity(torch.stack([g / g.norm() for g in parts]).sum(0), wanted, dim=0).item()
        for name, parts in sets.items()
    }


@torch.inference_mode()
def measure(vae: CatVAE, faces: Tensor, judge: Eyes) -> list[float]:
    """LPIPS (VGG), PSNR and sharpness over that of the faces, means over uint8 faces (N, 3, 64, 64)."""
    rows = []
    for batch in faces.split(BATCH):
        x = batch.float() / 255
        y = vae.decode(vae.encode(x)[0])
        rows.append(
            torch.stack([distance(judge, judge.taps(y), judge.taps(x)), psnr(x, y), sharpness(y) / sharpness(x)], 1)
        )
    return torch.cat(rows).mean(0).tolist()


def learn(vae: CatVAE, train: Tensor, judge: Eyes, images: int, report: Callable[[int, CatVAE], None]) -> None:
    """Let the painter of `vae` learn from so many faces; its moving average is reported, and v6 stays as it is."""
    slow, precision = vae.painter, pick_precision("auto", CPU)
    assert slow is not None  # v7 has one
    quick = deepcopy(slow).requires_grad_(True)
    adam = torch.optim.Adam(quick.parameters(), betas=(0.9, 0.99))
    for step in range(images // BATCH):
        for group in adam.param_groups:
            group["lr"] = PEAK_LR * min(1, (step + 1) / 50) * min(1, max(0.02, 2 - 2 * step * BATCH / images))
        picks, chance = torch.randint(len(train), (BATCH,)), torch.randn(BATCH, 5)
        x = vary(train[picks].float() / 255, chance, torch.randint(5, (2,)), 0.5)
        x = x.contiguous(memory_format=torch.channels_last)
        with autocast(CPU, precision):
            mu = vae.encode(x)[0].float()
            y = quick(vae.decoder(mu).sigmoid(), mu).float()
            loss = distance(judge, judge.taps(y), judge.taps(x)).mean() + L1 * F.l1_loss(y, x)
        adam.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(quick.parameters(), 1)
        adam.step()
        with torch.no_grad():
            for kept, new in zip(slow.parameters(), quick.parameters(), strict=True):
                kept.lerp_(new, 1 - EMA)
        if (step + 1) * BATCH % ROW < BATCH:
            report((step + 1) * BATCH, vae)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="faces as train_space.py reads them")
    parser.add_argument("--images", type=int, default=38_400, help="faces to learn from")
    parser.add_argument("--measured", type=int, default=496, help="faces of each side to measure on")
    args = parser.parse_args()
    torch.manual_seed(0)
    faces, judge, vae = load_faces(args.data), load_judge(), load_variant("v7")
    for name, cosine in alike(vae, faces.train[:64].float() / 255, judge, load_eyes(CPU)).items():
        print(f"cosine with the judge's gradient, {name}: {cosine:.2f}", flush=True)
    painter.LIGHT = painter.COLOUR = 1.0  # no bounds
    started = time.monotonic()
    print("faces    LPIPS  PSNR  sharpness of unseen faces | of faces it learns from | seconds")

    def report(seen: int, vae: CatVAE) -> None:
        sides = [measure(vae, side[: args.measured], judge) for side in (faces.validation, faces.train)]
        cells = [f"{lpips:.4f} {decibels:.2f} {sharp:.2f}" for lpips, decibels, sharp in sides]
        print(f"{seen:6d}   {' | '.join(cells)} | {time.monotonic() - started:.0f}", flush=True)

    report(0, vae)
    learn(vae, faces.train, judge, args.images, report)


if __name__ == "__main__":
    main()

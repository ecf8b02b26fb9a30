"""How far two processes end from one, in fp32 and bf16, and why: python -m benchmarks.precision --data FACES

Batches are learned from whole and in two halves whose gradients are added up, as two processes do it, here in one
process, so that nothing else differs. Gradients come in the precision of the products. "fp32, rounded" computes in fp32
and rounds each half's gradients, and nothing else, to bf16; "plain" rows take Muon's steps without making them
orthogonal: as far in the largest direction of each matrix, less far in all others.
"""

import argparse

import torch
from torch import Tensor

from catvae.machine import autocast, prepare_training
from catvae.metrics import evaluate_model
from catvae.model import VARIANTS, beta_elbo
from catvae.training.batches import augment, epoch_batches
from catvae.training.data import Faces, load_faces
from catvae.training.optim import MOMENTUM, lr_factor, orthogonalize
from catvae.training.start import BATCH, PEAK_LR, TrainConfig
from catvae.training.train import Run, make_run


def add_gradients(run: Run, batch: Tensor, halves: int, rounded: bool) -> None:
    """Put the gradient of a uint8 batch (N, 3, 64, 64) into `run.gradients`, as the sum of its `halves`."""
    chance, noise = torch.randn(len(batch), 10), torch.randn(len(batch), run.variant.config.latent_dim)
    total = torch.zeros_like(run.gradients)
    for part in range(halves):
        mine = slice(part, None, halves)
        x = batch[mine].to(memory_format=torch.channels_last).float() / 255
        x = augment(x, chance[mine], run.config.jitter or 0)
        run.gradients.zero_()
        with autocast(run.gradients.device, run.config.precision):
            logits, mu, logvar = run.model(x, noise[mine])
        (beta_elbo(logits, x, mu, logvar, run.variant.beta)[0].sum() / len(batch)).backward()
        total += run.gradients.bfloat16() if rounded else run.gradients
    run.gradients.copy_(total)


class Plain(torch.optim.Optimizer):
    """Muon but for the orthogonal step: momentum over its largest singular value."""

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                buffer = self.state[p].setdefault("momentum", torch.zeros_like(p)).lerp_(p.grad, 1 - MOMENTUM)
                update = p.grad.lerp(buffer, MOMENTUM).flatten(1)
                length = group["lr"] * max(1, update.shape[0] / update.shape[1]) ** 0.5
                p.add_(update.view_as(p), alpha=-length / torch.linalg.matrix_norm(update, 2).item())


def relative(ours: Tensor, theirs: Tensor) -> float:
    """Norm of the difference over that of `theirs`."""
    return ((ours - theirs).norm() / theirs.norm()).item()


def weights(run: Run) -> Tensor:
    return torch.cat([p.detach().flatten() for p in run.model.parameters()])


def compare(label: str, faces: Faces, name: str, config: TrainConfig, muon: bool, rounded: bool) -> None:
    """Train by whole batches and by halves, and print how far they are apart at the first step and after each epoch."""
    runs = [make_run(name, VARIANTS[name], faces, config, torch.device("cpu"), begun=False) for _ in range(2)]
    if not muon:
        for run in runs:
            run.optimizers[1] = Plain(run.optimizers[1].param_groups, {})
    start, step = weights(runs[0]), 0
    for epoch in range(config.epochs):
        torch.manual_seed(epoch + 1)
        for number, (batch, _) in enumerate(epoch_batches(faces.train, config.batch_size or BATCH)):
            for halves, run in zip((1, 2), runs, strict=True):
                torch.manual_seed(1000 * epoch + number)
                add_gradients(run, batch, halves, rounded)
            if step == 0:
                first_step(label, *runs)
            for run in runs:
                for optimizer in run.optimizers:
                    for group in optimizer.param_groups:
                        group["lr"] = group["peak_lr"] * lr_factor(step, run.steps)
                    optimizer.step()
                run.ema.update_parameters(run.model)
            step += 1
        whole, halved = (evaluate_model(run.ema.module, faces.validation)["psnr"] for run in runs)
        apart = (weights(runs[0]) - weights(runs[1])).norm() / (weights(runs[0]) - start).norm()
        print(
            f"{label:16} epoch {epoch + 1}: PSNR {whole:.3f} and {halved:.3f} dB ({halved - whole:+.3f}); "
            f"weights {apart:.2%} of their way apart",
            flush=True,
        )


def first_step(label: str, whole: Run, halved: Run) -> None:
    """How far the gradients of the first batch are apart, before and after Muon makes them orthogonal."""
    pairs = [
        (ours.grad.flatten(1), theirs.grad.flatten(1))
        for ours, theirs in zip(halved.model.parameters(), whole.model.parameters(), strict=True)
        if ours.ndim > 1
    ]
    before = [relative(*pair) for pair in pairs]
    after = [relative(*map(orthogonalize, pair)) for pair in pairs]
    print(
        f"{label:16} first gradients, by matrix: {min(before):.1e} to {max(before):.1e} apart, "
        f"orthogonal {min(after):.1e} to {max(after):.1e}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="../shared/data/cat-faces-64/train.parquet")
    parser.add_argument("--limit", type=int, default=1000, help="images to read")
    parser.add_argument("--variant", default="v6", choices=VARIANTS)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--lr", type=float, default=PEAK_LR)
    args = parser.parse_args()
    prepare_training()
    torch.set_num_threads(1)
    faces = load_faces(args.data, limit=args.limit)
    print(faces.report)
    for label, precision, muon, rounded in (
        ("fp32", "fp32", True, False),
        ("bf16", "bf16", True, False),
        ("fp32, rounded", "fp32", True, True),
        ("fp32, plain", "fp32", False, False),
        ("bf16, plain", "bf16", False, False),
    ):
        config = TrainConfig(args.epochs, BATCH, args.lr, jitter=0, precision=precision)
        compare(label, faces, args.variant, config, muon, rounded)


if __name__ == "__main__":
    main()

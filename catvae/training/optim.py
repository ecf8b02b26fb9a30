"""Optimisers and their schedule: Muon on the matrices, Adam on the rest, one cosine.

Muon is momentum whose every matrix is made orthogonal before the step.
Jordan (2024), https://kellerjordan.github.io/posts/muon/. torch.optim.Muon takes matrices only and
iterates on them whole. Here convolutions are flattened, and the iteration runs on the Gram matrix,
500×500 instead of 500×4096, in float32: in bfloat16 its smallest eigenvalues turn negative and grow.
A group of matrices may also step only `every` so many times, then so many times as far.
Of several processes each makes its share of the matrices orthogonal and sends them to the others.
"""

import math

import torch
from torch import Tensor

from catvae.machine import broadcast, rank, world_size
from catvae.model import CatVAE

# quintic whose five-fold composition sends every singular value from 0.01 to 1 into 0.68 to 1.13
A, B, C = 3.4445, -4.7750, 2.0315
STEPS = 5
MOMENTUM = 0.95

WARMUP = 0.05  # of all steps
MUON_LR_RATIO = 10  # Muon's step is orthogonal, so its scale is not Adam's
EMA_DECAY = 0.995  # of the moving average of weights, at most
LINEAR_EVERY = 4  # steps: making the large matrices orthogonal costs half as much as all the gradients


def orthogonalize(matrix: Tensor) -> Tensor:
    """The matrix (M, N) with all singular values brought near 1, float32; zero stays zero.

    Newton-Schulz: X ← p(XXᵀ)X with p(G) = A + BG + CG². All p commute with G, so their product is
    gathered on the smaller side, and the matrix itself is multiplied only once.
    """
    x = matrix.float()
    if x.shape[0] > x.shape[1]:
        return orthogonalize(x.T).T
    x = x / x.norm().clamp_min(1e-7)
    gram = x @ x.T
    product: Tensor | None = None
    for step in range(STEPS):
        p = torch.addmm(gram, gram, gram, beta=B, alpha=C)
        p.diagonal().add_(A)
        product = p if product is None else product @ p
        if step < STEPS - 1:
            gram = p @ gram @ p
    assert product is not None
    return product @ x


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov momentum for parameters of two or more dimensions, the first one against the rest.

    Every gradient enters the momentum, also in the steps that a group with `every` above 1 leaves out. Gradients must
    be the same in all processes; then so is the state, and a run goes on in any number of them.
    """

    def __init__(self, params, lr: float, every: int = 1) -> None:
        super().__init__(params, {"lr": lr, "every": every})

    @torch.no_grad()
    def step(self) -> None:
        due = []
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state.update(step=0, momentum=torch.zeros_like(p))
                state["step"] += 1
                state["momentum"].lerp_(p.grad, 1 - MOMENTUM)
                if state["step"] % group["every"] == 0:
                    due.append((p, group["lr"] * group["every"]))
        sent = []
        for (p, _), owner in zip(due, share_out([p.flatten(1).shape for p, _ in due], world_size()), strict=True):
            if owner == rank():
                update = orthogonalize(p.grad.lerp(self.state[p]["momentum"], MOMENTUM).flatten(1)).contiguous()
            else:
                update = torch.empty(p.flatten(1).shape, device=p.device)
            sent.append((update, broadcast(owner, update)))  # on its way while the next is computed
        for (p, length), (update, arrive) in zip(due, sent, strict=True):
            arrive()
            rows, columns = update.shape
            p.add_(update.view_as(p), alpha=-length * max(1, rows / columns) ** 0.5)


def share_out(shapes: list[torch.Size], processes: int) -> list[int]:
    """Which of so many processes makes each of the matrices (M, N) orthogonal, so that all have about as much to do."""
    work = [min(shape) ** 2 * (max(shape) + 3 * STEPS * min(shape)) for shape in shapes]  # multiplications, about
    owners, load = [0] * len(shapes), [0] * processes
    for index in sorted(range(len(shapes)), key=lambda i: -work[i]):
        owners[index] = load.index(min(load))
        load[owners[index]] += work[index]
    return owners


def make_optimizers(model: CatVAE, lr: float) -> list[torch.optim.Optimizer]:
    """Muon for the weights, Adam for the biases and the log variances, which do better under it."""
    convolutions = [p for p in model.parameters() if p.ndim == 4]
    linears = [model.to_mu.weight, model.decoder[0].weight]
    rest = [*(p for p in model.parameters() if p.ndim == 1), model.to_logvar.weight]
    adam = torch.optim.Adam(rest, lr=lr, betas=(0.9, 0.99), fused=rest[0].device.type != "mps")
    muon = Muon([{"params": convolutions}, {"params": linears, "every": LINEAR_EVERY}], lr=MUON_LR_RATIO * lr)
    optimizers = [adam, muon]
    for group in (group for optimizer in optimizers for group in optimizer.param_groups):
        group["peak_lr"] = group["lr"]
    return optimizers


def flat_gradients(model: CatVAE) -> Tensor:
    """Zeros (number of parameters,) of which every gradient is from now on a part, to clear and add up as one."""
    parameters = list(model.parameters())
    flat = torch.zeros(sum(p.numel() for p in parameters), device=parameters[0].device)
    for p, part in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
        p.grad = part.as_strided(p.shape, p.stride())
    return flat


def average(ema: Tensor, new: Tensor, count: Tensor | int, most: float = EMA_DECAY) -> Tensor:
    """The moving average of weights after `count` steps: its memory is short while weights still race."""
    return torch.lerp(ema, new, 1 - torch.as_tensor(count / (count + 9)).clamp(max=most))


def lr_factor(step: int, steps: int) -> float:
    """Linear warm-up over the first 5 % of the steps, then a cosine down to 0."""
    warmup = max(1, round(WARMUP * steps))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))

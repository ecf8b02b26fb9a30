"""Learn directions of a cat in v6's latents from photos whose breed is known, and a read-out of the breed.

    python -m catvae.training.breeds --photos FOLDER

A breed is a file's name up to its last underscore. A direction is how the mean of a breed lies from the mean cat, where
each breed counts alike; "lighter" and "bluer_eyes" how latents change with a measure of the pixels, by one standard
deviation of it (the pattern of Haufe et al. 2014, https://doi.org/10.1016/j.neuroimage.2013.10.067). Breeds' directions
are made orthogonal by the smallest change that does it (Löwdin 1950, https://doi.org/10.1063/1.1747632), so that no
breed's dial turns another's, and the two others likewise; each is then as long as its own mean, or deviation, reaches
along it. Breeds and the others stay as they lie: a Siamese has blue eyes.

The photos of the examples are left out: the page names the breed they are nearest to, and is not to know it by heart.
The read-out is a logistic regression. Its probabilities are set to what held-out photos show, by one temperature (Guo
et al. 2017, https://arxiv.org/abs/1706.04599).
"""

import argparse
import csv
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from catvae.errors import ImageError, UserError
from catvae.files import EXAMPLES
from catvae.images import to_tensor
from catvae.latents import DIALS, Dials, fingerprint, save_dials
from catvae.model import CatVAE, load_variant
from catvae.photos.decode import open_image
from catvae.photos.faces import EYES, align, find_faces
from catvae.training import command
from catvae.training.sources import list_files

FOLDS, ROUNDS = 5, 3  # of cross-validation, each round shares the photos out anew
DECAY = 1.0  # weight of the squared weights, of standardised latents
IRIS = 0.05  # half the side of the square around an eye whose colour counts, of the frame
LIKE = {"Birman": "Ragdoll", "Egyptian_Mau": "Bengal"}  # breeds without a dial: too like another to have its own


@torch.inference_mode()
def look_at(folder: Path, model: CatVAE) -> tuple[Tensor, Tensor, list[str]]:
    """The faces that are found in the photos of a folder, the best of each: latents of the face and of its mirror
    image (N, 2, D), faces (N, 3, 64, 64) in [0, 1], and the breed of each."""
    with (EXAMPLES / "cats.csv").open(encoding="utf-8", newline="") as file:
        examples = {row["source"] for row in csv.DictReader(file)}
    faces, breeds = [], []
    for file in list_files(folder)[0]:
        if file.name in examples:
            continue
        try:
            photo = open_image(file)
        except ImageError as error:
            print(f"left out: {file}: {error}")
            continue
        if found := find_faces(photo):
            faces.append(align(photo, found[0]))
            breeds.append(file.stem.rpartition("_")[0])
    if len(set(breeds)) < 2:
        raise UserError(f"{folder}: needs photos of two breeds at least, with names like Siamese_12.jpg")
    x = to_tensor(faces)
    return torch.stack([model.encode(view)[0] for view in (x, x.flip(-1))], dim=1), x, breeds


def tints(faces: Tensor) -> tuple[Tensor, Tensor]:
    """Blue less red around both eyes of faces (N, 3, 64, 64), and in the whole of each: (N,), (N,)."""
    side = faces.shape[-1]
    tint = faces[:, 2] - faces[:, 0]
    eyes = [tint[:, *(slice(round((at - IRIS) * side), round((at + IRIS) * side)) for at in (y, x))] for x, y in EYES]
    return torch.stack([eye.mean((1, 2)) for eye in eyes]).mean(0), tint.mean((1, 2))


def find_directions(z: Tensor, faces: Tensor, breeds: list[str]) -> tuple[tuple[str, ...], Tensor]:
    """The names of the directions and the directions (K, D) of latents (N, D), each one unit long."""
    known = sorted(set(breeds))
    means = torch.stack([z[[breed == name for breed in breeds]].mean(0) for name in known])
    kept = [name for name in known if LIKE.get(name) not in known][: len(known) - 1]  # all say no more than all but one
    eyes, whole = (tint - tint.mean() for tint in tints(faces))
    light = faces.mean((1, 2, 3))
    measures = {"lighter": light - light.mean(), "bluer_eyes": eyes - (eyes @ whole) / (whole @ whole) * whole}
    groups = [
        torch.stack([means[known.index(name)] - means.mean(0) for name in kept]),
        torch.stack([measure / measure.std() @ (z - z.mean(0)) / len(z) for measure in measures.values()]),
    ]
    axes, wanted = torch.cat([stand_upright(rows) for rows in groups]), torch.cat(groups)
    return (*kept, *measures), axes * (wanted * axes).sum(1, keepdim=True)


def stand_upright(rows: Tensor) -> Tensor:
    """Orthonormal rows that together are as near as such rows can be to the given ones (K, D), of whatever length."""
    left, _, right = torch.linalg.svd(rows / rows.norm(dim=1, keepdim=True), full_matrices=False)
    return left @ right


def fit_readout(z: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Weights (B, D) and biases (B,) of the logits of classes for latents (N, views, D); all classes count alike."""
    x, y = z.flatten(0, 1), targets.repeat_interleave(z.shape[1])
    mean, scale = x.mean(0), x.std(0) + 1e-3
    x = (x - mean) / scale
    share = 1 / y.bincount().float()
    weight = torch.zeros(len(share), x.shape[1], requires_grad=True)
    bias = torch.zeros(len(share), requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        total = F.cross_entropy(x @ weight.T + bias, y, share) + DECAY / len(share) * weight.square().sum()
        total.backward()
        return total

    optimizer.step(loss)
    weight = weight.detach() / scale
    return weight, bias.detach() - weight @ mean


def cross_validate(z: Tensor, targets: Tensor) -> Tensor:
    """Logits (N, B) of each photo by a read-out that has learned from four fifths of the others, each class shared out
    evenly."""
    fold = torch.empty(len(targets), dtype=torch.long)
    for target in targets.unique():
        its = (targets == target).nonzero()[:, 0]
        fold[its] = torch.randperm(len(its)) % FOLDS
    logits = torch.empty(len(targets), int(targets.max()) + 1)
    for number in range(FOLDS):
        weight, bias = fit_readout(z[fold != number], targets[fold != number])
        logits[fold == number] = z[fold == number, 0] @ weight.T + bias
    return logits


def calibrate(logits: Tensor, targets: Tensor) -> float:
    """The temperature under which logits (N, B) are least surprised by the true classes."""
    temperatures = torch.logspace(-1.5, 1, 200)
    losses = torch.stack([F.cross_entropy(logits / temperature, targets) for temperature in temperatures])
    return temperatures[losses.argmin()].item()


def describe(logits: Tensor, targets: Tensor, names: list[str]) -> str:
    """How often the likeliest class is the true one, of each class and of all, and how sure the logits (N, B) are."""
    sure, said = logits.softmax(1).max(1)
    right = (said == targets).float()
    shares = [right[targets == i].mean() for i in range(len(names))]
    lines = [f"{name}: {share:.2f}" for name, share in zip(names, shares, strict=True)]
    lines.append(
        f"right for {right.mean():.3f} of {len(targets) // ROUNDS} held-out photos, and sure of {sure.mean():.3f};"
    )
    lines.append(f"mean over the breeds {sum(shares) / len(names):.3f}; chance is {1 / len(names):.3f}")
    return "\n".join(lines)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--photos", type=Path, required=True, help="a folder of photos, named as Siamese_12.jpg")
    parser.add_argument("--variant", default="v6", help="whose latents")


def run(args: argparse.Namespace) -> Dials:
    torch.manual_seed(0)
    model = load_variant(args.variant)
    z, faces, breeds = look_at(args.photos, model)
    names = sorted(set(breeds))
    targets = torch.tensor([names.index(breed) for breed in breeds])
    logits = torch.cat([cross_validate(z, targets) for _ in range(ROUNDS)])
    held_out = targets.repeat(ROUNDS)
    temperature = calibrate(logits, held_out)
    print(describe(logits / temperature, held_out, names))
    weight, bias = fit_readout(z, targets)
    accuracy = (logits.argmax(1) == held_out).float().mean().item()
    dials, directions = find_directions(z.mean(1), faces, breeds)
    weight, bias = weight / temperature, bias / temperature
    return Dials(dials, directions, tuple(names), weight, bias, accuracy, fingerprint(model))


def main() -> None:
    command.run("breeds", __doc__, DIALS, add_arguments, run, save_dials)


if __name__ == "__main__":
    main()

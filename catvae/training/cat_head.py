"""Train the small part of the aligner that tells cats from dogs where EfficientNet-Lite0 (18 MB) is too large.

    python -m catvae.training.cat_head --cats FOLDER --dogs FOLDER

It is a logistic regression on what the aligner's last convolution gives, so it costs no look of its own. Photos of one
breed (the name of a file up to its last underscore) stay together when its figures are measured.
"""

import argparse
import zlib
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from catvae.errors import ImageError, UserError
from catvae.photos.decode import open_image
from catvae.photos.faces import MIN_FIT, SURE, find_squares, to_pyramid
from catvae.photos.networks import CAT_HEAD, load_networks
from catvae.photos.views import cut_views
from catvae.training import command
from catvae.training.sources import list_files

FOLDS = 5
VIEWS = 8  # of each square, all but the first displaced; each also mirrored
DISPLACED = (0.03, 0.03, 0.06, 0.08)  # standard deviations: x and y in sides, logarithm of the side, radians
DECAY = 0.03  # weight of the squared weights, of standardised features


@torch.inference_mode()
def look_at(folder: Path, best: int) -> tuple[Tensor, Tensor, Tensor]:
    """The `best` squares of every photo in a folder that the finder takes for a face: features of their views
    (N, 2·VIEWS, D), how well each square fits (N,), and a number for the breed (N,)."""
    _, aligner = load_networks()
    features, fits, breeds = [], [], []
    for file in list_files(folder)[0]:
        try:
            photo = open_image(file)
        except ImageError as error:
            print(f"left out: {file}: {error}")
            continue
        _, levels, _ = to_pyramid(photo)
        squares, fit = find_squares(levels)
        for square, fits_by in list(zip(squares, fit.tolist(), strict=True))[:best]:
            moved = torch.randn(VIEWS, 4) * torch.tensor(DISPLACED)
            moved[0] = 0
            x, y, side, angle = (square + torch.zeros(VIEWS, 4)).unbind(1)
            moved = torch.stack(
                [x + moved[:, 0] * side, y + moved[:, 1] * side, side * moved[:, 2].exp(), angle + moved[:, 3]], 1
            )
            views = cut_views(levels, moved)
            features.append(aligner.features(torch.cat([views, views.flip(-1)])))
            fits.append(fits_by)
            breeds.append(zlib.crc32(file.stem.rpartition("_")[0].encode()))
    if not features:
        raise UserError(f"{folder}: no photo in it shows what the finder takes for a face")
    return torch.stack(features), torch.tensor(fits), torch.tensor(breeds)


def fit_head(cats: Tensor, dogs: Tensor) -> tuple[Tensor, Tensor]:
    """Weights (1, D) and bias (1,) of the logit that features (N, views, D) are a cat's; both kinds count alike."""
    x = torch.cat([cats.flatten(0, 1), dogs.flatten(0, 1)])
    is_cat = torch.arange(len(x)) < cats.shape[:2].numel()
    share = torch.where(is_cat, 0.5 / is_cat.sum(), 0.5 / (~is_cat).sum())
    mean, scale = x.mean(0), x.std(0) + 0.05
    x = (x - mean) / scale
    weight, bias = torch.zeros(x.shape[1], requires_grad=True), torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=200)

    def loss() -> Tensor:
        optimizer.zero_grad()
        wrong = F.binary_cross_entropy_with_logits(x @ weight + bias, is_cat.float(), share, reduction="sum")
        total = wrong + DECAY * weight.square().sum()
        total.backward()
        return total

    optimizer.step(loss)
    weight = weight.detach() / scale
    return weight[None], bias.detach() - weight @ mean


def cross_validate(cats: tuple[Tensor, Tensor, Tensor], dogs: tuple[Tensor, Tensor, Tensor]) -> str:
    """How many of each kind keep a score, in `FOLDS` rounds that each leave out every fifth breed of dogs and every
    fifth cat."""
    folds = torch.arange(len(cats[0])) % FOLDS, torch.unique(dogs[2], return_inverse=True)[1] % FOLDS
    scores = [torch.zeros(len(group[0])) for group in (cats, dogs)]
    for fold in range(FOLDS):
        weight, bias = fit_head(*(group[0][of != fold] for group, of in zip((cats, dogs), folds, strict=True)))
        for group, of, score in zip((cats, dogs), folds, scores, strict=True):
            score[of == fold] = group[1][of == fold] * (group[0][of == fold, 0] @ weight[0] + bias).sigmoid()
    lines = []
    for name, group, score in zip(("cats", "dogs"), (cats, dogs), scores, strict=True):
        kept = f"{(score >= MIN_FIT).sum()} are taken for cats, {(score >= SURE).sum()} of them without a question"
        lines.append(f"{len(score)} {name} that the finder takes for faces: {kept} (mean fit {group[1].mean():.2f})")
    return "\n".join(lines)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cats", type=Path, required=True, help="a folder of photos of cats")
    parser.add_argument("--dogs", type=Path, required=True, help="a folder of photos of dogs")


def run(args: argparse.Namespace) -> dict[str, Tensor]:
    torch.manual_seed(0)
    cats, dogs = look_at(args.cats, best=1), look_at(args.dogs, best=3)
    print(cross_validate(cats, dogs))
    weight, bias = fit_head(cats[0], dogs[0])
    return {"weight": weight, "bias": bias}


def main() -> None:
    command.run("cat_head", __doc__, CAT_HEAD, add_arguments, run)


if __name__ == "__main__":
    main()

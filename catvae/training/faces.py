"""Faces to learn from, in memory or as a stream: the batches of an epoch, and how they are varied."""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import chain, count
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from catvae.errors import DataError
from catvae.machine import own_part
from catvae.training.sources import try_decode

SAMPLE = 8192  # training faces, at most, from which a linear start and the place of latents are computed
SHUFFLE_BUFFER = 10_000  # faces of a stream, undecoded, to draw the next one from


@dataclass(frozen=True)
class DataReport:
    """What `load_faces` read, removed and kept, in images."""

    source: str
    read: int
    broken: int
    exact_copies: int
    near_copies: int
    train: int
    validation: int
    fingerprint: str  # of the training pixels, in order; of a stream its commit
    files: str = ""  # of a folder: how many of which kind

    def __str__(self) -> str:
        return (
            f"{self.source}: {self.read} images read{f' ({self.files})' if self.files else ''}, "
            f"{self.broken} broken skipped, "
            f"{self.exact_copies} exact and {self.near_copies} near copies removed, "
            f"{self.train} for training, {self.validation} for validation"
        )

    def as_dict(self) -> dict[str, Any]:
        """What belongs into the record of a training."""
        return {key: value for key, value in asdict(self).items() if key != "files"}


@dataclass(frozen=True)
class FaceStream:
    """Training faces that are read anew in every epoch, for sets larger than memory."""

    rows: Any  # datasets.IterableDataset of undecoded images
    column: str
    length: int

    def __len__(self) -> int:
        return self.length

    def batches(self, size: int, seed: int, part: int = 0, parts: int = 1) -> Iterator[Tensor]:
        """One epoch of uint8 batches (at most `size`, 3, 64, 64) in an order that follows from `seed`.

        Of several `parts` no two share a face. Broken images are left out. Raises DataError when the
        source cannot be read further, or has no usable face.
        """
        from datasets.distributed import split_dataset_by_node

        rows = self.rows.shuffle(seed=seed, buffer_size=SHUFFLE_BUFFER)
        rows = split_dataset_by_node(rows, rank=part, world_size=parts).batch(size)
        usable = False
        try:
            with ThreadPoolExecutor() as pool:
                for batch in rows:
                    faces = [face for face in pool.map(try_decode, batch[self.column]) if face is not None]
                    if faces:
                        usable = True
                        yield torch.from_numpy(np.stack(faces)).permute(0, 3, 1, 2)
        except (OSError, RuntimeError) as error:
            raise DataError(f"the stream of faces broke off ({error}); go on with --resume") from error
        if not usable:
            raise DataError("the stream holds no readable image")

    def endless(self, size: int) -> Iterator[tuple[Tensor, int]]:
        """An epoch as `Faces.epoch` gives it."""
        seed, part = int(torch.randint(2**31, ())), own_part()
        share = len(range(size)[part])
        # parts differ in length: who is through first begins its own again, under the seed that made it its own
        batches = chain.from_iterable(self.batches(share, seed, part.start, part.step) for _ in count())
        for _ in range(math.ceil(len(self) / size)):
            yield next(batches), size


@dataclass(frozen=True)
class Faces:
    """Distinct faces as uint8 tensors (N, 3, 64, 64), and the report of how they came about."""

    train: Tensor | FaceStream
    validation: Tensor
    report: DataReport
    trained_on: Tensor | None = None  # int64 numbers of the training faces and their copies; None of a stream

    def in_memory(self) -> Tensor:
        """The training faces. Raises DataError for a stream."""
        if isinstance(self.train, FaceStream):
            raise DataError("streamed training faces are never in memory together: leave out --streaming")
        return self.train

    def sample(self, seed: int) -> Tensor:
        """At most 8,192 training faces, uint8."""
        return next(self.train.batches(SAMPLE, seed)) if isinstance(self.train, FaceStream) else self.train[:SAMPLE]

    def epoch(self, size: int) -> Iterator[tuple[Tensor, int]]:
        """This process's part of every batch of an epoch, uint8 (n, 3, 64, 64), with the size of the whole batch.

        The order is drawn from torch's generator, which must be in the same state in all processes.
        Raises DataError when a stream holds no usable face.
        """
        if isinstance(self.train, FaceStream):
            yield from self.train.endless(size)
        else:
            for chosen in torch.randperm(len(self.train)).split(size):
                yield self.train[chosen[own_part()].to(self.train.device)], len(chosen)

    def to(self, device: torch.device) -> "Faces":
        """These faces with what is in memory on a device."""
        train = self.train if isinstance(self.train, FaceStream) else self.train.to(device)
        return replace(self, train=train, validation=self.validation.to(device))

    def split(self, name: str) -> Tensor:
        """The faces of "train", "validation" or "all". Raises DataError for another name, or a stream."""
        if name not in (splits := ("all", "train", "validation")):
            raise DataError(f"split must be one of {splits}, not {name!r}")
        if name == "validation":
            return self.validation
        return self.in_memory() if name == "train" else torch.cat([self.in_memory(), self.validation])


def augment(x: Tensor, noise: Tensor, jitter: float) -> Tensor:
    """Faces (N, 3, 64, 64) in [0, 1], half of them mirrored, as standard normal `noise` (N, 10) decides.

    With a jitter of 1 they are also moved by 1 pixel, turned by 3°, scaled by 3 %, and changed in
    contrast by 10 %, in each colour by 5 % more and in brightness by 5 % (standard deviations).
    """
    x = torch.where(noise[:, 0, None, None, None] < 0, x.flip(-1), x)
    if not jitter or not len(x):  # the last batch of an epoch may have fewer faces than there are processes
        return x
    move, angle, scale = noise[:, 1:3] / 32, noise[:, 3] * math.radians(3), (0.03 * jitter * noise[:, 4]).exp()
    cos, sin = scale * torch.cos(jitter * angle), scale * torch.sin(jitter * angle)
    affine = torch.stack([cos, -sin, jitter * move[:, 0], sin, cos, jitter * move[:, 1]], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(affine, list(x.shape), align_corners=False)
    x = F.grid_sample(x, grid, mode="bicubic", padding_mode="reflection", align_corners=False)
    gain = 1 + jitter * (0.1 * noise[:, 5:6] + 0.05 * noise[:, 6:9])
    return (x * gain[:, :, None, None] + 0.05 * jitter * noise[:, 9, None, None, None]).clamp(0, 1)

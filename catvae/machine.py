"""Several processes as one trainer, started by torchrun or `accelerate launch`; alone, none of it does anything."""

import os
from collections.abc import Callable
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")


def join_processes(device: torch.device) -> None:
    """Meet the other processes that the launcher announces in the environment: NCCL between GPUs, else Gloo."""
    if int(os.environ.get("WORLD_SIZE", 1)) > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")


def leave_processes() -> None:
    """Say goodbye, so that the others do not wait."""
    if dist.is_initialized():
        dist.destroy_process_group()


def rank() -> int:
    """Number of this process; 0 writes the files."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def add_up(tensor: Tensor) -> None:
    """Replace the tensor by its sum over all processes."""
    if dist.is_initialized():
        dist.all_reduce(tensor)


def from_first(make: Callable[[], T]) -> T:
    """What process 0 makes, in every process: only it looks at files."""
    made = [make() if rank() == 0 else None]
    if dist.is_initialized():
        dist.broadcast_object_list(made)
    return made[0]

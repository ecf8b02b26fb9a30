"""The machine: its device and precision, its memory, and several processes as one trainer."""

import ctypes
import os
import signal
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import torch
import torch.distributed as dist
from safetensors.torch import load_file
from torch import Tensor, nn

from catvae.errors import TrainingError
from catvae.files import loading

RUNNING_AT_ONCE = 2  # requests, and models of one comparison: as many as a free Space has cores
# of glibc's mallopt(3); under other C libraries nothing changes
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -3, -4, -8
SAME_STOP = 1.0  # seconds in which launchers and terminals pass a stop on, often as another signal
P = ParamSpec("P")
T = TypeVar("T")
M = TypeVar("M", bound=nn.Module)


def pick_device(name: str = "auto") -> torch.device:
    """The device of that name; "auto" prefers CUDA, then Apple's MPS, then the CPU.

    Of several processes on a machine with several GPUs each gets its own.
    Raises TrainingError when that device is not here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        if device == torch.device("cuda"):
            device = torch.device("cuda", int(os.environ.get("LOCAL_RANK") or 0))
        torch.ones(1, device=device).item()  # which one without memory, "meta", cannot
        if device.type == "cuda":
            torch.cuda.set_device(device)  # NCCL asks for it
    except (RuntimeError, AssertionError, ValueError, ImportError) as error:
        reason = str(error).partition("\n")[0]
        raise TrainingError(f"device {name!r} cannot be used here ({reason}); try --device cpu") from error
    return device


def has_fast_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 in hardware."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return device.type == "cpu" and bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def pick_precision(name: str, device: torch.device) -> str:
    """ "fp32" or "bf16"; "auto" is bf16 where the device multiplies it in hardware, elsewhere it only costs time.

    Raises TrainingError for another name.
    """
    if name not in ("auto", "fp32", "bf16"):
        raise TrainingError(f"precision must be auto, fp32 or bf16, not {name!r}")
    if name == "auto":
        return "bf16" if has_fast_bf16(device) else "fp32"
    return name


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Within it, products are computed in that precision; sums and weights stay float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def to_memory_format(network: M, order: torch.memory_format = torch.channels_last) -> M:
    """A network with its weights in that order: in the last one CPUs and GPUs convolve a tenth faster, to the same."""
    return network.to(memory_format=order)  # pyright: ignore[reportCallIssue]  # torch's types lack it


def load_network(network: M, path: Path, trained_by: str) -> M:
    """The network with its weights from a file that `catvae.training` wrote, float32, ready to use.

    Raises CheckpointError when the file is missing or broken.
    """
    with loading(path, trained_by):
        network.load_state_dict({name: tensor.float() for name, tensor in load_file(path).items()})
    return to_memory_format(network.eval().requires_grad_(False))


def prepare_training() -> None:
    """How this process computes and keeps memory; once, at the start of a program that trains or measures.

    Latents that collapse at high β leave momenta too small for normal floats, and CPUs add those up
    to 7 times slower; worker threads inherit the mode when they start.
    """
    torch.set_flush_denormal(True)
    keep_freed_memory()


def join_processes(device: torch.device) -> None:
    """Meet the other processes that the launcher announces in the environment: NCCL between GPUs, else Gloo.

    Raises TrainingError where what it announces is incomplete, or the others cannot be met.
    """
    announced = os.environ.get("WORLD_SIZE") or "1"
    if announced == "1" or dist.is_initialized():
        return
    try:
        if not 0 <= int(os.environ.get("RANK") or -1) < int(announced):
            raise ValueError(f"RANK is {os.environ.get('RANK')!r}")
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    except (ValueError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        advice = "start all processes by torchrun or accelerate, or unset WORLD_SIZE to train in one"
        raise TrainingError(f"WORLD_SIZE is {announced!r}, but there is no meeting ({reason}); {advice}") from error


def leave_processes() -> None:
    """Say goodbye, so that the others do not wait."""
    if dist.is_initialized():
        dist.barrier()  # who leaves while another still works takes its connections along
        dist.destroy_process_group()


def rank() -> int:
    """Number of this process; 0 writes the files."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def own_part() -> slice:
    """Which rows of something that all processes share are this one's."""
    return slice(rank(), None, world_size())


def all_reduce(tensor: Tensor) -> None:
    """Replace the tensor by its sum over all processes."""
    if dist.is_initialized():
        dist.all_reduce(tensor)


def broadcast(owner: int, tensor: Tensor) -> Callable[[], object]:
    """Begin to replace the tensor, in all processes, by that of one; what is returned waits until it has arrived."""
    work = dist.broadcast(tensor, owner, async_op=True) if world_size() > 1 else None
    return work.wait if work else lambda: None


def by_first(make: Callable[P, T]) -> Callable[P, T]:
    """The same function, run by process 0 alone, which looks at files, measures and prints; all get what it returns."""

    @wraps(make)
    def call(*args: P.args, **options: P.kwargs) -> T:
        made: list[Any] = [make(*args, **options) if rank() == 0 else None]
        if dist.is_initialized():
            dist.broadcast_object_list(made)
        return made[0]

    return call


def say(*words: object) -> None:
    """Print at once, in the first process alone."""
    if rank() == 0:
        print(*words, flush=True)


def keep_freed_memory() -> None:
    """For loops over tensors of the same sizes: memory that is given back must be zeroed page by page again."""
    _mallopt({M_MMAP_MAX: 0, M_TRIM_THRESHOLD: -1})


def return_freed_memory() -> None:
    """For a server, whose tensors of ever other sizes leave holes: fewer arenas, and large pieces given back."""
    _mallopt({M_ARENA_MAX: 2, M_MMAP_THRESHOLD: 1 << 20, M_TRIM_THRESHOLD: 16 << 20})


def _mallopt(options: dict[int, int]) -> None:
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        for option, value in options.items():
            libc.mallopt(option, value)


def catch_stops() -> Callable[[], None]:
    """From here on Ctrl-C, SIGTERM and SIGHUP, the last words of a machine that is taken back, are a KeyboardInterrupt;
    one more ends the process at once. Call what is returned before work that goes on to its end after the first."""
    first: float | None = None
    finishing = False

    def stop(number: int, _: object) -> None:
        nonlocal first
        if first is not None:
            if time.monotonic() - first > SAME_STOP:
                signal.signal(number, signal.SIG_DFL)
                signal.raise_signal(number)
            return
        first = time.monotonic()
        if number not in (signal.SIGINT, signal.SIGTERM):
            leave_terminal()
        if not finishing:
            raise KeyboardInterrupt
        with suppress(OSError):
            os.write(2, b"\nfinishing this; once more to end at once\n")

    def finish() -> None:
        nonlocal finishing
        finishing = True

    for name in {"SIGINT", "SIGTERM", "SIGHUP"} & set(dir(signal)):
        number = getattr(signal, name)
        if signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
            signal.signal(number, stop)
    return finish


def leave_terminal() -> None:
    """Write to no terminal, and to no pipe into one, that has hung up: each word would be an OSError."""
    for output in (1, 2):
        if not stat.S_ISREG(os.fstat(output).st_mode):
            nothing_hears = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing_hears, output)
            os.close(nothing_hears)

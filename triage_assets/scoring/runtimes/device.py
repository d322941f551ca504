"""Where the network runs: a device by its name, proven to be there before anything is scored on it.

What lives here: that proof and its message, what there is when nothing was asked for, its memory, and how a CPU is
divided. What does not: the runtime on the device (`choice`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch

from triage_assets.errors import SettingsError
from triage_assets.scoring.records import AUTO

CPU = "cpu"
# How torch says it where it has no exception of its own for it: on MPS, and on the CPU.
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory")


def choose_device(name: str) -> str:
    """The name, or for ``auto`` a CUDA device where there is one, else the CPU."""
    if name != AUTO:
        return name
    return "cuda" if torch.cuda.is_available() else CPU


@cache
def claim_lanes() -> int:
    """Divide the CPU for the rest of this process: as many lanes as torch had threads, one thread for each.

    For whoever owns a process that scores, before an engine is made. Sums that several threads share round otherwise
    for other numbers of threads; passes side by side give the same bytes on any number of cores, and do not wait for
    each other after every layer.
    """
    lanes = torch.get_num_threads()
    torch.set_num_threads(1)
    return lanes


def open_device(name: str) -> torch.device:
    """The device of this name in torch, proven to be there. Raises `SettingsError`."""
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise SettingsError(
            "The device for scoring cannot be used",
            found=f"{name!r}: {' '.join(str(error).split())[:120]} ...",
            expected="a device that torch finds on this machine; `cpu` always is",
            do="Choose another device (TRIAGE_DEVICE, `--device`, or `device` in the run's configuration).",
        ) from None
    return device


@contextmanager
def all_lanes() -> Iterator[None]:
    """Let one operator after the other have the whole CPU, where there is nothing to run beside them."""
    torch.set_num_threads(claim_lanes())
    try:
        yield
    finally:
        torch.set_num_threads(1)


@contextmanager
def fitting(device: torch.device | str) -> Iterator[None]:
    """Say so where what is done inside needs more memory than the device has: `SettingsError`."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise too_small(device, "for its weights", error) from None


def is_out_of_memory(error: Exception) -> bool:
    """Whether this is how torch, or Python, says so."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return any(words in str(error) for words in _OUT_OF_MEMORY)


def too_small(device: torch.device | str, when: str, error: Exception) -> SettingsError:
    """The error for a device on which the model does not run at all."""
    return SettingsError(
        f"The device {device} has too little memory for this model",
        found=f"it runs out {when}: {' '.join(str(error).split())[:200]}",
        do="End what else uses it, or choose another device.",
    )


def wait_for(device: torch.device) -> None:
    """Wait until an accelerator has done what it was given: it works beside the caller."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()

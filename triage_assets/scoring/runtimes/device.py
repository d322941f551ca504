"""Where the network runs: a device by its name, proven to be there before anything is scored on it.

What lives here: that proof and its message, what there is when nothing was asked for, and how a CPU is divided. What
does not: the runtime on the device (`choice`).
"""

from functools import cache

import torch

from triage_assets.errors import SettingsError
from triage_assets.scoring.records import AUTO

CPU = "cpu"


def choose_device(name: str) -> str:
    """The name, or for ``auto`` a CUDA device where there is one, else the CPU."""
    if name != AUTO:
        return name
    return "cuda" if torch.cuda.is_available() else CPU


@cache
def cpu_lanes() -> int:
    """How many passes of the network run side by side on the CPU: as many as torch had threads.

    From the first call on each of torch's operators in this process has one thread. Sums that several threads share
    round otherwise for other numbers of threads; passes side by side give the same bytes on any number of cores, and
    do not wait for each other after every layer.
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
            found=f"{name!r}: {' '.join(str(error).split())[:200]}",
            expected="`cpu`, or a device that torch finds on this machine, such as `cuda`",
            do="Choose another `device`.",
        ) from None
    return device

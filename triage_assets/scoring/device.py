"""Where the network runs: a device by its name, proven to be there before anything is scored on it.

What lives here: that proof and its message. What does not: choosing one, which is a setting.
"""

import torch

from triage_assets.errors import SettingsError


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

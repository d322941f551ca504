"""Which folder describes Dagster's instance, found without Dagster, which takes a second to load.

What lives here: where commands and the viewer look for it. What does not: opening it.
"""

import os
from pathlib import Path

from triage_assets.errors import SettingsError

CONFIG = "dagster.yaml"


def find_instance_folder() -> Path | None:
    """That of DAGSTER_HOME; without it the working folder, where it has a dagster.yaml; None without either.

    Raises `SettingsError` for a DAGSTER_HOME that cannot be used.
    """
    home = os.environ.get("DAGSTER_HOME")
    if home and not (Path(home).is_absolute() and Path(home).is_dir()):
        raise SettingsError(
            "DAGSTER_HOME cannot be used",
            found=f"{home!r}, which is {'no folder' if Path(home).is_absolute() else 'a relative path'}",
            expected="the absolute path of a folder that exists",
            do="Correct DAGSTER_HOME, or unset it to use the dagster.yaml of the working folder.",
        )
    folder = Path(home) if home else Path.cwd()
    return folder if home or (folder / CONFIG).exists() else None

"""Which model packages are to score the backlog: those of the settings, or the demo's for the demo's backlog.

What lives here: that choice. What does not: what is in a package (`scoring.identity`, `scoring.package`), and Dagster,
so that a command which only lists models starts at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from triage_assets.demo import DEMO_MODEL
from triage_assets.errors import PackageError, SettingsError
from triage_assets.scoring.identity import model_fingerprint, predictions_name, read_identity
from triage_assets.scoring.records import DETECTOR_ANNOTATOR
from triage_assets.settings import Settings
from triage_assets.store import Store, annotator_host


@dataclass(frozen=True, slots=True)
class ConfiguredModels:
    """The folder names of predictions that the settings are about, and why some cannot be named."""

    names: tuple[str, ...]
    troubles: tuple[str, ...]


def configured_packages(store: Store, settings: Settings, paths: Sequence[Path] = ()) -> tuple[Path, ...]:
    """The packages' files, each once: ``paths``, else TRIAGE_MODEL, else the demo's model for the demo's backlog.

    Whose backlog it is, the store remembers; for a new store the settings say whose it is going to be. Raises
    `SettingsError` where the backlog is another's and no model is named.
    """
    configured = tuple(paths) or settings.model_paths
    if configured:
        return _distinct(configured)
    if (store.annotator() or annotator_host(settings.annotator_api_url or "")) == "loopback":
        return (DEMO_MODEL,)
    raise SettingsError(
        "No model is named",
        found="TRIAGE_MODEL is not set",
        expected="the path of a model.zip",
        do="Set TRIAGE_MODEL in the environment or in .env.",
    )


def configured_names(store: Store, settings: Settings) -> ConfiguredModels:
    """The models of the settings by the names of their predictions. What is wrong with one is told and not raised."""
    names, troubles = [], []
    try:
        for package in configured_packages(store, settings):
            try:
                names.append(predictions_name(read_identity(package), DETECTOR_ANNOTATOR, settings.triage_precision))
            except PackageError as error:
                troubles.append(str(error))
    except SettingsError as error:
        troubles.append(str(error))
    return ConfiguredModels(tuple(names), tuple(troubles))


def _distinct(paths: Sequence[Path]) -> tuple[Path, ...]:
    """Without copies of the same package: one model that counts twice would outvote another."""
    if len(paths) == 1:
        return tuple(paths)
    known: dict[str, Path] = {}
    for path in paths:
        try:
            known.setdefault(model_fingerprint(path), path)
        except PackageError:
            known.setdefault(str(path), path)  # refused when its turn comes
    return tuple(known.values())

"""Which model packages are to score the backlog: those of the settings, or the demo's for the demo's backlog.

What lives here: that choice, and going on with the packages that can be used. What does not: what is in a package
(`scoring.identity`, `scoring.package`), and Dagster, so that a command which only lists models starts at once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from triage_assets.demo import DEMO_MODEL
from triage_assets.errors import PackageError, SettingsError
from triage_assets.scoring.identity import model_fingerprint, predictions_name, read_identity
from triage_assets.scoring.records import DETECTOR_ANNOTATOR
from triage_assets.settings import Settings
from triage_assets.store import Store, annotator_host

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ConfiguredModels:
    """The models that the settings are about, and why some cannot be named.

    ``names`` are the folders of their predictions, ``models`` what these begin with: version and hash, whatever
    detector and precision.
    """

    names: tuple[str, ...]
    models: tuple[str, ...]
    troubles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PackageReadings(Generic[T]):
    """What was read of each package, and the error of each that is refused."""

    found: Mapping[Path, T]
    refused: Mapping[Path, PackageError]

    def require_any(self) -> None:
        """Raise where every package is refused: the error itself, or a `PackageError` with all of them."""
        if self.refused and not self.found:
            self.require_all()

    def require_all(self) -> None:
        """Raise where a package is refused: the error itself if it is the only package, else a `PackageError`."""
        errors = tuple(self.refused.values())
        n_packages = len(errors) + len(self.found)
        if n_packages == 1 and errors:
            raise errors[0]
        if errors:
            raise PackageError(
                f"{len(errors)} of {n_packages} model packages cannot be used",
                found="; ".join(str(error).rstrip(".") for error in errors),
                do="Repair them, or take them out of TRIAGE_MODEL.",
            )


def read_each(packages: Sequence[Path], read: Callable[[Path], T]) -> PackageReadings[T]:
    """Read every package: one that is refused does not keep the others from being read."""
    found: dict[Path, T] = {}
    refused: dict[Path, PackageError] = {}
    for package in packages:
        try:
            found[package] = read(package)
        except PackageError as error:
            refused[package] = error
    return PackageReadings(found, refused)


def configured_packages(store: Store, settings: Settings, paths: Sequence[Path] = ()) -> tuple[Path, ...]:
    """The packages' files, each once: ``paths``, else TRIAGE_MODEL, else the demo's model for the demo's backlog.

    Whose backlog it is, the store remembers; for a new store the settings say whose it is going to be. Raises
    `SettingsError` where the backlog is another's and no model is named.
    """
    configured = tuple(paths) or settings.model_paths
    if configured:
        return _distinct(configured)
    url = settings.annotator_api_url
    if (store.annotator() or (url and annotator_host(url))) == "loopback":
        return (DEMO_MODEL,)
    raise SettingsError(
        "No model is named",
        found="TRIAGE_MODEL is not set",
        expected="the path of a model.zip",
        do="Set TRIAGE_MODEL in the environment or in .env.",
    )


def configured_names(store: Store, settings: Settings) -> ConfiguredModels:
    """The models of the settings by the names of their predictions. What is wrong with one is told and not raised."""
    try:
        packages = configured_packages(store, settings)
    except SettingsError as error:
        return ConfiguredModels((), (), (str(error),))
    readings = read_each(packages, read_identity)
    identities = readings.found.values()
    return ConfiguredModels(
        names=tuple(predictions_name(each, DETECTOR_ANNOTATOR, settings.triage_precision) for each in identities),
        models=tuple(each.name for each in identities),
        troubles=tuple(map(str, readings.refused.values())),
    )


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

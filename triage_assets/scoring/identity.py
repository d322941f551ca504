"""Which model a package is, found without loading it: its hash, version and folder name.

What lives here: opening the zip, its manifest, and names derived from both; cheap enough for definitions to import and
for a run that has nothing to score. What does not: weights and configuration (`package`), and torch.
"""

import hashlib
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from triage_assets.errors import PackageError, SettingsError
from triage_assets.scoring.config import Manifest
from triage_assets.scoring.problems import describe_problems
from triage_assets.scoring.records import BFLOAT16, DETECTOR_ANNOTATOR, DETECTOR_BUNDLED, FLOAT32

FORMAT_VERSION = 1
# Goes up whenever the same model would score the same frames and boxes otherwise than before: everything is then scored
# again.
ENGINE_VERSION = 1
Block = TypeVar("Block", bound=BaseModel)
MANIFEST = "manifest.yaml"
_DOWNLOAD = "Download the model.zip again, or name another one (TRIAGE_MODEL or --model)."


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """What tells one model from another: the version it claims, and the SHA-256 (hex) of its whole file."""

    path: Path
    version: str
    sha256: str
    variant: str | None

    @property
    def caution(self) -> str | None:
        """What everybody who is shown this model's scores must be told, or None."""
        if self.variant == "random_weights":
            return f"{self.name} has random weights: its scores show the machinery and mean nothing"
        if self.variant == "synthetic_scenes":
            return (
                f"{self.name} knows only the demo's rendered scenes: real cameras need the real package (TRIAGE_MODEL)"
            )
        return None

    @property
    def name(self) -> str:
        """The name of its folder of predictions: version and the beginning of the hash."""
        return f"{re.sub(r'[^A-Za-z0-9.]+', '-', self.version).strip('-.') or 'unversioned'}-{self.sha256[:8]}"


def predictions_name(identity: ModelIdentity, detector: str, precision: str = FLOAT32) -> str:
    """The folder of one model's predictions with one detector and one precision, which are never mixed.

    Raises `PackageError` for another detector and `SettingsError` for another precision.
    """
    if detector not in (DETECTOR_ANNOTATOR, DETECTOR_BUNDLED):
        raise PackageError(
            "There is no such detector",
            found=repr(detector),
            expected=f"{DETECTOR_ANNOTATOR} or {DETECTOR_BUNDLED}",
            do="Choose one of them as `detector`.",
        )
    if precision not in (FLOAT32, BFLOAT16):
        raise SettingsError(
            "There is no such precision",
            found=repr(precision),
            expected=f"{FLOAT32} or {BFLOAT16}",
            do="Choose one of them as `precision`.",
        )
    usual = {DETECTOR_ANNOTATOR, FLOAT32}
    return "-".join([identity.name, *(value for value in (detector, precision) if value not in usual)])


def model_fingerprint(path: Path) -> str:
    """SHA-256 (hex) of the package's file. Raises `PackageError` where there is none."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(path, error) from None


def read_identity(path: Path) -> ModelIdentity:
    """Version and hash of a package. Raises `PackageError` for a file that is no package of a known format."""
    sha256 = model_fingerprint(path)
    with open_package(path) as package:
        manifest = read_manifest(package, path)
    return ModelIdentity(path, manifest.model_version or "unversioned", sha256, manifest.variant)


def open_package(path: Path) -> zipfile.ZipFile:
    """The package as a zip to read members from. Raises `PackageError`."""
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise PackageError(
            f"The model package {path} is no zip file", found=str(error), expected="a model.zip", do=_DOWNLOAD
        ) from None
    except OSError as error:
        raise _unreadable(path, error) from None


def read_member(package: zipfile.ZipFile, name: str, path: Path) -> bytes:
    """The bytes of one member, in memory: its name never becomes a path. Raises `PackageError`."""
    try:
        return package.read(name)
    except KeyError:
        raise PackageError(
            f"The model package {path} has no {name}",
            found=", ".join(sorted(package.namelist())[:10]) or "no members",
            expected=name,
            do=_DOWNLOAD,
        ) from None
    except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, NotImplementedError, ValueError) as error:
        raise PackageError(
            f"{name} in the model package {path} cannot be read", found=str(error) or type(error).__name__, do=_DOWNLOAD
        ) from None


def read_manifest(package: zipfile.ZipFile, path: Path) -> Manifest:
    """The package's manifest. Raises `PackageError` for another format version before anything else is looked at."""
    content = read_yaml(read_member(package, MANIFEST, path), f"{MANIFEST} in {path}")
    version = content.get("format_version")
    if version != FORMAT_VERSION or isinstance(version, bool):
        raise PackageError(
            f"The model package {path} is of another format",
            found=f"format_version {version!r}",
            expected=f"format_version {FORMAT_VERSION}",
            do="Update triage-assets, or use a package of this format.",
        )
    return parse_block(Manifest, content, f"{MANIFEST} in {path}")


def read_yaml(data: bytes, source: str) -> dict[str, object]:
    """A YAML file that holds a mapping. Raises `PackageError`."""
    try:
        content = yaml.safe_load(data)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PackageError(f"{source} is no YAML", found=" ".join(str(error).split())[:200], do=_DOWNLOAD) from None
    if not isinstance(content, dict):
        raise PackageError(f"{source} holds no values by name", found=type(content).__name__, do=_DOWNLOAD)
    return content


def parse_block(kind: type[Block], content: dict[str, object], source: str) -> Block:
    """The content as a checked block. Raises `PackageError` naming each value that is missing or cannot be used."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise PackageError(
            f"{source} has values that are missing or cannot be used",
            found=describe_problems(error),
            do="Use the model.zip as it was published, or update triage-assets.",
        ) from None


def read_provenance(path: Path) -> dict[str, object]:
    """The manifest's own account of where the model comes from. Raises `PackageError`."""
    with open_package(path) as package:
        return read_manifest(package, path).provenance


def read_config(path: Path) -> dict[str, object]:
    """The package's configuration as it stands. Raises `PackageError`."""
    with open_package(path) as package:
        manifest = read_manifest(package, path)
        return read_yaml(read_member(package, manifest.config, path), f"{manifest.config} in {path}")


def _unreadable(path: Path, error: OSError) -> PackageError:
    return PackageError(
        f"The model package {path} cannot be read",
        found=error.strerror or str(error),
        expected="a model.zip",
        do="Correct the path (TRIAGE_MODEL or --model), or download the package.",
    )

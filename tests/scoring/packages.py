"""Model packages for tests: the reference package with one thing changed."""

import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
import yaml


def read_members(source: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(source) as package:
        return {name: package.read(name) for name in package.namelist()}


def write_members(path: Path, members: Mapping[str, bytes | str]) -> Path:
    with zipfile.ZipFile(path, "w") as package:
        for name, data in members.items():
            package.writestr(name, data)
    return path


def write_edited(source: Path, path: Path, changes: Mapping[str, bytes | str | None]) -> Path:
    """The package with members replaced, or left out where the change is None."""
    members = {**read_members(source), **changes}
    return write_members(path, {name: data for name, data in members.items() if data is not None})


def edited_yaml(data: bytes, overrides: Mapping[str, object], removed: Iterable[str] = ()) -> bytes:
    """YAML with dotted keys set or removed."""
    content = yaml.safe_load(data)
    for dotted, value in overrides.items():
        *blocks, key = dotted.split(".")
        block = content
        for name in blocks:
            block = block[name]
        block[key] = value
    for dotted in removed:
        *blocks, key = dotted.split(".")
        block = content
        for name in blocks:
            block = block[name]
        del block[key]
    return yaml.safe_dump(content).encode()


def edited_config(source: Path, overrides: Mapping[str, object], removed: Iterable[str] = ()) -> bytes:
    return edited_yaml(read_members(source)["config.yaml"], overrides, removed)


def edited_manifest(source: Path, overrides: Mapping[str, object], removed: Iterable[str] = ()) -> bytes:
    return edited_yaml(read_members(source)["manifest.yaml"], overrides, removed)


def edited_calibrator(source: Path, **overrides: object) -> bytes:
    content = json.loads(read_members(source)["logistic_calibrator.json"])
    return json.dumps({**content, **overrides}).encode()


def read_weights(source: Path) -> dict[str, torch.Tensor]:
    return torch.load(io.BytesIO(read_members(source)["classifier.ckpt"]), weights_only=True)["state_dict"]


def saved(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()

"""`model.json` beside a model's predictions: which model, engine and detector they are of, and what was permitted.

What lives here: writing that record, reading it, and holding a run against what earlier runs were permitted. What does
not: the model's package itself (`identity`, `package`).
"""

import json
import logging
from dataclasses import asdict, fields
from typing import Any

from triage_assets.errors import PackageError, StoreError
from triage_assets.scoring.files.parts import PartsFolder, write_if_changed
from triage_assets.scoring.identity import ENGINE_VERSION, ModelIdentity, read_config, read_provenance
from triage_assets.scoring.model_use import ModelUse, Permissions

logger = logging.getLogger(__name__)

MODEL_RECORD = "model.json"


def read_record(folder: PartsFolder) -> dict[str, Any] | None:
    """The record, None where there is none. Raises `StoreError` for a damaged one."""
    data = folder.store.read_or_none(folder.path(MODEL_RECORD))
    if data is None:
        return None
    content = _parse(data)
    if content is None:
        raise StoreError(
            f"{folder.store.location}/{folder.path(MODEL_RECORD)} is damaged",
            found=f"{len(data)} bytes that are no JSON object",
            do="Import its folder again." if folder.is_imported else "Materialize predictions: it is made again.",
        )
    return content


def read_permissions(folder: PartsFolder) -> Permissions:
    """What the runs that made these predictions were permitted; nothing where no record is left to say so."""
    data = folder.store.read_or_none(folder.path(MODEL_RECORD))
    options = (_parse(data) or {}).get("options") if data is not None else {}
    if not isinstance(options, dict):
        path = f"{folder.store.location}/{folder.path(MODEL_RECORD)}"
        logger.warning("%s does not say with which options its scores were made; it is made again.", path)
        return Permissions()
    return Permissions(**{option.name: options.get(option.name) is True for option in fields(Permissions)})


def require_permissions(identity: ModelIdentity, recorded: Permissions, granted: Permissions) -> None:
    """Refuse to show scores that only a permission made possible to a run that does not give it: `PackageError`."""
    missing = recorded.missing_from(granted)
    if missing:
        raise PackageError(
            f"Scores of {identity.name} are stored that were made with {' and '.join(missing)}",
            found=f"a run without {' and '.join(missing)}",
            expected="the same permission wherever these scores are used",
            do=f"Set {' and '.join(missing)}, or name another model in TRIAGE_MODEL.",
        )


def write_record(folder: PartsFolder, use: ModelUse) -> bool:
    """Write the record where it differs from what is there, and say whether it did."""
    identity = use.identity
    content = {
        "format_version": 1,
        "name": folder.name,
        "engine_version": ENGINE_VERSION,
        "model_version": identity.version,
        "model_sha256": identity.sha256,
        "variant": identity.variant,
        "detector": use.detector,
        "precision": use.choice.precision,
        "options": asdict(use.permissions),
        "provenance": read_provenance(identity.path),
        "config": read_config(identity.path),
    }
    # YAML knows dates, JSON does not: they become text.
    data = json.dumps(content, indent=1, sort_keys=True, default=str, ensure_ascii=False).encode() + b"\n"
    return write_if_changed(folder, MODEL_RECORD, data)


def _parse(data: bytes) -> dict[str, Any] | None:
    try:
        content = json.loads(data)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None

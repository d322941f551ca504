"""One way of using a model: which package, whose boxes, on what, and what is permitted of it.

What lives here: the plain value that every process which scores is given. What does not: loading the model
(`unit_scorer`), and the record that is kept of its use (`files.model_record`).
"""

from dataclasses import dataclass, fields, replace
from pathlib import Path

from triage_assets.scoring.identity import ModelIdentity
from triage_assets.scoring.records import RuntimeChoice


@dataclass(frozen=True, slots=True)
class Permissions:
    """What a run may accept of a package that is refused otherwise, each by the name of its option."""

    allow_uncalibrated: bool = False
    allow_unsafe_load: bool = False

    def missing_from(self, granted: "Permissions") -> tuple[str, ...]:
        """The options that are set here and not in ``granted``."""
        return tuple(
            option.name for option in fields(self) if getattr(self, option.name) and not getattr(granted, option.name)
        )


@dataclass(frozen=True, slots=True)
class ModelUse:
    """A model, and everything about its use that its scores depend on. Small enough to travel with every unit."""

    identity: ModelIdentity
    detector: str
    choice: RuntimeChoice
    permissions: Permissions

    def at(self, path: Path) -> "ModelUse":
        """The same model, read from another file."""
        return replace(self, identity=replace(self.identity, path=path))

    def on(self, choice: RuntimeChoice) -> "ModelUse":
        """The same model, run on something else."""
        return replace(self, choice=choice)

    def permitting(self, permissions: Permissions) -> "ModelUse":
        """The same model with other permissions."""
        return replace(self, permissions=permissions)

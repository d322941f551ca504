"""Copying what models have scored: parts that are named by their own bytes, so that a name says whether one is there.

What lives here: finding and copying the parts that the destination lacks. What does not: the tables that name them
(`tables`). The index beside them is not copied: a run makes it again from the parts, of whichever store they are.
"""

from dataclasses import dataclass

from triage_assets.errors import StoreError
from triage_assets.scoring.files.parts import PartsFolder, damaged, part_name, stored_models
from triage_assets.sharing.records import SourceChanged, Tally
from triage_assets.store import Store


@dataclass(frozen=True, slots=True)
class PartsPlan:
    """The parts that the destination lacks, each with its model and its size in bytes, and how many it has."""

    missing: tuple[tuple[str, str, int], ...]
    n_held: int

    @property
    def n_bytes(self) -> int:
        """What the missing parts take."""
        return sum(size for _, _, size in self.missing)


def plan_parts(source: Store, destination: Store) -> PartsPlan:
    """What is to be copied of all models; nothing is changed."""
    missing = []
    n_held = 0
    for model in sorted(stored_models(source)):
        held = PartsFolder(destination, model).part_sizes()
        for name, size in PartsFolder(source, model).part_sizes().items():
            if held.get(name) == size:
                n_held += 1
            else:
                missing.append((model, name, size))
    return PartsPlan(tuple(missing), n_held)


def copy_parts(source: Store, destination: Store, plan: PartsPlan, tally: Tally) -> None:
    """Copy the missing parts; one whose bytes do not give its name is noted, and not copied.

    Raises `SourceChanged` where one has been merged into another meanwhile, and what the stores raise.
    """
    for model, name, _ in plan.missing:
        folder = PartsFolder(source, model)
        path = folder.path(name)
        data = source.read_or_none(path)
        if data is None:
            raise SourceChanged
        if part_name(data) != name:
            tally.fail(path, damaged(folder, name, f"bytes that would be {part_name(data)}"))
            continue
        destination.write(path, data)
        if destination.size(path) != len(data):
            raise StoreError(f"{destination.location}/{path} is not what was written", do="Run again.")
        tally.parts += 1
        tally.add_bytes(len(data))

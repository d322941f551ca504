"""Boxes as they are shown.

What lives here: a box with its confidence. What does not: boxes of an annotation, which have none (`annotations`).
"""

from typing import Self

from pydantic import BaseModel

from triage_assets.review.records import RegionBox


class RegionRead(BaseModel):
    """A box with its confidence."""

    xyxyn: tuple[float, float, float, float]
    confidence: float

    @classmethod
    def of(cls, box: RegionBox) -> Self:
        """The box as it is shown."""
        return cls(xyxyn=box.xyxyn, confidence=box.confidence)

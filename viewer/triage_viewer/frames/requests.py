"""What may be asked of a frame.

What lives here: the sizes and parts that pictures are made in, and the refusal of any other. What does not: making
them (`pictures`).
"""

import math
from typing import Annotated, Self

from pydantic import Field, model_validator

from triage_viewer.frames.pictures import WHOLE, WIDTHS, Crop, PictureOrder
from triage_viewer.requests import Strictly

_HIGHEST = 2**63 - 1
_STEPS = 10_000  # corners are rounded to a ten-thousandth, so that all who mean the same part get the same picture


class FrameWanted(Strictly):
    """A frame of any sequence or of one; as it is, or at most so wide, or a part of it."""

    sequence_id: Annotated[int, Field(ge=1, le=_HIGHEST)] | None = Field(
        None, description="A frame may be in two sequences; finding it is quicker with its sequence."
    )
    width: int | None = Field(None, description=f"One of {', '.join(map(str, WIDTHS))}: never made larger than it is.")
    crop: str | None = Field(
        None,
        max_length=120,
        description="Corners x1,y1,x2,y2 from 0 to 1: that part alone.",
        examples=["0.1,0.2,0.5,0.6"],
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.width is not None and self.width not in WIDTHS:
            raise ValueError(f"width: expected one of {', '.join(map(str, WIDTHS))}")
        self.order()
        return self

    def order(self) -> PictureOrder | None:
        """The picture that is to be made, None for the frame as it is."""
        if self.width is None and self.crop is None:
            return None
        return PictureOrder(self.width, WHOLE if self.crop is None else _parse_crop(self.crop))


def _parse_crop(text: str) -> Crop:
    try:
        corners = [float(part) for part in text.split(",")]
    except ValueError:
        corners = []
    if len(corners) != 4 or not all(math.isfinite(value) and 0 <= value <= 1 for value in corners):
        raise ValueError("crop: expected four numbers from 0 to 1, x1,y1,x2,y2")
    x1, y1, x2, y2 = (round(value * _STEPS) / _STEPS for value in corners)
    if x1 >= x2 or y1 >= y2:
        raise ValueError(f"crop: expected x1 < x2 and y1 < y2, at least 1/{_STEPS} apart")
    return Crop(x1, y1, x2, y2)

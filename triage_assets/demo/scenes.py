"""What happens in front of a demo camera: the things in view, where each truly is, and how it changes in time.

What lives here: geometry in coordinates normalised to the image, times in seconds since the first frame. What does not:
pixels (`render`), or what a detector makes of it (`detections`).
"""

import math
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from triage_assets.demo.places import View, random_stream

Kind = Literal[
    "wildfire",
    "industrial",
    "low_cloud",
    "high_cloud",
    "antenna",
    "building",
    "dust",
    "lens_flare",
    "lens_droplet",
    "light",
]
SMOKE_KINDS: frozenset[Kind] = frozenset({"wildfire", "industrial"})
SMOKE_SHARE = 0.15
"""Fraction of sequences whose subject is smoke; an operational backlog holds about that much."""
_RECURRING_SHARE = 0.7
"""Fraction of the other sequences whose subject is one of the view's recurring things."""
_FOG_SHARE = 0.06
_RECURRING_KINDS: tuple[Kind, ...] = (
    "antenna",
    "low_cloud",
    "building",
    "light",
    "industrial",
    "high_cloud",
    "antenna",
)
_PASSING_KINDS: tuple[Kind, ...] = ("high_cloud", "low_cloud", "dust", "lens_flare", "lens_droplet", "light")
_STANDING_KINDS: frozenset[Kind] = frozenset({"antenna", "building", "industrial"})


@dataclass(frozen=True, slots=True)
class Extent:
    """A true region, normalised, not clipped to the image: x to the right, y down."""

    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True, slots=True)
class Thing:
    """Something a detector may take for smoke, or smoke.

    ``x`` and ``y`` are where it stands or is anchored, ``size`` its height (width for clouds, dust and flares),
    ``drift`` its sideways speed per second, ``age_seconds`` how long it had been there at the first frame, and ``key``
    names everything that is random about its looks.
    """

    id: str
    kind: Kind
    x: float
    y: float
    size: float
    drift: float
    age_seconds: float
    key: str

    def grown(self, seconds: float) -> float:
        """Height of a plume at a time; other things keep their size."""
        if self.kind == "wildfire":
            return self.size * (1.0 - math.exp(-(self.age_seconds + seconds) / 420.0))
        return self.size

    def extent(self, seconds: float) -> Extent:
        """The region it covers at a time."""
        x = self.x + (self.drift * seconds if self.kind in ("low_cloud", "high_cloud", "dust", "lens_flare") else 0.0)
        height = self.grown(seconds)
        if self.kind in SMOKE_KINDS:
            lean = self.lean * height
            half = 0.012 + 0.24 * height
            return Extent(
                min(x - 0.012, x + lean - half), self.y - height, max(x + 0.012, x + lean + half), self.y + 0.008
            )
        aspect = _ASPECTS[self.kind]
        return Extent(x - height * aspect / 2, self.y - height, x + height * aspect / 2, self.y)

    @property
    def lean(self) -> float:
        """Sideways shift of a plume's top as a fraction of its height, from the wind."""
        return self.drift * 150.0


_ASPECTS: dict[Kind, float] = {
    "low_cloud": 2.6,
    "high_cloud": 2.2,
    "antenna": 0.12,
    "building": 0.8,
    "dust": 1.9,
    "lens_flare": 0.7,
    "lens_droplet": 0.56,
    "light": 0.6,
}


@dataclass(frozen=True, slots=True)
class Weather:
    """The hour and the air: ``daylight`` 0 (night) to 1 (noon), ``cloud_cover`` 0 to 1, ``haze`` 0 to 1 or more in fog,
    ``wind`` -1 to 1 (to the right), ``warm`` 0 to 1 for the colour of a low sun.
    """

    daylight: float
    haze: float
    cloud_cover: float
    wind: float
    warm: float


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that one sequence's frames show. ``things`` holds the subject too."""

    view: View
    weather: Weather
    things: tuple[Thing, ...]
    subject: Thing
    key: str


@cache
def horizon_of(seed: int, view: View) -> float:
    """Height of the far skyline of a view, normalised."""
    return random_stream(seed, "horizon", view.name).uniform(0.3, 0.48)


@cache
def recurring_things(seed: int, view: View) -> tuple[Thing, ...]:
    """The things of a view that raise alarms again and again, at the same place every time."""
    draw = random_stream(seed, "recurring", view.name)
    kinds = draw.sample(_RECURRING_KINDS, k=draw.randint(2, 4))
    return tuple(
        _make_thing(seed, view, kind, f"{view.name}#{number}", draw.random())
        for number, kind in enumerate(kinds, start=1)
    )


def build_scene(seed: int, view: View, sequence_id: int) -> Scene:
    """What the frames of one sequence show; the same for the same arguments, whatever else exists."""
    draw = random_stream(seed, "scene", sequence_id)
    recurring = recurring_things(seed, view)
    chance = draw.random()
    industrial = [thing for thing in recurring if thing.kind == "industrial"]
    harmless = [thing for thing in recurring if thing.kind != "industrial"]
    if chance < SMOKE_SHARE * 0.2 and industrial:
        subject = draw.choice(industrial)
    elif chance < SMOKE_SHARE:
        subject = _make_thing(seed, view, "wildfire", f"sequence-{sequence_id}", draw.random())
    elif draw.random() < _RECURRING_SHARE and harmless:
        subject = _move_with_day(draw.choice(harmless), draw.uniform(-1.0, 1.0))
    else:
        subject = _make_thing(seed, view, draw.choice(_PASSING_KINDS), f"sequence-{sequence_id}", draw.random())
    standing = [thing for thing in recurring if thing.kind in _STANDING_KINDS and thing.id != subject.id]
    others = [thing for thing in recurring if thing.kind not in _STANDING_KINDS and thing.id != subject.id]
    dark = subject.kind == "light" or (subject.kind not in ("lens_flare", "dust") and draw.random() < 0.08)
    passing = [
        _move_with_day(thing, draw.uniform(-1.0, 1.0))
        for thing in others
        if draw.random() < 0.25 and (dark or thing.kind != "light")
    ]
    wind = draw.choice((-1.0, 1.0)) * draw.uniform(0.3, 1.0)
    weather = Weather(
        daylight=draw.uniform(0.12, 0.3) if dark else min(1.0, draw.uniform(0.55, 1.15)),
        haze=draw.uniform(1.2, 2.2) if draw.random() < _FOG_SHARE else draw.uniform(0.15, 0.75),
        cloud_cover=draw.uniform(0.1, 0.9),
        wind=wind,
        warm=draw.uniform(0.0, 1.0) ** 2,
    )
    return Scene(view, weather, (*standing, *passing, subject), subject, key=f"{sequence_id}")


def _move_with_day(thing: Thing, shift: float) -> Thing:
    """A recurring thing is never at quite the same place: clouds hang elsewhere, masts stand still."""
    reach = 0.012 if thing.kind in ("low_cloud", "high_cloud") else 0.0
    return replace(thing, x=thing.x + reach * shift)


def _make_thing(seed: int, view: View, kind: Kind, identity: str, chance: float) -> Thing:
    draw = random_stream(seed, "thing", identity, kind, chance)
    horizon = horizon_of(seed, view)
    x = draw.uniform(0.08, 0.92)
    wind = draw.choice((-1.0, 1.0)) * draw.uniform(0.3, 1.0)
    y, size, drift, age = {
        "wildfire": (
            horizon + draw.uniform(0.06, 0.3),
            draw.uniform(0.14, 0.42),
            wind * 0.003,
            draw.choice((draw.uniform(20, 120), draw.uniform(120, 700))),
        ),
        "industrial": (horizon + draw.uniform(0.08, 0.25), draw.uniform(0.07, 0.14), wind * 0.0025, 3600.0),
        "low_cloud": (horizon + draw.uniform(0.07, 0.2), draw.uniform(0.05, 0.1), wind * 0.00025, 3600.0),
        "high_cloud": (horizon - draw.uniform(0.04, 0.18), draw.uniform(0.05, 0.11), wind * 0.0006, 3600.0),
        "antenna": (horizon + draw.uniform(0.1, 0.3), draw.uniform(0.12, 0.3), 0.0, 0.0),
        "building": (horizon + draw.uniform(0.18, 0.4), draw.uniform(0.03, 0.07), 0.0, 0.0),
        "dust": (horizon + draw.uniform(0.25, 0.45), draw.uniform(0.03, 0.07), wind * 0.0012, 60.0),
        "lens_flare": (draw.uniform(0.25, 0.7), draw.uniform(0.06, 0.14), wind * 0.0001, 0.0),
        "lens_droplet": (draw.uniform(0.25, 0.9), draw.uniform(0.09, 0.18), 0.0, 0.0),
        "light": (horizon + draw.uniform(0.08, 0.4), draw.uniform(0.035, 0.07), 0.0, 0.0),
    }[kind]
    return Thing(identity, kind, x, y, size, drift, age, f"{identity}/{kind}")

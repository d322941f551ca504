"""The demo's organizations, cameras and views: who watches where, and in which direction.

What lives here: the fixed cast of the demo and the seeded random streams that everything in it is drawn from. What does
not: what happens in front of a camera (`scenes`), or how it looks (`render`).
"""

import random
from dataclasses import dataclass

from triage_assets.annotator.records import Organization


def random_stream(seed: int, *parts: object) -> random.Random:
    """A random stream that depends on its name alone, so that no draw moves another when the backlog grows."""
    return random.Random("/".join(str(part) for part in (seed, *parts)))


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera and the directions it turns to. ``None``, 725 and -1 are azimuths as real ones were recorded."""

    id: int
    name: str
    organization: Organization
    lat: float
    lon: float
    azimuths: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class View:
    """One camera looking in one direction: the same ridges, and the same recurring false alarms, every time."""

    camera: Camera
    azimuth: int | None

    @property
    def name(self) -> str:
        """Unique among views."""
        return f"{self.camera.id}@{self.azimuth}"


@dataclass(frozen=True, slots=True)
class _Cast:
    """One organization with the source its alerts come from, a place on the map, and its cameras by name."""

    organization: Organization
    source_api: str
    lat: float
    lon: float
    cameras: tuple[tuple[str, tuple[int | None, ...]], ...]


_CASTS = (
    _Cast(
        Organization(100, "SDIS Ardèche"),
        "pyronear_french",
        44.73,
        4.42,
        (("brison-00", (0, 45, 270)), ("serre-de-barre-03", (15, 200)), ("Côte Blanche-01", (150, 725))),
    ),
    _Cast(
        Organization(101, "Forêt d'Orléans"),
        "pyronear_french",
        47.98,
        2.21,
        (("Mât n°3-04", (45, 135)), ("étang du puits 2", (None, 310))),
    ),
    _Cast(
        Organization(102, "sdis-77"), "pyronear_french", 48.62, 2.97, (("TOUR EAU-02", (15, 105)), ("brie", (-1, 60)))
    ),
    _Cast(
        Organization(103, "CENIA Ñuble"),
        "api_cenia",
        -36.72,
        -71.95,
        (("Cerro Ñielol", (80, 170)), ("san fabián / sur", (240,))),
    ),
    _Cast(
        Organization(104, "ALERT Wildfire"),
        "alert_wildfire",
        38.86,
        -120.07,
        (("Axis-Angora", (30, 290)), ("brison", (0,))),
    ),
    _Cast(
        Organization(105, "Région PACA / Var"),
        "pyronear_french",
        43.47,
        6.22,
        (("les maures", (90, 180, 330)), ("cap-sicié 1", (210, None))),
    ),
)


def _make_cameras() -> tuple[Camera, ...]:
    cameras: list[Camera] = []
    for cast in _CASTS:
        for name, azimuths in cast.cameras:
            draw = random_stream(0, "camera", name)
            cameras.append(
                Camera(
                    id=1000 + len(cameras),
                    name=name,
                    organization=cast.organization,
                    lat=round(cast.lat + draw.uniform(-0.3, 0.3), 5),
                    lon=round(cast.lon + draw.uniform(-0.3, 0.3), 5),
                    azimuths=azimuths,
                )
            )
    return tuple(cameras)


CAMERAS = _make_cameras()
VIEWS = tuple(View(camera, azimuth) for camera in CAMERAS for azimuth in camera.azimuths)
_SOURCES = {cast.organization.id: cast.source_api for cast in _CASTS}


def source_of(organization: Organization) -> str:
    """The platform that an organization's alerts come from."""
    return _SOURCES[organization.id]

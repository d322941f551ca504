"""What counts as a readable image, byte by byte."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from triage_assets.errors import ImageError
from triage_assets.images import ImageSize, decode_rgb, inspect_image

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8)


def encode(form: str, pixels: np.ndarray = PIXELS, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form, **options)
    return buffer.getvalue()


JPEG, PNG, WEBP = encode("JPEG"), encode("PNG"), encode("WEBP")


def png_claiming(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return PNG[:8] + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)) + PNG[33:]


@pytest.mark.parametrize(
    "data",
    [
        JPEG,
        encode("JPEG", progressive=True),
        JPEG + b"\0" * 20,  # some cameras pad their files
        PNG,  # whatever its name says
        WEBP,
        encode("JPEG", PIXELS[:, :, 0]),  # grey
    ],
)
def test_a_whole_image_has_its_size_and_pixels(data: bytes) -> None:
    assert inspect_image(data) == ImageSize(40, 24)
    pixels = decode_rgb(data)
    assert (pixels.shape, pixels.dtype) == ((24, 40, 3), np.uint8)


def test_the_pixels_of_a_lossless_image_are_exact() -> None:
    assert np.array_equal(decode_rgb(PNG), PIXELS)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "empty"),
        (b"<?xml version='1.0'?><Error/>", "no image"),  # a storage's error page
        (b"gone", "no image"),
        (b"\xff\xd8", "no image"),  # a JPEG's first two bytes
        (JPEG[:-2], "cut short or damaged"),  # only the end marker is missing
        (JPEG[: len(JPEG) // 2], "cut short or damaged"),
        (JPEG[:200] + b"\0" * 300, "cut short or damaged|no image"),
        (PNG[: len(PNG) // 2], "cut short or damaged"),
        (WEBP[: len(WEBP) // 2], "cut short or damaged|no image"),
        (encode("GIF"), "no image"),  # a format that no camera stores
        (encode("TIFF"), "no image"),
        (png_claiming(9_000, 9_000), "too large.*9000 x 9000"),  # would fill the memory
        (png_claiming(12_000, 12_000), "too large"),  # where the image library warns
        (png_claiming(30_000, 30_000), "too large"),  # where it refuses
    ],
)
def test_what_is_no_whole_image_is_refused(data: bytes, text: str) -> None:
    with pytest.raises(ImageError, match=text):
        inspect_image(data)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_bomb_is_refused_where_warnings_are_no_errors() -> None:
    for look in (inspect_image, decode_rgb):
        with pytest.raises(ImageError, match=r"too large.*12000 x 12000"):
            look(png_claiming(12_000, 12_000))


def test_the_warning_filters_of_other_threads_are_never_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[object]] = []
    open_image = Image.open

    def note(*arguments: object, **options: object) -> Image.Image:
        seen.append(list(warnings.filters))
        return open_image(*arguments, **options)

    monkeypatch.setattr(Image, "open", note)
    inspect_image(PNG)
    decode_rgb(JPEG)
    assert seen == [list(warnings.filters)] * 2


@pytest.mark.parametrize("data", [JPEG[: len(JPEG) // 2], PNG[:60], b"gone"])
def test_pixels_of_what_is_no_whole_image_are_never_made_up(data: bytes) -> None:
    with pytest.raises(ImageError):
        decode_rgb(data)


@pytest.mark.parametrize("position", range(0, len(PNG), 97))
def test_damage_anywhere_raises_nothing_but_an_image_error(position: int) -> None:
    damaged = bytearray(PNG)
    damaged[position] ^= 0x55
    try:
        inspect_image(bytes(damaged))
        decode_rgb(bytes(damaged))
    except ImageError as error:
        assert "found" in str(error)


def test_orientation_tags_are_ignored() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert inspect_image(encode("JPEG", exif=exif)) == ImageSize(40, 24)
    assert decode_rgb(encode("JPEG", exif=exif)).shape == (24, 40, 3)

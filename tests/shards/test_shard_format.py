import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage_assets.errors import ShardError
from triage_assets.shards.format import BLOCK, END_OF_ARCHIVE, decode_header, encode_header, padded, padding

part = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
    lambda text: text not in ("..", ".")
)
path = st.lists(part, min_size=1, max_size=8).map("/".join)


def archive(members: dict[str, bytes]) -> bytes:
    pieces = [encode_header(name, len(data)) + data + padding(len(data)) for name, data in members.items()]
    return b"".join(pieces) + END_OF_ARCHIVE


@settings(deadline=None, derandomize=True)
@given(st.dictionaries(path, st.binary(max_size=1500), max_size=6))
def test_the_standard_library_reads_what_is_written(members: dict[str, bytes]) -> None:
    try:
        data = archive(members)
    except ShardError as error:
        assert "too long" in str(error)
        return
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
        found = {member.name: tar.extractfile(member).read() for member in tar}
    assert found == members


@settings(deadline=None, derandomize=True)
@given(path, st.integers(0, 8**11 - 1))
def test_a_header_is_read_back_as_written(name: str, size: int) -> None:
    try:
        block = encode_header(name, size)
    except ShardError:
        return
    assert len(block) == BLOCK
    assert (decode_header(block).name, decode_header(block).size) == (name, size)


def test_a_header_with_any_bit_turned_is_refused() -> None:
    block = encode_header("mont-gerbier/seq_7/images/detection_70.jpg", 91_234)
    for position in range(BLOCK):
        damaged = bytearray(block)
        damaged[position] ^= 1 << position % 8
        with pytest.raises(ShardError):
            decode_header(bytes(damaged))


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("", 1),  # no name
        ("/etc/passwd", 1),  # absolute
        ("a/../../b", 1),  # leaves the folder it is unpacked in
        ("a//b", 1),  # another name once it is unpacked
        ("a/", 1),  # a folder
        ("a\0b", 1),  # would be cut at the zero
        ("\udcff", 1),  # no text
        ("x" * 101, 1),  # no slash to divide it at
        ("x" * 156 + "/y", 1),  # too much before the slash
        ("x/" + "y" * 101, 1),  # too much after it
        ("a", 8**11),  # 8 GiB
        ("a", -1),
    ],
)
def test_what_a_shard_cannot_hold_is_refused(name: str, size: int) -> None:
    with pytest.raises(ShardError, match=r"found"):
        encode_header(name, size)


@pytest.mark.parametrize("length", [99, 100, 101, 155, 156, 256])
def test_long_names_are_divided_at_a_slash(length: int) -> None:
    name = "x" * (length - 101) + "/" + "y" * 100 if length > 101 else "x/" + "y" * (length - 2)
    with tarfile.open(fileobj=io.BytesIO(archive({name: b"content"})), mode="r:") as tar:
        assert tar.getnames() == [name]


@pytest.mark.parametrize(("size", "expected"), [(0, 0), (1, 512), (511, 512), (512, 512), (513, 1024)])
def test_contents_are_padded_to_whole_blocks(size: int, expected: int) -> None:
    assert padded(size) == size + len(padding(size)) == expected


@pytest.mark.skipif(shutil.which("tar") is None, reason="no tar command here")
def test_the_tar_command_unpacks_a_shard_without_a_word(tmp_path: Path) -> None:
    long = "c" * 80 + "/seq_1234567890/images/detection_1234567890.jpg"
    (tmp_path / "shard.tar").write_bytes(archive({"a/meta.json": b"{}", long: b"image", "a/empty": b""}))
    done = subprocess.run(["tar", "-xvf", "shard.tar"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert (tmp_path / long).read_bytes() == b"image"
    assert (tmp_path / "a/meta.json").read_bytes() == b"{}"

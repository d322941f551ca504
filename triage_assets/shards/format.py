"""The bytes of a shard: a ustar archive of plain files, ended by two empty blocks; the same members, the same bytes.

What lives here: encoding and decoding of one member's header, and the padding around it. What does not: which members a
shard has (`writer`, `meta`), or where it is kept (`catalog`).
"""

from dataclasses import dataclass
from typing import Final

from triage_assets.errors import ShardError

BLOCK: Final = 512
END_OF_ARCHIVE: Final = bytes(2 * BLOCK)
_LARGEST_MEMBER: Final = 8**11 - 1  # eleven octal digits
_NAME_BYTES, _PREFIX_BYTES = 100, 155

# A header is: name, mode, uid, gid, size, mtime, checksum, type, link name, magic and version, owner names, device,
# prefix, padding. Everything but the name, the size and the checksum is the same in every member of every shard.
_ZERO: Final = b"0000000\x00"
_BEFORE_SIZE: Final = b"0000644\x00" + _ZERO + _ZERO
_BEFORE_CHECKSUM: Final = b"\x00" + b"00000000000\x00"
_AFTER_CHECKSUM: Final = b"0" + bytes(100) + b"ustar\x00" + b"00" + bytes(64) + _ZERO + _ZERO
# The checksum field itself counts as eight blanks.
_CONSTANT_SUM: Final = sum(_BEFORE_SIZE) + sum(_BEFORE_CHECKSUM) + sum(_AFTER_CHECKSUM) + 8 * ord(" ")


@dataclass(frozen=True, slots=True)
class MemberHeader:
    """A member's path in the archive and the size of its content in bytes."""

    name: str
    size: int


def encode_header(name: str, size: int) -> bytes:
    """The 512 bytes before a member's content. Raises `ShardError` for what a ustar archive cannot hold."""
    if not 0 <= size <= _LARGEST_MEMBER:
        raise ShardError(f"{name!r} does not fit into a shard", found=f"{size} bytes", expected="less than 8 GiB")
    tail, prefix = _split_name(name)
    digits = b"%011o" % size
    checksum = _CONSTANT_SUM + sum(tail + prefix + digits)
    return b"".join(
        (
            tail.ljust(_NAME_BYTES, b"\0"),
            _BEFORE_SIZE,
            digits,
            _BEFORE_CHECKSUM,
            b"%06o\0 " % checksum,
            _AFTER_CHECKSUM,
            prefix.ljust(_PREFIX_BYTES + 12, b"\0"),
        )
    )


def decode_header(block: bytes) -> MemberHeader:
    """The header that `encode_header` made. Raises `ShardError` for any other 512 bytes, down to the last bit."""
    try:
        tail, prefix = block[:_NAME_BYTES].rstrip(b"\0"), block[345 : 345 + _PREFIX_BYTES].rstrip(b"\0")
        name = (prefix + b"/" + tail if prefix else tail).decode()
        header = MemberHeader(name, int(block[124:135], 8))
        intact = encode_header(header.name, header.size) == block
    except (ValueError, ShardError):
        intact = False
    if not intact:
        raise ShardError("A member's header is damaged", found=repr(block[:24]), expected="a ustar header")
    return header


def padding(size: int) -> bytes:
    """The empty bytes between a content of ``size`` bytes and the next header."""
    return bytes(-size % BLOCK)


def padded(size: int) -> int:
    """The bytes that a content of ``size`` bytes takes in the archive, without its header."""
    return size + -size % BLOCK


def _split_name(name: str) -> tuple[bytes, bytes]:
    """A path as the header's name and prefix fields, which a reader joins with a slash."""
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        encoded = b""
    parts = encoded.split(b"/")
    if b"" in parts or b".." in parts or b"\0" in encoded:
        raise ShardError("A member's name cannot be stored", found=repr(name), expected="a relative path of plain text")
    if len(encoded) <= _NAME_BYTES:
        return encoded, b""
    cut = encoded.find(b"/", len(encoded) - _NAME_BYTES - 1)
    if not 0 < cut <= _PREFIX_BYTES:
        raise ShardError(
            "A member's name is too long for a shard",
            found=f"{len(encoded)} bytes: {name!r}",
            expected=f"at most {_NAME_BYTES} bytes after a slash, and {_PREFIX_BYTES} before it",
        )
    return encoded[cut + 1 :], encoded[:cut]

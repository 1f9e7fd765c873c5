"""How values are bytes: XDR (RFC 4506), compiled from a notation of a few letters into functions.

``i`` and ``u`` are an int and an unsigned one, ``h`` and ``uh`` the same of 64 bits, ``d`` a double, ``b`` a
boolean, ``s`` a string, ``o`` bytes, ``16`` bytes of that fixed number. ``?x`` is an x or None, ``[x]`` a
list, ``(x,y)`` a tuple. libvirt sends arrays of characters with four bytes for each: ``w`` is such a text,
``w32`` one of that fixed size. ``D`` is a domain, ``P`` a storage pool, ``V`` a volume, ``N`` a network,
``S`` a domain's snapshot, ``X`` a secret, ``H`` a device of the host, ``A`` a list of addresses, ``T`` a list
of parameters; others can be named so, too.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from struct import Struct
from typing import Any, Final

from pytest_fakehv.fronts.libvirt.values import (
    DomainRef,
    Kind,
    NetworkRef,
    NodeDeviceRef,
    Parameter,
    PoolRef,
    SecretRef,
    SnapshotRef,
    VolumeRef,
)

Add = Callable[[bytes], object]
Pack = Callable[[Any, Add], object]
Unpack = Callable[[bytes, int], tuple[Any, int]]

LONGEST_TEXT: Final = 4 * 2**20
"""In bytes: libvirt's clients and daemons send no longer string, and take none."""

MOST_ITEMS: Final = 16384
"""The same of lists."""

_SIZE: Final = Struct(">I")
_PADDING: Final = (b"", b"\0", b"\0\0", b"\0\0\0")


class WireError(Exception):
    """Bytes from the other side that are no message, or not the one that they say they are."""


@dataclass(frozen=True, slots=True)
class Codec:
    """How one type of value is written and read."""

    pack: Pack
    """Hands the bytes of a value on; raises what Python raises where the value is not of the type."""
    unpack: Unpack
    """Returns the value at an offset and the offset behind it; raises WireError, or as `struct` does."""
    least: int
    """How many bytes a value has at the least, so that a count can be checked against what there is."""
    fixed: str = ""
    """What `struct` calls it, of what always has as many bytes and needs no check."""


def decode(codec: Codec, data: bytes, at: int = 0) -> Any:
    """Return the value that fills all bytes from an offset on.

    Raises:
        WireError: they are something else.
    """
    try:
        value, end = codec.unpack(data, at)
    except struct.error:
        raise WireError("ends too soon") from None
    except UnicodeDecodeError:
        raise WireError("a text is no UTF-8") from None
    if end != len(data):
        raise WireError("ends too soon" if end > len(data) else f"{len(data) - end} bytes too many")
    return value


def encode(codec: Codec, value: Any) -> bytes:
    """Return a value's bytes; raises what Python raises where it is of another type."""
    parts: list[bytes] = []
    codec.pack(value, parts.append)
    return b"".join(parts)


# --- what has always as many bytes ---


def _fixed(letters: str) -> Codec:
    form = Struct(">" + letters)
    pack = form.pack
    unpack_from = form.unpack_from
    size = form.size

    def unpack(data: bytes, at: int) -> tuple[Any, int]:
        return unpack_from(data, at)[0], at + size

    return Codec(lambda value, add: add(pack(value)), unpack, size, letters)


def _unpack_boolean(data: bytes, at: int) -> tuple[bool, int]:
    (number,) = _SIZE.unpack_from(data, at)
    if number > 1:
        raise WireError(f"a boolean is {number}")
    return number == 1, at + 4


def _words(count: int) -> Codec:
    """Make the codec of a text in an array of so many characters, of four bytes each."""
    form = Struct(f">{count}i")

    def pack(value: str, add: Add) -> None:
        raw = value.encode()[: count - 1]
        add(form.pack(*raw, *bytes(count - len(raw))))

    def unpack(data: bytes, at: int) -> tuple[str, int]:
        return _text_of(form.unpack_from(data, at)), at + form.size

    return Codec(pack, unpack, form.size)


def _text_of(words: Sequence[int]) -> str:
    """Return the text before the first NUL. A character may be signed."""
    return bytes(each & 255 for each in words).partition(b"\0")[0].decode()


# --- what says how long it is ---


def _pack_bytes(value: bytes, add: Add) -> None:
    size = len(value)
    add(_SIZE.pack(size) + value + _PADDING[-size & 3])


def _unpack_bytes(data: bytes, at: int) -> tuple[bytes, int]:
    (size,) = _SIZE.unpack_from(data, at)
    at += 4
    end = at + size
    if end > len(data):
        raise WireError(f"{size} bytes are said to be in {len(data) - at}")
    if size > LONGEST_TEXT:
        raise WireError(f"{size} bytes in one piece, more than {LONGEST_TEXT}")
    return data[at:end], end + (-size & 3)


def _pack_text(value: str, add: Add) -> None:
    raw = value.encode()
    size = len(raw)
    add(_SIZE.pack(size) + raw + _PADDING[-size & 3])


def _unpack_text(data: bytes, at: int) -> tuple[str, int]:
    raw, end = _unpack_bytes(data, at)
    if b"\0" in raw:
        raise WireError("a text has a NUL")
    return raw.decode(), end


def _pack_word_text(value: str, add: Add) -> None:
    raw = value.encode() + b"\0"
    add(_SIZE.pack(len(raw)) + struct.pack(f">{len(raw)}i", *raw))


def _unpack_word_text(data: bytes, at: int) -> tuple[str, int]:
    count, at = _unpack_count(data, at, 4)
    return _text_of(struct.unpack_from(f">{count}i", data, at)), at + 4 * count


def _unpack_count(data: bytes, at: int, least: int) -> tuple[int, int]:
    """Read how many items follow, before anything is made for them."""
    (count,) = _SIZE.unpack_from(data, at)
    at += 4
    if count > MOST_ITEMS or count * least > len(data) - at:
        raise WireError(f"{count} items are said to be in {len(data) - at} bytes")
    return count, at


# --- what consists of others ---


def _optional(inner: Codec) -> Codec:
    def pack(value: Any, add: Add) -> None:
        if value is None:
            add(b"\0\0\0\0")
        else:
            add(b"\0\0\0\1")
            inner.pack(value, add)

    def unpack(data: bytes, at: int) -> tuple[Any, int]:
        there, at = _unpack_boolean(data, at)
        return inner.unpack(data, at) if there else (None, at)

    return Codec(pack, unpack, 4)


def _array(item: Codec) -> Codec:
    def pack(value: Sequence[Any], add: Add) -> None:
        add(_SIZE.pack(len(value)))
        for each in value:
            item.pack(each, add)

    def unpack(data: bytes, at: int) -> tuple[list[Any], int]:
        count, at = _unpack_count(data, at, item.least)
        values = []
        for _ in range(count):
            value, at = item.unpack(data, at)
            values.append(value)
        return values, at

    return Codec(pack, unpack, 4)


def record(items: Sequence[Codec], make: Callable[[tuple[Any, ...]], Any] | None = None) -> Codec:
    """Make the codec of values one behind the other, of which each record has as many.

    Its functions are compiled: neighbours that always have as many bytes are written and read in one step.

    Args:
        items: Their codecs.
        make: What makes a record of the tuple of its values; None: it is that tuple.
    """
    known: dict[str, Any] = {"add_up": make}
    writing: list[str] = []
    reading: list[str] = []
    names: list[str] = []
    for is_fixed, group in groupby(items, key=lambda item: bool(item.fixed)):
        run = list(group)
        new = [f"v{len(names) + index}" for index in range(len(run))]
        values = ", ".join(new)
        step = f"f{len(names)}"
        if is_fixed:
            form = Struct(">" + "".join(item.fixed for item in run))
            known |= {f"pack_{step}": form.pack, f"read_{step}": form.unpack_from}
            writing.append(f"add(pack_{step}({values}))")
            reading.append(f"{values}, = read_{step}(data, at); at += {form.size}")
        else:
            for name, item in zip(new, run, strict=True):
                known |= {f"pack_{name}": item.pack, f"read_{name}": item.unpack}
                writing.append(f"pack_{name}({name}, add)")
                reading.append(f"{name}, at = read_{name}(data, at)")
        names += new
    everything = "".join(f"{name}, " for name in names)
    lines = [
        "def pack(value, add):",
        *(f"    {line}" for line in [f"({everything}) = value", *writing]),
        "def unpack(data, at):",
        *(f"    {line}" for line in reading),
        f"    return {'add_up' if make else ''}(({everything})), at",
    ]
    exec("\n".join(lines), known)  # noqa: S102  # of our own notation, as `dataclass` and `namedtuple` do it
    return Codec(known["pack"], known["unpack"], sum(item.least for item in items))


# --- parameters ---


def _pack_parameter(value: Parameter, add: Add) -> None:
    field, kind, content = value
    _pack_text(field, add)
    add(_SIZE.pack(kind))
    _CONTENTS[kind].pack(content, add)


def _unpack_parameter(data: bytes, at: int) -> tuple[Parameter, int]:
    field, at = _unpack_text(data, at)
    (kind,) = _SIZE.unpack_from(data, at)
    codec = _CONTENTS.get(kind)
    if codec is None:
        raise WireError(f"a parameter is of type {kind}")
    content, at = codec.unpack(data, at + 4)
    return Parameter(field, kind, content), at


# --- the notation ---

_LETTERS: Final = {
    "i": _fixed("i"),
    "u": _fixed("I"),
    "h": _fixed("q"),
    "uh": _fixed("Q"),
    "d": _fixed("d"),
    "b": Codec(lambda value, add: add(b"\0\0\0\1" if value else b"\0\0\0\0"), _unpack_boolean, 4),
    "s": Codec(_pack_text, _unpack_text, 4),
    "o": Codec(_pack_bytes, _unpack_bytes, 4),
    "w": Codec(_pack_word_text, _unpack_word_text, 4),
}

_CONTENTS: Final[dict[int, Codec]] = {
    Kind.INT: _LETTERS["i"],
    Kind.UINT: _LETTERS["u"],
    Kind.LLONG: _LETTERS["h"],
    Kind.ULLONG: _LETTERS["uh"],
    Kind.DOUBLE: _LETTERS["d"],
    Kind.BOOLEAN: _LETTERS["b"],
    Kind.STRING: _LETTERS["s"],
}

_DOMAIN: Final = record([_LETTERS["s"], _fixed("16s"), _LETTERS["i"]], DomainRef._make)

STRUCTURES: Final = {
    "D": _DOMAIN,
    "P": record([_LETTERS["s"], _fixed("16s")], PoolRef._make),
    "S": record([_LETTERS["s"], _DOMAIN], SnapshotRef._make),
    "V": record([_LETTERS["s"]] * 3, VolumeRef._make),
    "N": record([_LETTERS["s"], _fixed("16s")], NetworkRef._make),
    "X": record([_fixed("16s"), _LETTERS["i"], _LETTERS["s"]], SecretRef._make),
    "H": record([_LETTERS["s"]], NodeDeviceRef._make),
    "A": _array(record([_LETTERS["i"], _LETTERS["s"], _LETTERS["u"]])),
    "T": _array(Codec(_pack_parameter, _unpack_parameter, 12)),
}
"""What has a name of its own in the notation."""


@cache
def codec(notation: str) -> Codec:
    """Return the codec of one type: ``i``, ``?s``, ``[D]``, ``(D,T)``.

    Raises:
        ValueError: it is not of the notation.
    """
    known = _LETTERS.get(notation) or STRUCTURES.get(notation)
    if known is not None:
        return known
    if notation.isdecimal():
        return _fixed(f"{notation}s")
    first, inner = notation[:1], notation[1:]
    if first == "w" and inner.isdecimal():
        return _words(int(inner))
    if first == "?" and inner:
        return _optional(codec(inner))
    if first == "[" and inner.endswith("]"):
        return _array(codec(inner[:-1]))
    if first == "(" and inner.endswith(")"):
        return record([codec(each) for each in inner[:-1].split(",")])
    raise ValueError(f"{notation!r} is no type of the notation")

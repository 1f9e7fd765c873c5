"""Values as bytes, and bytes that are none."""

import struct

import pytest

from pytest_fakehv.fronts.libvirt.values import DomainRef, Kind, NetworkRef, Parameter, PoolRef, VolumeRef
from pytest_fakehv.fronts.libvirt.wire.xdr import (
    LONGEST_TEXT,
    MOST_ITEMS,
    WireError,
    codec,
    decode,
    encode,
    record,
)

WEB1 = DomainRef("web1", bytes(range(16)), 3)

PARAMETERS = [
    Parameter("a", Kind.INT, -1),
    Parameter("b", Kind.UINT, 2**32 - 1),
    Parameter("c", Kind.LLONG, -(2**63)),
    Parameter("d", Kind.ULLONG, 2**64 - 1),
    Parameter("e", Kind.DOUBLE, 0.5),
    Parameter("f", Kind.BOOLEAN, True),
    Parameter("disk", Kind.STRING, "vda"),
    Parameter("disk", Kind.STRING, "vdb"),
]

ENCODED = [
    ("i", -2, b"\xff\xff\xff\xfe"),
    ("u", 2**32 - 1, b"\xff\xff\xff\xff"),
    ("h", -2, b"\xff" * 7 + b"\xfe"),
    ("uh", 258, b"\0" * 6 + b"\1\2"),
    ("d", 1.0, b"\x3f\xf0" + b"\0" * 6),
    ("b", True, b"\0\0\0\1"),
    ("b", False, b"\0\0\0\0"),
    ("s", "", b"\0\0\0\0"),
    ("s", "web1", b"\0\0\0\4web1"),
    ("s", "wéb", b"\0\0\0\4w\xc3\xa9b"),
    ("s", "web10", b"\0\0\0\5web10\0\0\0"),
    ("o", b"\0\xff", b"\0\0\0\2\0\xff\0\0"),
    ("4", b"abcd", b"abcd"),
    ("?s", None, b"\0\0\0\0"),
    ("?s", "x", b"\0\0\0\1\0\0\0\1x\0\0\0"),
    ("[i]", [1, 2], b"\0\0\0\2\0\0\0\1\0\0\0\2"),
    ("[(s,uh)]", [("x", 1)], b"\0\0\0\1\0\0\0\1x\0\0\0" + b"\0" * 7 + b"\1"),
    ("w", "ab", b"\0\0\0\3\0\0\0a\0\0\0b\0\0\0\0"),
    ("w3", "ab", b"\0\0\0a\0\0\0b\0\0\0\0"),
    ("D", WEB1, b"\0\0\0\4web1" + bytes(range(16)) + b"\0\0\0\3"),
    ("P", PoolRef("images", bytes(range(16))), b"\0\0\0\6images\0\0" + bytes(range(16))),
    ("V", VolumeRef("a", "b", "/a/b"), b"\0\0\0\1a\0\0\0\0\0\0\1b\0\0\0\0\0\0\4/a/b"),
    ("N", NetworkRef("default", bytes(range(16))), b"\0\0\0\7default\0" + bytes(range(16))),
    ("?D", WEB1, b"\0\0\0\1\0\0\0\4web1" + bytes(range(16)) + b"\0\0\0\3"),
]


@pytest.mark.parametrize(("notation", "value", "data"), ENCODED)
def test_a_value_and_its_bytes(notation, value, data):
    assert encode(codec(notation), value) == data
    assert decode(codec(notation), data) == value
    assert codec(notation).least <= len(data)


def test_parameters_of_every_type_and_of_the_same_name():
    data = encode(codec("T"), PARAMETERS)
    assert decode(codec("T"), data) == PARAMETERS
    assert decode(codec("[(D,T)]"), encode(codec("[(D,T)]"), [(WEB1, PARAMETERS)])) == [(WEB1, PARAMETERS)]


def test_a_domain_comes_back_as_one():
    assert type(decode(codec("D"), encode(codec("D"), WEB1))) is DomainRef


def test_a_text_that_is_too_long_for_its_words_is_cut():
    assert decode(codec("w4"), encode(codec("w4"), "x86_64")) == "x86"


def test_a_character_of_a_word_may_be_signed():
    assert encode(codec("w"), "é") == struct.pack(">I3I", 3, 0xC3, 0xA9, 0)
    assert decode(codec("w"), struct.pack(">I3i", 3, -61, -87, 0)) == "é"


def test_neighbours_of_all_kinds_are_read_in_their_order():
    items = record([codec(each) for each in ("i", "uh", "s", "u", "?s", "b", "16", "i")])
    values = (1, 2, "x", 3, None, True, b"u" * 16, -1)
    data = encode(items, values)
    assert decode(items, b"before" + data, 6) == values
    assert items.least == 4 + 8 + 4 + 4 + 4 + 4 + 16 + 4


def test_nothing_has_no_bytes():
    assert encode(record([]), ()) == b""
    assert decode(record([]), b"") == ()
    with pytest.raises(ValueError, match="too many values"):
        encode(record([]), (1,))


WRONG = [
    ("i", b"\0\0\0", "ends too soon"),
    ("i", b"\0\0\0\0\0", "1 bytes too many"),
    ("b", b"\0\0\0\2", "a boolean is 2"),
    ("?s", b"\0\0\0\7", "a boolean is 7"),
    ("?s", b"\0\0\0\1", "ends too soon"),
    ("s", b"\0\0\0\5web1", "5 bytes are said to be in 4"),
    ("s", b"\0\0\0\5web10\0\0", "ends too soon"),
    ("[s]", b"\0\0\0\2\0\0\0\5web10\0", "ends too soon"),
    ("s", b"\0\0\0\2\xff\xfe\0\0", "a text is no UTF-8"),
    ("s", b"\0\0\0\3a\0b\0", "a text has a NUL"),
    ("w", b"\0\0\0\2\0\0\0\xff\0\0\0\0", "a text is no UTF-8"),
    ("o", b"\xff\xff\xff\xff", "4294967295 bytes are said to be in 0"),
    ("[i]", b"\xff\xff\xff\xff\0\0\0\1", "4294967295 items are said to be in 4 bytes"),
    ("[D]", b"\0\0\0\2" + bytes(24), "2 items are said to be in 24 bytes"),
    ("w", b"\0\0\0\2\0\0\0a", "2 items are said to be in 4 bytes"),
    ("T", b"\0\0\0\1\0\0\0\0\0\0\0\x09\0\0\0\0", "a parameter is of type 9"),
    ("T", b"\0\0\0\1\0\0\0\0\0\0\0\6\0\0\0\2", "a boolean is 2"),
    ("D", b"\0\0\0\4web1" + bytes(19), "ends too soon"),
]


@pytest.mark.parametrize(("notation", "data", "message"), WRONG)
def test_bytes_that_are_none_of_the_type_are_refused(notation, data, message):
    with pytest.raises(WireError) as error:
        decode(codec(notation), data)
    assert str(error.value) == message


def test_no_text_is_longer_than_libvirts_own():
    text = "x" * LONGEST_TEXT
    assert decode(codec("s"), encode(codec("s"), text)) == text
    with pytest.raises(WireError) as error:
        decode(codec("s"), encode(codec("s"), text + "x"))
    assert str(error.value) == "4194305 bytes in one piece, more than 4194304"


def test_no_list_is_longer_than_libvirts_own():
    items = [1] * MOST_ITEMS
    assert decode(codec("[i]"), encode(codec("[i]"), items)) == items
    with pytest.raises(WireError) as error:
        decode(codec("[i]"), encode(codec("[i]"), [*items, 1]))
    assert str(error.value) == "16385 items are said to be in 65540 bytes"


@pytest.mark.parametrize("notation", ["", "x", "?", "[i", "(i", "w-1", "?x", "[x]", "(i,x)", "-4"])
def test_what_is_not_of_the_notation_is_refused(notation):
    with pytest.raises(ValueError, match="is no type of the notation"):
        codec(notation)

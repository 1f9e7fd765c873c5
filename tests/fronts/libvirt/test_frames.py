"""How a stream of bytes is taken apart into frames."""

import struct

import pytest

from pytest_fakehv.fronts.libvirt.wire.frames import HEADER_SIZE, LARGEST, Frames, Header, framed, header_of
from pytest_fakehv.fronts.libvirt.wire.xdr import WireError

ONE = framed(0x20008086, 23, 0, 5, 0, b"\0\0\0\4web1")
OTHER = framed(0x20008086, 51, 0, 6, 0, b"")


def test_a_frame_says_what_it_is():
    assert header_of(ONE) == Header(36, 0x20008086, 1, 23, 0, 5, 0)
    assert ONE[HEADER_SIZE:] == b"\0\0\0\4web1"


def test_a_frame_that_comes_whole_is_handed_on():
    frames = Frames()
    assert frames.taken(ONE) == [ONE]
    assert frames.taken(OTHER) == [OTHER]


def test_several_may_come_at_once():
    frames = Frames()
    assert frames.taken(ONE + OTHER + ONE[:10]) == [ONE, OTHER]
    assert frames.taken(ONE[10:] + OTHER[:3]) == [ONE]
    assert frames.taken(OTHER[3:]) == [OTHER]


def test_a_frame_may_come_byte_by_byte():
    frames = Frames()
    come = [frames.taken(bytes([each])) for each in ONE + OTHER]
    assert [each for each in come if each] == [[ONE], [OTHER]]
    assert come[len(ONE) - 1] == [ONE]


@pytest.mark.parametrize("size", [0, 3, HEADER_SIZE - 1, LARGEST + 1, 2**32 - 1])
def test_a_length_that_no_frame_has_is_refused_as_soon_as_it_is_read(size):
    with pytest.raises(WireError) as error:
        Frames().taken(struct.pack(">I", size))
    assert str(error.value) == f"a frame of {size} bytes"


def test_the_largest_frame_is_taken():
    large = framed(0x20008086, 11, 0, 1, 0, bytes(LARGEST - HEADER_SIZE))
    frames = Frames()
    come = [frame for at in range(0, len(large), 65536) for frame in frames.taken(large[at : at + 65536])]
    assert come == [large]

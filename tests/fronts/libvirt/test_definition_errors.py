"""What a daemon says of XML that defines no domain."""

import json
from pathlib import Path

import pytest

from pytest_fakehv.fronts.libvirt.errors import LibvirtError
from pytest_fakehv.fronts.libvirt.host.definition import Definition

RECORDED = json.loads((Path(__file__).parent / "refused.json").read_text())
"""What a real daemon with QEMU said: [what is wrong, the XML, code, origin, message, str1, str2, int1]."""


def refusal(xml: str) -> LibvirtError:
    with pytest.raises(LibvirtError) as caught:
        Definition.parse(xml, lambda: bytes(16))
    return caught.value


@pytest.mark.parametrize(("xml", "told"), [pytest.param(row[1], row[2:], id=row[0]) for row in RECORDED])
def test_it_is_refused_in_a_daemons_words(xml, told):
    error = refusal(xml)
    assert [error.code, error.domain, error.message, error.str1, error.str2, error.int1] == told
    assert (error.str3, error.level, error.int2) == (None, 2, -1)

"""What is set of domains, and noted of them, as on a real host."""

import pytest
from told_by_hosts import domain_xml, refusal

MISSING = (80, 20, "metadata not found: Requested metadata element is not present")
OFF = (55, 20, "Requested operation is not valid: domain is not running")
DESCRIPTION, TITLE, ELEMENT = range(3)
LIVE, CONFIG = 1, 2


def test_whether_it_starts_with_its_host(web1, cluster):
    assert web1.autostart() == 0
    web1.setAutostart(1)
    assert web1.autostart() == 1
    web1.setAutostart(0)
    cluster["node1"].crash()
    cluster["node1"].boot()
    assert cluster.placement() == {}


@pytest.mark.parametrize(("kind", "tag"), [(DESCRIPTION, "description"), (TITLE, "title")])
def test_texts(web1, told, kind, tag):
    assert refusal(web1.metadata, kind, None) == MISSING
    web1.setMetadata(kind, "What it is", None, None)
    assert web1.metadata(kind, None) == "What it is"
    assert f"<{tag}>What it is</{tag}>" in web1.XMLDesc()
    web1.setMetadata(kind, None, None, None)
    assert refusal(web1.metadata, kind, None) == MISSING
    assert told() == [f"web1 -1 metadata {kind} None"] * 2


def test_of_one_that_runs(web1, told):
    assert refusal(web1.setMetadata, TITLE, "now", None, None, LIVE) == OFF
    assert refusal(web1.metadata, TITLE, None, LIVE) == OFF
    web1.create()
    web1.setMetadata(TITLE, "now", None, None)
    assert refusal(web1.metadata, TITLE, None, CONFIG) == MISSING
    web1.setMetadata(TITLE, "both", None, None, LIVE | CONFIG)
    assert (web1.metadata(TITLE, None, LIVE), web1.metadata(TITLE, None, CONFIG)) == ("both", "both")
    assert told()[2:] == ["web1 1 metadata 1 None"] * 2
    web1.destroy()
    assert web1.metadata(TITLE, None) == "both"


def test_an_element(web1, told):
    assert refusal(web1.metadata, ELEMENT, "http://a/") == MISSING
    web1.setMetadata(ELEMENT, "<b c='1'/>", "a", "http://a/")
    assert web1.metadata(ELEMENT, "http://a/") == '<b c="1"/>'
    web1.setMetadata(ELEMENT, None, "a", "http://a/")
    assert refusal(web1.metadata, ELEMENT, "http://a/") == MISSING
    assert told() == ["web1 -1 metadata 2 http://a/"] * 2


def test_what_can_not_be_noted(web1, told):
    unknown = (8, 20, "invalid argument: unknown metadata type '9'")
    assert refusal(web1.metadata, 9, None) == unknown
    assert refusal(web1.setMetadata, 9, "x", None, None) == unknown
    assert refusal(web1.metadata, TITLE, None, 1 << 20) == (
        8,
        20,
        "unsupported flags (0x100000) in function virDomainObjGetMetadata",
    )
    assert refusal(web1.setMetadata, TITLE, "x", None, None, 1 << 20) == (
        8,
        10,
        "unsupported flags (0x100000) in function qemuDomainSetMetadata",
    )
    assert refusal(web1.setMetadata, ELEMENT, "<f", "g", "http://g/")[:2] == (35, 20)
    assert told() == []


def test_a_transient_one_has_no_persistent_notes(node1):
    job1 = node1.createXML(domain_xml("job1", title="T"), 0)
    assert job1.metadata(TITLE, None) == "T"
    assert refusal(job1.metadata, TITLE, None, CONFIG) == (
        55,
        20,
        "Requested operation is not valid: transient domains do not have any persistent config",
    )

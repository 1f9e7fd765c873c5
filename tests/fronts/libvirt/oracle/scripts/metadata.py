"""Titles, descriptions and metadata."""

import libvirt

from oracle.scripts.states import AFFECTS, in_every_state

TITLE = libvirt.VIR_DOMAIN_METADATA_TITLE
DESCRIPTION = libvirt.VIR_DOMAIN_METADATA_DESCRIPTION
ELEMENT = libvirt.VIR_DOMAIN_METADATA_ELEMENT


def script(ask):
    connection = ask.connect()
    for _, domain in in_every_state(ask, connection):
        for kind in (DESCRIPTION, TITLE):
            for flags in AFFECTS:
                ask(domain.metadata, kind, None, flags)
            for number, flags in enumerate(AFFECTS):
                ask(domain.setMetadata, kind, f"text {number}", None, None, flags)
                ask(domain.metadata, kind, None, flags)
            ask(domain.setMetadata, kind, "one\ntwo", None, None, 0)
            ask(domain.setMetadata, kind, "", None, None, 0)
            ask(domain.metadata, kind, None, 0)
            ask(domain.setMetadata, kind, "kept", None, None, 0)
            ask(domain.setMetadata, kind, None, None, None, 0)
            ask(domain.metadata, kind, None, 0)
            ask(domain.metadata, kind, "http://a/", 0)
        ask(domain.metadata, ELEMENT, "http://a/", 0)
        ask(domain.metadata, ELEMENT, None, 0)
        for number, flags in enumerate(AFFECTS):
            ask(domain.setMetadata, ELEMENT, f"<b c='{number}'><d/>e</b>", "a", "http://a/", flags)
            ask(domain.metadata, ELEMENT, "http://a/", flags)
        ask(domain.setMetadata, ELEMENT, "<f/>", "g", "http://g/", 0)
        ask(domain.setMetadata, ELEMENT, "<f", "g", "http://g/", 0)
        ask(domain.setMetadata, ELEMENT, "", "g", "http://g/", 0)
        ask(domain.setMetadata, ELEMENT, "<f/>", None, "http://g/", 0)
        ask(domain.setMetadata, ELEMENT, "<f/>", "g", None, 0)
        ask(domain.XMLDesc)
        ask(domain.setMetadata, ELEMENT, None, "a", "http://a/", 0)
        ask(domain.setMetadata, ELEMENT, None, "a", "http://a/", 0)
        ask(domain.metadata, ELEMENT, "http://a/", 0)
        ask(domain.metadata, 9, None, 0)
        ask(domain.setMetadata, 9, "x", None, None, 0)
        ask(domain.metadata, TITLE, None, 1 << 20)
        ask(domain.setMetadata, TITLE, "x", None, None, 1 << 20)

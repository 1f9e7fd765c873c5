"""A domain's screens, and what a person types on."""

from collections.abc import Iterable
from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure
from pytest_fakehv.fronts.libvirt.host.domainxml.parts import attributes_in_order, part_of
from pytest_fakehv.fronts.libvirt.host.domainxml.refusals import check_choice, integer, unsupported
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, ranks, words

_INPUTS: Final = {"mouse": "ps2", "keyboard": "ps2", "tablet": "usb", "passthrough": "virtio", "evdev": ""}
"""The bus of each kind that names none."""
_GRAPHICS: Final = words("sdl vnc rdp desktop spice egl-headless dbus")
_ATTRIBUTES: Final = ranks(
    "type port tlsPort autoport websocket socket listen keymap sharePolicy defaultMode powerControl passwd "
    "passwdValidTo connected"
)
_VIDEOS: Final = words("default vga cirrus vmvga xen vbox qxl parallels virtio gop none bochs ramfb")
_ONLY_FIRST: Final = words("vga cirrus vmvga xen bochs ramfb")
_VIDEO_MEMORY: Final = {
    **{kind: {"vram": "16384"} for kind in words("vga cirrus vmvga bochs")},
    "qxl": {"ram": "65536", "vram": "65536", "vgamem": "16384"},
}


def check_input(device: Element) -> None:
    """Refuse a mouse, keyboard or the like of no known kind."""
    if (kind := device.attributes.get("type", "(null)")) not in _INPUTS:
        raise unsupported(f"unknown input device type '{kind}'")


def complete_inputs(inputs: list[Element]) -> list[Element]:
    """Return the devices to type on, with the mouse and the keyboard that each machine has."""
    all_inputs = [
        each.defaulting(type=kind, bus=_INPUTS[kind]) if _INPUTS[kind := each.attributes["type"]] else each
        for each in inputs
    ]
    for kind in ("mouse", "keyboard"):
        attributes = {"type": kind, "bus": "ps2"}
        if not any(attributes.items() <= each.attributes.items() for each in all_inputs):
            all_inputs.append(Element("input", attributes))
    return all_inputs


def check_screen(graphics: Element) -> None:
    """Refuse a screen of no known kind, or at a port that is no number."""
    check_choice(graphics, "type", _GRAPHICS, is_needed=True)
    port = graphics.attributes.get("port", "-1")
    if port != "-1" and integer(port) is None:
        detail = f"cannot parse {graphics.attributes['type']} port {port}"
        raise failure(Code.INTERNAL_ERROR, detail, origin=Origin.DOMAIN)


def complete_screen(graphics: Element) -> Element:
    """Return a screen with what a user may leave out, and without a port that it chose itself."""
    kind = graphics.attributes["type"]
    if kind not in {"vnc", "spice"}:
        return graphics
    given = dict(graphics.attributes)
    del given["type"]
    listens = list(graphics.named("listen"))
    others = (each for each in graphics.children if each.name != "listen")
    port = given.pop("port", "-1")
    chooses = given.pop("autoport", "yes" if kind == "vnc" else "no") == "yes"
    address = given.pop("listen", None) or next((each.attributes.get("address") for each in listens), None)
    shown = {"type": kind}
    if path := given.get("socket"):
        listens = listens or [Element("listen", {"type": "socket", "socket": path})]
    elif port not in {"-1", "0"} and not (chooses and "autoport" in graphics.attributes):
        shown |= {"port": port, "autoport": "no"}
    elif kind == "vnc":
        shown |= {"port": "-1", "autoport": "yes"}
    elif chooses:
        shown |= {"autoport": "yes"}
    else:
        listens = listens or [Element("listen", {"type": "none"})]
    if address:
        shown["listen"] = address
    listens = listens or [Element("listen", {"type": "address", **({"address": address} if address else {})})]
    return in_order(Element("graphics", shown | given, (*listens, *others)))


def in_order(graphics: Element) -> Element:
    """Return a screen with its attributes in libvirt's order."""
    return graphics._replace(attributes=attributes_in_order(graphics, _ATTRIBUTES))


def check_video(video: Element) -> None:
    """Refuse a graphics card of no known kind."""
    if (model := video.child("model")) and (kind := model.attributes.get("type", "default")) not in _VIDEOS:
        raise unsupported(f"unknown video model '{kind}'")


def check_other_videos(videos: Iterable[Element]) -> None:
    """Refuse a graphics card behind the first that can only be the first."""
    for video in videos:
        if (kind := part_of(video, "model", "type")) in _ONLY_FIRST:
            detail = f"video type '{kind}' is only valid as primary video device"
            raise unsupported(detail, Origin.QEMU)


def complete_video(video: Element, number: int) -> Element:
    """Return a graphics card with what a user may leave out.

    Args:
        video: As it is written.
        number: Which of the domain's it is, from 0.
    """
    model = video.child("model") or Element("model")
    kind = model.attributes.get("type", "cirrus")
    if kind in {"none", "default"}:
        return video
    primary = {} if number else {"primary": "yes"}
    new = model.defaulting(type=kind, **_VIDEO_MEMORY.get(kind, {}), heads="1", **primary)
    return video.holding(new, *(each for each in video.children if each is not model))

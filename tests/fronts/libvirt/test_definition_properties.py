"""What holds of every definition, whatever a user writes."""

from documents import OF_PROGRAMS, parsed
from hypothesis import given, reject
from hypothesis import strategies as st

from pytest_fakehv.fronts.libvirt.errors import LibvirtError
from pytest_fakehv.fronts.libvirt.host.domainxml.running import Place
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, read, written

TEXTS = st.text(
    st.characters(
        exclude_categories=["Cs"], exclude_characters=[chr(n) for n in range(32)] + ["\ufffe", "\uffff"]
    )
    | st.sampled_from("\t\n\r<>&'\""),
    max_size=12,
)
NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,5}", fullmatch=True)
ATTRIBUTES = st.dictionaries(NAMES, TEXTS, max_size=2)
HELD_TEXTS = TEXTS.filter(lambda text: text and not ("\n" in text and text.isspace()))
ELEMENTS = st.recursive(
    st.builds(Element, NAMES, ATTRIBUTES, st.tuples(HELD_TEXTS) | st.just(())),
    lambda inner: st.builds(Element, NAMES, ATTRIBUTES, st.lists(inner, max_size=4).map(tuple)),
    max_leaves=12,
)
DISKS = st.builds(
    "<disk type='{}' device='{}'><source file='/{}'/><target dev='{}'/></disk>".format,
    st.sampled_from(["file", "block"]),
    st.sampled_from(["disk", "cdrom", "lun"]),
    NAMES,
    st.builds("{}{}".format, st.sampled_from(["vd", "sd", "hd"]), st.sampled_from("abcdef")),
)
INTERFACES = st.builds(
    "<interface type='{}'><source {}='br0'/>{}</interface>".format,
    st.just("bridge"),
    st.just("bridge"),
    st.sampled_from(
        ["", "<model type='virtio'/>", "<mac address='52:54:0:1:2:3'/>", "<target dev='vnet3'/>"]
    ),
)
OTHERS = st.sampled_from([
    "<serial type='pty'/>",
    "<console type='pty'/>",
    "<console type='pty'><target type='virtio'/></console>",
    "<parallel/>",
    "<channel type='unix'><target type='virtio' name='x'/></channel>",
    "<graphics type='vnc'/>",
    "<graphics type='spice' autoport='yes' passwd='p'/>",
    "<graphics type='spice'/>",
    "<video/>",
    "<video><model type='qxl'/></video>",
    "<input type='tablet'/>",
    "<controller type='scsi' model='virtio-scsi'/>",
    "<memballoon model='none'/>",
    "<hostdev/>",
    "<watchdog/>",
    "<filesystem/>",
    "<unknown a='1'><b/></unknown>",
])  # fmt: skip
UNITS = st.sampled_from(["KiB", "MB", "GiB"])


@st.composite
def documents(draw):
    most = draw(st.integers(1, 8))
    parts = [
        f"<name>{draw(NAMES)}</name>",
        f"<memory unit='{draw(UNITS)}'>{draw(st.integers(1, 10**6))}</memory>",
        f"<vcpu current='{draw(st.integers(1, most))}'>{most}</vcpu>",
        f"<os><type machine='{draw(st.sampled_from(['pc', 'q35']))}'>hvm</type></os>",
        draw(st.sampled_from(["", "<cpu mode='host-model'/>", "<cpu><model>EPYC</model></cpu>", "<clock/>"])),
        draw(st.sampled_from(["", "<title>t</title>", "<metadata><a:b xmlns:a='urn:a'>c</a:b></metadata>"])),
        draw(st.sampled_from(["", "<currentMemory>512</currentMemory>", "<on_crash>restart</on_crash>"])),
    ]
    devices = "".join(draw(st.lists(DISKS | INTERFACES | OTHERS, max_size=8)))
    parts.append(f"<devices>{devices}</devices>")
    return f"<domain type='kvm'>{''.join(draw(st.permutations(parts)))}</domain>"


@given(documents())
def test_what_is_written_is_read_as_the_same(xml):
    try:
        definition = parsed(xml)
    except LibvirtError:
        reject()  # two disks of one name, or two consoles of one serial line
    assert parsed(definition.xml(flags=1)) == definition
    # What a running domain says reads as one, too, and once is enough.
    again = parsed(definition.xml(flags=1, place=Place(1)))
    assert parsed(again.xml(flags=1, place=Place(2))) == again


@given(ELEMENTS)
def test_any_element_is_written_so_that_it_reads_as_the_same(element):
    assert read(written(element)) == element


@given(st.sampled_from(sorted(OF_PROGRAMS)), st.data())
def test_what_is_cut_or_changed_is_refused_in_one_way_or_read(program, data):
    xml = OF_PROGRAMS[program]
    begin = data.draw(st.integers(0, len(xml)))
    end = data.draw(st.integers(begin, min(begin + 40, len(xml))))
    changed = xml[:begin] + data.draw(st.text(max_size=3)) + xml[end:]
    try:
        definition = parsed(changed)
    except LibvirtError:
        pass
    else:
        assert parsed(definition.xml(flags=1)) == definition

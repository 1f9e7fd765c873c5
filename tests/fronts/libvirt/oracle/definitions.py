"""The domains that scripts define: small, and quick to start."""

from zlib import crc32

from oracle.recording import Definition

TEMPLATE = """\
<domain type='{type}'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>{head}
  <memory unit='MiB'>{memory}</memory>
  <currentMemory unit='MiB'>{current}</currentMemory>
  <vcpu{vcpus}</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <boot dev='fd'/>
  </os>
  <features>
    <acpi/>
  </features>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' model='none'/>
    <disk type='file' device='floppy'>
      <driver name='qemu' type='raw'/>
      <source file='/var/lib/libvirt/images/{guest}.img'/>
      <target dev='fda' bus='fdc'/>
      <readonly/>
    </disk>
    <memballoon model='virtio'/>{devices}
  </devices>
</domain>
"""


def uuid(name):
    """Return the uuid that the domain of a name has in all scripts."""
    return f"aaaaaaaa-0000-4000-8000-{crc32(name.encode()):012x}"


def xml(name, *, id=None, memory=64, current=None, vcpus=1, maximum=None, head="", devices="", type="qemu"):  # noqa: A002
    """Return a domain's definition; memory is in MiB."""
    given = {
        "memory": memory, "current": current, "vcpus": vcpus, "maximum": maximum, "head": head,
        "devices": devices, "id": id,
    }  # fmt: skip
    definition = Definition(
        TEMPLATE.format(
            type=type,
            guest="busy" if name == "busy" else "guest",
            name=name,
            uuid=id or uuid(name),
            head=head and f"\n  {head}",
            memory=memory,
            current=current or memory,
            vcpus=f" current='{vcpus}'>{maximum}" if maximum else f">{vcpus}",
            devices=devices and f"\n    {devices}",
        )
    )
    changed = "".join(
        f", {key}={value!r}"
        for key, value in given.items()
        if value and (key, value) not in {("memory", 64), ("vcpus", 1)}
    )
    definition.shown = f"xml({name!r}{changed})"
    return definition


def pool_xml(name, *, path=None, type="dir", source="", target=""):  # noqa: A002
    """Return a storage pool's definition."""
    given = {"path": path, "type": type, "source": source, "target": target}
    path = f"/var/lib/libvirt/images/{name}" if path is None else path
    definition = Definition(
        f"<pool type='{type}'><name>{name}</name><uuid>{uuid(name)}</uuid>"
        f"{source and f'<source>{source}</source>'}<target><path>{path}</path>{target}</target></pool>"
    )
    said = "".join(f", {key}={value!r}" for key, value in given.items() if value and value != "dir")
    definition.shown = f"pool_xml({name!r}{said})"
    return definition


def volume_xml(name, capacity="10", *, rest="", target=""):
    """Return a volume's definition; capacity is in MiB, and None for none."""
    size = "" if capacity is None else f"<capacity unit='MiB'>{capacity}</capacity>"
    definition = Definition(
        f"<volume><name>{name}</name>{size}{rest}{target and f'<target>{target}</target>'}</volume>"
    )
    said = "" if capacity == "10" else f", {capacity!r}"
    said += "".join(f", {key}={value!r}" for key, value in {"rest": rest, "target": target}.items() if value)
    definition.shown = f"volume_xml({name!r}{said})"
    return definition


def network_xml(name, head="", *, id=None, subnet=1):  # noqa: A002
    """Return a network's definition, which gives away addresses unless `subnet` is None."""
    given = {"head": head, "id": id, "subnet": subnet}
    addresses = (
        f"<ip address='10.{subnet}.0.1' prefix='24'><dhcp>"
        f"<range start='10.{subnet}.0.2' end='10.{subnet}.0.9'/></dhcp></ip>"
    )
    definition = Definition(
        f"<network><name>{name}</name><uuid>{id or uuid(name)}</uuid>{head}{addresses if subnet else ''}"
        "</network>"
    )
    said = "".join(
        f", {key}={value!r}" for key, value in given.items() if value != {"subnet": 1, "head": ""}.get(key)
    )
    definition.shown = f"network_xml({name!r}{said})"
    return definition


def changed(definition, old, new):
    """Return a definition of which a part is another."""
    assert old in definition
    result = Definition(definition.replace(old, new))
    result.shown = f"{definition.shown} with {new!r} for {old!r}"
    return result


IMAGES = "/var/lib/libvirt/images"


def disk_xml(target, bus, image=None, rest="", *, device="disk", driver="type='raw'"):
    """Return a disk's definition: of an image by its name, or empty."""
    given = {"rest": rest, "device": device, "driver": driver}
    source = f"<source file='{IMAGES}/{image}'/>" if image else ""
    definition = Definition(
        f"<disk type='file' device='{device}'><driver name='qemu' {driver}/>"
        f"{source}<target dev='{target}' bus='{bus}'/>{rest}</disk>"
    )
    usual = {"rest": "", "device": "disk", "driver": "type='raw'"}
    said = "".join(f", {key}={value!r}" for key, value in given.items() if value != usual[key])
    definition.shown = f"disk_xml({target!r}, {bus!r}, {image!r}{said})"
    return definition


def snapshot_xml(name, rest=""):
    """Return a snapshot's description."""
    definition = Definition(f"<domainsnapshot><name>{name}</name>{rest}</domainsnapshot>")
    definition.shown = f"snapshot_xml({name!r}{rest and f', {rest!r}'})"
    return definition

"""What scripts that plug devices in and out share: a domain with places for them, and what they plug in."""

from oracle.definitions import IMAGES, changed, pool_xml, volume_xml, xml

NO_USB = "<controller type='usb' model='none'/>"
BUSES = """\
<controller type='usb' model='piix3-uhci'/>
    <controller type='scsi' model='virtio-scsi'/>
    <controller type='virtio-serial'/>"""
CDROM = "<disk type='file' device='cdrom'><target dev='hdc' bus='ide'/><readonly/></disk>"
NO_SLOTS = "<memory unit='MiB'>64</memory>"
SLOTS = (
    "<maxMemory slots='4' unit='MiB'>1024</maxMemory><memory unit='MiB'>64</memory>"
    "<cpu><numa><cell id='0' cpus='0' memory='64' unit='MiB'/></numa></cpu>"
)

NIC = "<interface type='user'><mac address='52:54:00:00:00:01'/>{}</interface>"
CHANNEL = "<channel type='{}'><target type='virtio' name='{}'/></channel>"
RNG = "<rng model='virtio'><backend model='random'>{}</backend></rng>"
WATCHDOG = "<watchdog model='i6300esb' action='{}'/>"
INPUT = "<input type='{}' bus='{}'/>"
DIMM = "<memory model='dimm'><target><size unit='MiB'>{}</size><node>{}</node></target></memory>"

USB_HOSTDEV = (
    "<hostdev mode='subsystem' type='usb'><source><vendor id='0x1234'/><product id='0x5678'/></source>"
    "</hostdev>"
)
PCI_HOSTDEV = (
    "<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0' bus='0' slot='0x1f' "
    "function='0'/></source></hostdev>"
)


def has_images(ask, connection, count=12):
    """Let a host have images: d1 and so on, as volumes of a pool."""
    pool = ask(connection.storagePoolCreateXML, pool_xml("images", path=IMAGES))
    for number in range(1, count + 1):
        ask(pool.createXML, volume_xml(f"d{number}", "1"))


def buses_xml(name, devices=CDROM, **given):
    """Return the definition of a domain that has buses."""
    return changed(xml(name, devices=devices, **given), NO_USB, BUSES)


def slots_xml(name):
    """Return the definition of a domain that has slots for memory."""
    return changed(buses_xml(name), NO_SLOTS, SLOTS)


def both(ask, domain):
    """Ask for both of a domain's definitions."""
    ask(domain.XMLDesc)
    ask(domain.XMLDesc, 2)

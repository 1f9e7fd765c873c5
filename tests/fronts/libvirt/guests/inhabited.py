"""What the tests of guests share: a domain with a channel for an agent, and what is said of that."""

from told_by_hosts import domain_xml

CHANNEL = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"

DEVICES = (
    "<disk type='file'><source file='/a'/><target dev='vda' bus='virtio'/><serial>abc</serial></disk>"
    "<disk type='file'><source file='/b'/><target dev='sda' bus='sata'/></disk>"
    "<disk type='file' device='cdrom'><target dev='hdc' bus='ide'/></disk>"
    "<interface type='network'><mac address='52:54:00:00:00:01'/><source network='default'/></interface>"
    "<interface type='user'><mac address='52:54:00:00:00:02'/></interface>"
)

GUEST = domain_xml("web1", vcpus=2, most_vcpus=3, devices=DEVICES + CHANNEL)

NOT_CONNECTED = (86, 10, "Guest agent is not responding: QEMU guest agent is not connected")
NO_ANSWER = (86, 10, "Guest agent is not responding: Guest agent not available for now")


def undone(command, words):
    """Return the error of an agent that doesn't do something."""
    return 1, 10, f"internal error: unable to execute QEMU agent command '{command}': {words}"


def unreadable(problem):
    """Return the error of an answer that nobody can read."""
    return 1, 10, f"internal error: {problem}"

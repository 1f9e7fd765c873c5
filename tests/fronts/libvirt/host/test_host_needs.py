"""What a domain or a device needs of its host is there, or it is refused."""

import pytest
from told_by_hosts import domain_xml, refusal, uuid_of

LIVE, CONFIG = 1, 2
CPU = "<cpu mode='custom' match='exact' check='{}'><model>{}</model></cpu>"
NUMA = "<cpu><numa><cell id='0' cpus='0' memory='64' unit='MiB'/></numa></cpu>"
AFFINITY = (38, 0, "cannot set CPU affinity on process 4242: Invalid argument")
NO_PAGES = "internal error: hugetlbfs filesystem is not mounted or disabled by administrator config"
NO_PASSTHROUGH = (67, 10, "unsupported configuration: host doesn't support passthrough of host PCI devices")
NO_FILTER = (1, 33, "internal error: referenced filter 'nosuch' is missing")
INCOMPATIBLE = "the CPU is incompatible with host CPU: Host CPU does not provide required features: "
PCI = "<source><address type='pci' domain='0' bus='0x0a' slot='11' function='1'/></source>"
HOSTDEV = f"<interface type='hostdev' managed='yes'><mac address='52:54:00:00:00:07'/>{PCI}</interface>"
TPM = "<tpm{}>{}</tpm>"
NO_EXTERNAL = "The QEMU executable /usr/bin/qemu-system-x86_64 does not support TPM backend type external"
PASSTHROUGH = "<backend type='passthrough'/>"
KEY = uuid_of("secret")
SECRET = f"<secret><uuid>{KEY}</uuid>{{}}</secret>"
CEPH = "<usage type='ceph'><name>client</name></usage>"
PHRASE = f"<secret type='passphrase' uuid='{KEY}'/>"


def head_xml(head, kind="qemu"):
    return domain_xml("web1").replace("<os>", f"{head}<os>").replace("type='qemu'", f"type='{kind}'")


def luks(secret=PHRASE, form="luks"):
    encryption = f"<encryption format='{form}'>{secret}</encryption>"
    return f"<disk><source file='/x'>{encryption}</source><target dev='vdb'/></disk>"


def rbd(secret=f"<secret type='ceph' uuid='{KEY}'/>", user=" username='u'"):
    source = "<source protocol='rbd' name='p/v'/>"
    return f"<disk type='network'>{source}<auth{user}>{secret}</auth><target dev='vdb'/></disk>"


def starting(node, xml):
    return refusal(node.defineXML(xml).create)


class TestProcessors:
    @pytest.mark.parametrize("model", ["NoSuchCPU", "POWER9"])
    def test_of_no_model_that_there_is(self, node1, model):
        refused = (1, 31, f"internal error: Unknown CPU model {model}")
        assert starting(node1, head_xml(CPU.format("none", model))) == refused

    def test_one_that_can_do_more_than_the_hosts(self, node1):
        xml = head_xml("<cpu><model>Cascadelake-Server</model></cpu>", "kvm")
        assert starting(node1, xml) == (91, 31, f"{INCOMPATIBLE}clflushopt, avx512vnni, spec-ctrl, ssbd")
        assert starting(node1, head_xml(CPU.format("partial", "EPYC")))[0] == 91
        assert node1.defineXML(head_xml("<cpu><model>EPYC</model></cpu>")).create() == 0  # QEMU plays it

    def test_the_hosts_own_needs_kvm(self, node1):
        words = (
            "CPU mode 'host-passthrough' for x86_64 qemu domain on x86_64 host is not supported by hypervisor"
        )
        xml = head_xml("<cpu mode='host-passthrough'/>")
        assert starting(node1, xml) == (67, 10, f"unsupported configuration: {words}")
        assert node1.defineXML(xml.replace("'qemu'", "'kvm'")).create() == 0

    @pytest.mark.parametrize(
        ("cpu", "refused"),
        [
            (
                "<cpu check='odd'/>",
                (27, 5, "XML error: Invalid value for attribute 'check' in element 'cpu': 'odd'."),
            ),
            (
                "<cpu><model fallback='odd'>486</model></cpu>",
                (67, 31, "unsupported configuration: Invalid fallback attribute"),
            ),
            (
                "<cpu><feature name='vmx'/></cpu>",
                (27, 31, "XML error: Non-empty feature list specified without CPU model"),
            ),
            (
                "<cpu mode='host-model'><feature name='vmx' policy='odd'/></cpu>",
                (67, 31, "unsupported configuration: Invalid CPU feature policy"),
            ),
            ("<cpu mode='host-model'><feature/></cpu>", (27, 31, "XML error: Invalid CPU feature name")),
            (
                "<cpu mode='host-model'><feature name='vmx'/><feature name='vmx'/></cpu>",
                (27, 31, "XML error: CPU feature 'vmx' specified more than once"),
            ),
        ],
    )
    def test_what_is_said_wrong_of_one(self, node1, cpu, refused):
        assert refusal(node1.defineXML, head_xml(cpu)) == refused

    def test_only_of_a_model_it_is_said_how_it_matches(self, node1):
        text = node1.defineXML(head_xml("<cpu mode='host-model' match='exact'/>")).XMLDesc()
        assert "  <cpu mode='host-model' check='partial'/>\n" in text


class TestPlaces:
    @pytest.mark.parametrize(
        "head",
        [
            "<cputune><emulatorpin cpuset='9'/></cputune>",
            "<cputune><vcpupin vcpu='0' cpuset='9'/></cputune>",
            "<iothreads>1</iothreads><cputune><iothreadpin iothread='1' cpuset='9'/></cputune>",
        ],
    )
    def test_cpus_that_the_host_lacks(self, node1, head):
        assert starting(node1, head_xml(head)) == AFFINITY
        assert node1.defineXML(head_xml(head.replace("'9'", "'1,9'"))).create() == 0

    def test_those_of_all_threads(self, node1):
        assert starting(node1, domain_xml("web1").replace("<vcpu ", "<vcpu cpuset='9' ")) == AFFINITY

    @pytest.mark.parametrize(
        "head",
        [
            "<numatune><memory mode='strict' nodeset='0,5'/></numatune>",
            f"<numatune><memnode cellid='0' mode='strict' nodeset='5'/></numatune>{NUMA}",
        ],
    )
    def test_nodes_that_the_host_lacks(self, node1, head):
        refused = (67, 0, "unsupported configuration: NUMA node 5 is unavailable")
        assert starting(node1, head_xml(head)) == refused
        assert node1.defineXML(head_xml(head.replace("5", "0"))).create() == 0

    def test_nobody_says_which_node_is_best(self, node1):
        xml = head_xml("<numatune><memory mode='strict' placement='auto'/></numatune>")
        refused = (9, 0, "operation failed: Failed to query numad for the advisory nodeset")
        assert starting(node1, xml) == refused

    @pytest.mark.parametrize("pages", ["", "<page size='2' unit='M'/>", "<page size='1048576' nodeset='0'/>"])
    def test_large_pages(self, node1, pages):
        xml = head_xml(f"<memoryBacking><hugepages>{pages}</hugepages></memoryBacking>")
        assert starting(node1, xml) == (1, 10, NO_PAGES)

    def test_small_pages(self, node1):
        pages = (
            "<memoryBacking><hugepages><page size='4096' unit='b' nodeset='0'/></hugepages></memoryBacking>"
        )
        web1 = node1.defineXML(head_xml(pages))
        assert "      <page size='4' unit='KiB'/>\n" in web1.XMLDesc()
        assert web1.create() == 0
        assert "<page size='4' unit='KiB' nodeset='0'/>" in node1.defineXML(head_xml(pages + NUMA)).XMLDesc(2)

    @pytest.mark.parametrize(
        ("page", "refused"),
        [
            ("<page/>", (27, 5, "XML error: missing element or attribute './@size'")),
            ("<page size='x'/>", (27, 5, "XML error: Invalid value 'x' for element or attribute './@size'")),
            ("<page size='0'/>", (35, 20, "hugepage size can't be zero")),
        ],
    )
    def test_pages_of_no_size(self, node1, page, refused):
        xml = head_xml(f"<memoryBacking><hugepages>{page}</hugepages></memoryBacking>")
        assert refusal(node1.defineXML, xml) == refused
        assert node1.defineXML(head_xml("<memoryBacking><locked/></memoryBacking>")).create() == 0


class TestDevices:
    def test_an_interface_of_the_hosts(self, node1, web1):
        job1 = node1.defineXML(domain_xml("job1", devices=HOSTDEV))
        assert (
            "      <source>\n"
            "        <address type='pci' domain='0x0000' bus='0x0a' slot='0x0b' function='0x1'/>\n"
            "      </source>\n"
            "      <address type='pci'"
        ) in job1.XMLDesc()
        assert refusal(job1.create) == NO_PASSTHROUGH
        assert web1.attachDeviceFlags(HOSTDEV, CONFIG) == 0
        assert refusal(web1.create) == NO_PASSTHROUGH
        web1.detachDeviceFlags(HOSTDEV, CONFIG)
        web1.create()
        assert refusal(web1.attachDeviceFlags, HOSTDEV, LIVE) == NO_PASSTHROUGH

    @pytest.mark.parametrize("source", ["", "<source/>", "<source><address/></source>"])
    def test_one_that_is_nowhere(self, node1, source):
        xml = domain_xml("job1", devices=f"<interface type='hostdev'>{source}</interface>")
        assert refusal(node1.defineXML, xml) == (27, 20, "XML error: missing source address type")

    def test_a_device_of_the_hosts(self, node1):
        device = "<hostdev type='pci'><source><address bus='10' slot='11' function='3'/></source></hostdev>"
        assert starting(node1, domain_xml("web1", devices=device)) == NO_PASSTHROUGH

    def test_filters_that_nobody_defined(self, node1, web1):
        filtered = "<interface type='{}'><filterref filter='nosuch'/></interface>"
        assert starting(node1, domain_xml("web1", devices=filtered.format("ethernet"))) == NO_FILTER
        job1 = node1.createXML(domain_xml("job1", devices=filtered.format("user")))
        assert "filterref" not in job1.XMLDesc()
        assert refusal(job1.attachDevice, filtered.format("ethernet")) == NO_FILTER

    @pytest.mark.parametrize(
        ("chips", "refused"),
        [
            (
                TPM.format("", "<backend type='emulator' version='2.0'/>"),
                (67, 10, "unsupported configuration: TPM version '2.0' is not supported"),
            ),
            (
                TPM.format("", "<backend type='emulator'/>"),
                (67, 10, "unsupported configuration: TPM version '1.2' is not supported"),
            ),
            (
                TPM.format(" model='tpm-crb'", "<backend type='emulator'/>"),
                (67, 10, "unsupported configuration: TPM version '2.0' is not supported"),
            ),
            (
                TPM.format("", "<backend type='external'><source/></backend>"),
                (67, 10, f"unsupported configuration: {NO_EXTERNAL}"),
            ),
            (
                TPM.format("", "<backend type='external'/>"),
                (27, 20, "XML error: missing external TPM backend type"),
            ),
            (TPM.format("", ""), (27, 20, "XML error: missing TPM device backend")),
            (
                2 * TPM.format("", PASSTHROUGH),
                (67, 10, "unsupported configuration: only a single TPM non-proxy device is supported"),
            ),
        ],
    )
    def test_security_chips(self, node1, chips, refused):
        assert refusal(node1.defineXML, domain_xml("job1", devices=chips)) == refused

    @pytest.mark.parametrize("path", ["/dev/tpm0", "/dev/tpm1"])
    def test_the_hosts_own_chip(self, node1, path):
        backend = PASSTHROUGH.replace("/>", f"><device path='{path}'/></backend>")
        web1 = node1.defineXML(
            domain_xml("web1", devices=TPM.format("", PASSTHROUGH if path.endswith("0") else backend))
        )
        assert f"<tpm model='tpm-tis'>\n      {backend}".replace("><", ">\n        <")[:60] in web1.XMLDesc()
        refused = (38, 10, f"Could not open TPM device {path}: No such file or directory")
        assert refusal(web1.create) == refused

    @pytest.mark.parametrize(
        ("security", "refused"),
        [
            (
                "<launchSecurity type='sev'><policy>1</policy></launchSecurity>",
                "unsupported configuration: SEV launch security is not supported with this QEMU binary",
            ),
            ("<launchSecurity type='sev'/>", "XML error: failed to get launch security policy"),
            (
                "<launchSecurity type='s390-pv'/>",
                "unsupported configuration: S390 PV launch security is not supported with this QEMU binary",
            ),
        ],
    )
    def test_memory_that_its_host_can_not_read(self, node1, security, refused):
        assert refusal(node1.defineXML, head_xml(security))[2] == refused


class TestSecrets:
    @pytest.mark.parametrize("disk", [luks(), rbd()])
    def test_one_that_is_not_there(self, node1, web1, disk):
        absent = (66, 30, f"Secret not found: no secret with matching uuid '{KEY}'")
        job1 = node1.defineXML(domain_xml("job1", devices=disk))
        assert refusal(job1.create) == absent
        web1.create()
        assert refusal(web1.attachDevice, disk) == absent
        assert web1.attachDeviceFlags(disk, CONFIG) == 0

    def test_one_that_is_named_by_its_use(self, node1):
        web1 = node1.defineXML(domain_xml("web1", devices=rbd("<secret type='ceph' usage='client'/>")))
        assert refusal(web1.create) == (66, 30, "Secret not found: no secret with matching usage 'client'")
        node1.secretDefineXML(SECRET.format(CEPH)).setValue(b"x")
        assert web1.create() == 0

    def test_one_without_a_value(self, node1):
        secret = node1.secretDefineXML(SECRET.format(""))
        web1 = node1.defineXML(domain_xml("web1", devices=luks()))
        assert refusal(web1.create) == (66, 30, f"Secret not found: secret '{KEY}' does not have a value")
        secret.setValue(b"x")
        assert web1.create() == 0
        assert "<encryption format='luks' engine='qemu'>" in web1.XMLDesc()

    def test_one_that_is_for_something_else(self, node1):
        node1.secretDefineXML(SECRET.format("")).setValue(b"x")
        words = f"invalid argument: secret with uuid {KEY} is of type 'none' not expected 'ceph' type"
        assert starting(node1, domain_xml("web1", devices=rbd())) == (8, 0, words)

    @pytest.mark.parametrize(
        ("disk", "refused"),
        [
            (rbd(user=""), (27, 18, "XML error: missing username for auth")),
            (rbd(""), (27, 18, "XML error: Missing <secret> element in auth")),
            (rbd("<secret type='ceph'/>"), (27, 0, "XML error: missing secret uuid or usage attribute")),
            (
                rbd("<secret type='odd' usage='a'/>"),
                (67, 20, "unsupported configuration: unknown secret type 'odd'"),
            ),
            (
                rbd("<secret type='iscsi' usage='a'/>"),
                (67, 20, "unsupported configuration: invalid secret type 'iscsi'"),
            ),
            (rbd("<secret type='ceph' uuid='x'/>"), (27, 0, "XML error: invalid secret uuid 'x'")),
            (
                luks(form="odd"),
                (67, 18, "unsupported configuration: unknown volume encryption format type odd"),
            ),
            (
                luks(form="qcow"),
                (67, 10, "unsupported configuration: old qcow/qcow2 encryption is not supported"),
            ),
        ],
    )
    def test_what_is_wrong_is_refused(self, node1, disk, refused):
        assert refusal(node1.defineXML, domain_xml("job1", devices=disk)) == refused


def test_a_domain_goes_nowhere_where_its_secret_is_not(node1, connect):
    node1.secretDefineXML(SECRET.format("")).setValue(b"x")
    web1 = node1.createXML(domain_xml("web1", devices=luks()))
    refused = (66, 30, f"Secret not found: no secret with matching uuid '{KEY}'")
    assert refusal(web1.migrate3, connect("node2"), {}, 1 | 512) == refused

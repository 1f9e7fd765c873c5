"""Domains with UEFI: what they boot from, and the variables that their host keeps for them."""

import pytest
from told_by_hosts import domain_xml, refusal

TYPE = "<type arch='x86_64' machine='pc'>hvm</type>"
CODE = "<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE.fd</loader>"
OTHER = CODE.replace("OVMF_CODE", "OVMF_CODE_4M")
ACPI = "<features><acpi/></features>"
SMM = "<features><acpi/><smm state='{}'/></features>"
SECURE = CODE.replace("type=", "secure='yes' type=")
VARIABLES = "/var/lib/libvirt/qemu/nvram/web1_VARS.fd"
HAS_NVRAM = (55, 10, "Requested operation is not valid: cannot undefine domain with nvram")
NVRAM, KEEP = 4, 8
SAVED, SNAPSHOTS = 1, 2
NOT_BOTH = "loader attribute '{}' cannot be specified when firmware autoselection is enabled"
PFLASH = "internal snapshots of a VM with pflash based firmware are not supported"
POOL = "<pool type='dir'><name>p</name><target><path>/var/lib/libvirt/images</path></target></pool>"
VOLUME = "<volume><name>d</name><capacity>9999</capacity><target><format type='qcow2'/></target></volume>"
DISK = "<disk><driver type='qcow2'/><source file='/var/lib/libvirt/images/d'/><target dev='vda'/></disk>"


def uefi_xml(said=CODE, features=ACPI, machine="pc", devices="", os="<os>"):
    xml = domain_xml("web1", devices=devices).replace(TYPE, TYPE.replace("pc", machine) + said)
    return xml.replace("<os>", features + os)


def written(domain):
    return [each.strip() for each in domain.XMLDesc().splitlines() if "loader" in each or "nvram" in each]


class TestWritten:
    @pytest.mark.parametrize(
        ("said", "found"),
        [
            (
                "<loader type='pflash' secure='no' readonly='yes'>/x</loader>",
                [
                    "<loader readonly='yes' secure='no' type='pflash'>/x</loader>",
                    f"<nvram>{VARIABLES}</nvram>",
                ],
            ),
            (f"{CODE}<nvram template='/t'/>", [CODE, f"<nvram template='/t'>{VARIABLES}</nvram>"]),
            (f"{CODE}<nvram>/mine</nvram>", [CODE, "<nvram>/mine</nvram>"]),
            ("<loader type='pflash'>/x</loader>", ["<loader type='pflash'>/x</loader>"]),
            (
                CODE.replace("'>", "' stateless='yes'>"),
                [CODE.replace("'>", "' stateless='yes'>")],
            ),
            ("<loader>/x</loader>", ["<loader type='rom'>/x</loader>"]),
        ],
    )
    def test_what_is_left_out_is_added(self, node1, said, found):
        assert written(node1.defineXML(uefi_xml(said))) == found

    @pytest.mark.parametrize(
        ("given", "refused"),
        [
            (
                {"said": "<loader type='odd'>/x</loader>"},
                (27, 5, "XML error: Invalid value for attribute 'type' in element 'loader': 'odd'."),
            ),
            (
                {"said": "<loader/>"},
                (35, 20, "no loader path specified and firmware auto selection disabled"),
            ),
            (
                {"said": "<nvram>/y</nvram>"},
                (35, 20, "no loader path specified and firmware auto selection disabled"),
            ),
            (
                {"os": "<os firmware='efi'>"},
                (35, 20, NOT_BOTH.format("readonly")),
            ),
            (
                {"said": "<loader>/x</loader>", "os": "<os firmware='efi'>"},
                (35, 20, NOT_BOTH.format("type")),
            ),
            (
                {"features": ""},
                (67, 10, "unsupported configuration: UEFI requires ACPI on this architecture"),
            ),
            (
                {"said": SECURE},
                (67, 10, "unsupported configuration: Secure boot is supported with q35 machine types only"),
            ),
            (
                {"said": SECURE, "machine": "q35", "features": SMM.format("off")},
                (67, 10, "unsupported configuration: Secure boot requires SMM feature enabled"),
            ),
            (
                {"said": SECURE.replace("pflash", "rom"), "machine": "q35", "features": ""},
                (67, 10, "unsupported configuration: Secure boot requires SMM feature enabled"),
            ),
        ],
    )  # fmt: skip
    def test_what_is_wrong_is_refused(self, node1, given, refused):
        assert refusal(node1.defineXML, uefi_xml(**given)) == refused

    def test_secure_boot(self, node1):
        xml = uefi_xml(SECURE, machine="q35", features=SMM.format("on"))
        assert node1.defineXML(xml).create() == 0


class TestStarting:
    def test_a_host_has_no_firmware_to_choose_from(self, node1):
        web1 = node1.defineXML(uefi_xml("", os="<os firmware='efi'>"))
        refused = (9, 10, "operation failed: Unable to find any firmware to satisfy 'efi'")
        assert refusal(web1.create) == refused
        assert web1.undefine() == 0

    def test_of_other_programs_nobody_knows_the_first_variables(self, node1):
        web1 = node1.defineXML(uefi_xml(OTHER))
        path = "/usr/share/OVMF/OVMF_CODE_4M.fd"
        refused = (9, 10, f"operation failed: unable to find any master var store for loader: {path}")
        assert refusal(web1.create) == refused
        node1.defineXML(uefi_xml(OTHER + "<nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'/>"))
        web1.create()
        web1.destroy()
        node1.defineXML(uefi_xml(OTHER))
        assert web1.create() == 0  # by now they are there


class TestUndefining:
    def test_variables_are_kept_or_forgotten_as_somebody_says(self, node1):
        assert node1.defineXML(uefi_xml()).undefine() == 0  # it has never run
        web1 = node1.defineXML(uefi_xml())
        web1.create()
        assert refusal(web1.undefine) == HAS_NVRAM
        web1.destroy()
        assert refusal(web1.undefineFlags, SAVED | SNAPSHOTS) == HAS_NVRAM
        assert web1.undefineFlags(KEEP) == 0
        web1 = node1.defineXML(uefi_xml())
        assert refusal(web1.undefine) == HAS_NVRAM
        assert web1.undefineFlags(NVRAM) == 0
        assert node1.defineXML(uefi_xml()).undefine() == 0

    def test_of_a_domain_without_any_nothing_is_forgotten(self, web1):
        assert web1.undefineFlags(NVRAM) == 0

    def test_they_lie_where_somebody_says(self, node1):
        pool = node1.storagePoolCreateXML(POOL)
        web1 = node1.defineXML(uefi_xml(CODE + "<nvram>/var/lib/libvirt/images/mine.fd</nvram>"))
        web1.create()
        pool.refresh()
        assert pool.storageVolLookupByName("mine.fd").info() == [0, 131072, 131072]
        source = "<nvram type='file'><source file='/var/lib/libvirt/images/mine.fd'/></nvram>"
        node1.defineXML(uefi_xml(CODE + source))
        web1.destroy()
        assert refusal(web1.undefine) == HAS_NVRAM
        web1.undefineFlags(NVRAM)
        pool.refresh()
        assert pool.listVolumes() == []
        elsewhere = "<nvram type='network'><source protocol='nbd'/></nvram>"
        assert node1.defineXML(uefi_xml(CODE + elsewhere)).create() == 0

    def test_what_else_it_had_is_gone_where_they_hinder(self, node1):
        node1.storagePoolCreateXML(POOL).createXML(VOLUME)
        web1 = node1.defineXML(uefi_xml(devices=DISK))
        assert refusal(web1.snapshotCreateXML, "<domainsnapshot/>") == (
            84,
            10,
            f"Operation not supported: {PFLASH}",
        )
        web1.create()
        web1.snapshotCreateXML("<domainsnapshot><name>s</name></domainsnapshot>", 16)
        web1.destroy()
        assert refusal(web1.undefineFlags, SNAPSHOTS) == HAS_NVRAM
        assert web1.listAllSnapshots() == []
        assert web1.undefineFlags(NVRAM) == 0


def test_each_host_has_variables_of_its_own(node1, connect):
    node2 = connect("node2")
    web1 = node1.defineXML(uefi_xml())
    web1.create()
    moved = web1.migrate3(node2, {}, 1 | 8)
    moved.destroy()
    assert refusal(web1.undefine) == refusal(moved.undefine) == HAS_NVRAM
    assert web1.undefineFlags(NVRAM) == moved.undefineFlags(NVRAM) == 0

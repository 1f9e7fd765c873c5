"""Models of x86's processors: which features each has.

So says libvirt 9.0, which was asked for each model's by `virConnectBaselineCPU`, and for the order in
which it names them.
"""

from typing import Final

from pytest_fakehv.fronts.libvirt.host.capabilities import FEATURES, MODEL, VENDOR
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, words

_ORDER: Final = words(
    "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush ds acpi mmx fxsr sse "
    "sse2 ss ht tm pbe pni pclmuldq dtes64 monitor ds_cpl vmx smx est tm2 ssse3 fma cx16 xtpr pdcm pcid "
    "dca sse4.1 sse4.2 x2apic movbe popcnt tsc-deadline aes xsave avx f16c rdrand hypervisor arat "
    "fsgsbase tsc_adjust bmi1 hle avx2 smep bmi2 erms invpcid rtm mpx avx512f avx512dq rdseed adx smap "
    "avx512ifma clflushopt clwb intel-pt avx512cd sha-ni avx512bw avx512vl avx512vbmi umip pku "
    "avx512vbmi2 gfni vaes vpclmulqdq avx512vnni avx512bitalg avx512-vpopcntdq la57 rdpid cldemote "
    "movdiri movdir64b fsrm md-clear spec-ctrl stibp arch-capabilities core-capability ssbd avx512-bf16 "
    "xsaveopt xsavec xgetbv1 xsaves syscall nx mmxext fxsr_opt pdpe1gb rdtscp lm 3dnowext 3dnow lahf_lm "
    "cmp_legacy svm extapic cr8legacy abm sse4a misalignsse 3dnowprefetch osvw ibs xop skinit wdt fma4 "
    "tce tbm topoext perfctr_core perfctr_nb invtsc clzero xsaveerptr wbnoinvd ibpb ibrs amd-stibp "
    "amd-ssbd virt-ssbd amd-no-ssb npt nrip-save svme-addr-chk rdctl-no ibrs-all skip-l1dfl-vmentry "
    "mds-no pschange-mc-no taa-no split-lock-detect "
)
"""All features of which something is known."""

_SAID: Final = """
486: fpu vme pse
pentium: 486 de tsc msr mce cx8 mmx
pentium2: pentium pae sep mtrr pge mca cmov pat pse36 fxsr
pentium3: pentium2 sse
pentiumpro: pentium3 apic sse2 -vme -mtrr -mca -pse36
coreduo: pentiumpro vme mtrr mca clflush pni monitor nx
n270: coreduo ssse3
core2duo: n270 pse36 syscall lm
qemu32: pentiumpro pni
kvm32: qemu32 mtrr mca pse36 clflush
cpu64-rhel5: kvm32 syscall nx lm
cpu64-rhel6: cpu64-rhel5 cx16 lahf_lm
qemu64: cpu64-rhel5 cx16 svm
kvm64: cpu64-rhel5 cx16
Conroe: cpu64-rhel5 ssse3 lahf_lm
Penryn: cpu64-rhel6 ssse3 sse4.1
Nehalem: Penryn sse4.2 popcnt
Nehalem-IBRS: Nehalem spec-ctrl
Westmere: Nehalem aes
Westmere-IBRS: Nehalem-IBRS aes
SandyBridge: Westmere pclmuldq x2apic tsc-deadline xsave avx rdtscp
SandyBridge-IBRS: SandyBridge spec-ctrl
IvyBridge: SandyBridge vme f16c rdrand fsgsbase smep erms
IvyBridge-IBRS: IvyBridge spec-ctrl
Haswell-noTSX: SandyBridge fma pcid movbe fsgsbase bmi1 avx2 smep bmi2 erms invpcid
Haswell-noTSX-IBRS: Haswell-noTSX spec-ctrl
Haswell: Haswell-noTSX hle rtm
Haswell-IBRS: Haswell spec-ctrl
Broadwell-noTSX: Haswell-noTSX rdseed adx smap 3dnowprefetch
Broadwell-noTSX-IBRS: Broadwell-noTSX spec-ctrl
Broadwell: Broadwell-noTSX hle rtm
Broadwell-IBRS: Broadwell spec-ctrl
Skylake-Client: Broadwell vme f16c rdrand arat mpx xsaveopt xsavec xgetbv1 abm
Skylake-Client-IBRS: Skylake-Client spec-ctrl
Skylake-Client-noTSX-IBRS: Skylake-Client-IBRS -hle -rtm
Skylake-Server: Skylake-Client avx512f avx512dq clwb avx512cd avx512bw avx512vl pdpe1gb
Skylake-Server-IBRS: Skylake-Server spec-ctrl
Skylake-Server-noTSX-IBRS: Skylake-Server-IBRS -hle -rtm
Cascadelake-Server: Skylake-Server-IBRS clflushopt avx512vnni ssbd
Cascadelake-Server-noTSX: Skylake-Server-noTSX-IBRS clflushopt avx512vnni ssbd
Icelake-Client: Skylake-Client-IBRS avx512vbmi umip pku avx512vbmi2 gfni vaes vpclmulqdq avx512vnni
  avx512bitalg avx512-vpopcntdq ssbd wbnoinvd
Icelake-Client-noTSX: Icelake-Client -hle -rtm
Icelake-Server: Icelake-Client avx512f avx512dq clflushopt clwb avx512cd avx512bw avx512vl la57 pdpe1gb
Icelake-Server-noTSX: Icelake-Server -hle -rtm
Cooperlake: Cascadelake-Server pku stibp arch-capabilities avx512-bf16 rdctl-no ibrs-all
  skip-l1dfl-vmentry mds-no pschange-mc-no taa-no -mpx
Snowridge: IvyBridge-IBRS movbe arat rdseed smap clflushopt clwb sha-ni umip gfni cldemote movdiri
  movdir64b arch-capabilities core-capability ssbd xsaveopt xsavec xgetbv1 pdpe1gb 3dnowprefetch
  split-lock-detect -avx -f16c
athlon: pentiumpro vme mtrr pse36 mmxext 3dnowext 3dnow
phenom: cpu64-rhel5 monitor mmxext fxsr_opt 3dnowext 3dnow svm
Opteron_G1: cpu64-rhel5
Opteron_G2: cpu64-rhel6 rdtscp svm
Opteron_G3: Opteron_G2 popcnt abm sse4a misalignsse
Opteron_G4: SandyBridge pdpe1gb svm abm sse4a misalignsse 3dnowprefetch xop fma4 -x2apic -tsc-deadline
Opteron_G5: Opteron_G4 fma f16c tbm
EPYC: Skylake-Client-noTSX-IBRS clflushopt sha-ni mmxext fxsr_opt pdpe1gb svm cr8legacy sse4a misalignsse
  osvw -pcid -x2apic -tsc-deadline -erms -invpcid -mpx -spec-ctrl
EPYC-IBPB: EPYC ibpb
EPYC-Rome: EPYC-IBPB clwb umip rdpid perfctr_core clzero xsaveerptr wbnoinvd amd-stibp npt nrip-save
EPYC-Milan: EPYC-Rome pcid erms invpcid pku fsrm xsaves ibrs amd-ssbd svme-addr-chk
Dhyana: EPYC-IBPB -pclmuldq -aes -sha-ni
"""
"""Each model, what it has all of, what it has besides, and what not."""


def _read() -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for line in _SAID.replace("\n  ", " ").strip().splitlines():
        name, _, rest = line.partition(":")
        has: set[str] = set()
        for word in rest.split():
            if word.startswith("-"):
                has.remove(word[1:])
            else:
                has |= found.get(word, {word})
        found[name] = frozenset(has)
    return found


MODELS: Final = _read()
"""The features of each."""


def in_order(features: set[str]) -> list[str]:
    """Return features as libvirt names them one after the other; what it doesn't know comes last."""
    places = {each: place for place, each in enumerate(_ORDER)}
    return sorted(features, key=lambda each: (places.get(each, len(places)), each))


HAS: Final = MODELS[MODEL] | set(FEATURES)
"""The features of each host's processor."""


def hindrance(cpu: Element) -> str | None:
    """Return why a host's processor doesn't do where another one is wanted; None: it does.

    Args:
        cpu: the other one, of a model of which the features are known; of a guest's, each feature's policy
            counts.
    """
    vendor = cpu.child("vendor")
    if vendor and vendor.text != VENDOR:
        return f"host CPU vendor does not match required CPU vendor {vendor.text}"
    model = cpu.child("model")
    required, forbidden = set(MODELS[model.text] if model else ()), set()
    is_guests = not cpu.attributes.keys().isdisjoint(("mode", "match"))
    for feature in cpu.named("feature"):
        name, policy = feature.attributes.get("name", ""), feature.attributes.get("policy", "require")
        required.discard(name)
        if policy == "require" or not is_guests:
            required.add(name)
        elif policy == "forbid":
            forbidden.add(name)
    if there := forbidden & HAS:
        return f"Host CPU provides forbidden features: {', '.join(in_order(there))}"
    if missing := required - HAS:
        return f"Host CPU does not provide required features: {', '.join(in_order(missing))}"
    return None

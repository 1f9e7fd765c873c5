"""A client's calls about secrets."""

from typing import Final
from uuid import UUID

from pytest_fakehv.fronts.libvirt.errors import Origin, wrong_argument
from pytest_fakehv.fronts.libvirt.host.apis import api
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.secrets.definition import SecretDefinition
from pytest_fakehv.fronts.libvirt.host.secrets.secrets import Secret
from pytest_fakehv.fronts.libvirt.host.words import ListedSecrets
from pytest_fakehv.fronts.libvirt.session import Session
from pytest_fakehv.fronts.libvirt.values import SecretRef

__tracebackhide__ = True  # a failed call is shown at the line that made it

_VALIDATE: Final = 1
"""Of a definition: check it against the schema, too; what a definition may have is checked anyway."""


@api("virSecretDefineXML", about="nothing", flags=_VALIDATE)
def define(host: Host, _session: Session, xml: str, _flags: int) -> SecretRef:
    """Define a secret, or change its definition."""
    definition = SecretDefinition.parse(xml, host.new_uuid)
    with host.machine.lock:
        return host.secrets.define(definition).ref


@api("virSecretUndefine", about="secret")
def undefine(host: Host, _session: Session, secret: Secret) -> None:
    """Forget a secret."""
    with host.machine.lock:
        host.secrets.undefine(secret)


@api("virSecretGetXMLDesc", about="secret", flags=0)
def xml(_host: Host, _session: Session, secret: Secret, _flags: int) -> str:
    """Return a secret's XML."""
    return secret.definition.xml()


@api("virSecretSetValue", about="secret", flags=0)
def set_value(host: Host, _session: Session, secret: Secret, value: bytes, _flags: int) -> None:
    """Let a secret have a value."""
    if not value:
        problem = "value in virSecretSetValue must not be NULL"
        raise wrong_argument("virSecretSetValue", "value", problem, origin=Origin.SECRET)
    with host.machine.lock:
        host.secrets.set_value(secret, value)


@api("virSecretGetValue", about="secret", flags=0)
def value(_host: Host, _session: Session, secret: Secret, _flags: int) -> bytes:
    """Return a secret's value."""
    return secret.shown


@api("virSecretLookupByUUID", about="uuid")
def by_uuid(host: Host, _session: Session, key: bytes) -> SecretRef:
    """Return the secret of a UUID."""
    return host.secrets.by_uuid(key).ref


@api("virSecretLookupByUsage", about="nothing")
def by_usage(host: Host, _session: Session, kind: int, usage_id: str) -> SecretRef:
    """Return the secret for one of a kind."""
    with host.machine.lock:
        return host.secrets.by_usage(kind, usage_id).ref


@api("virConnectListAllSecrets", about="nothing", flags=sum(ListedSecrets))
def list_all(host: Host, _session: Session, need_results: int, flags: int) -> tuple[list[SecretRef], int]:
    """List the secrets that all groups of flags let pass."""
    with host.machine.lock:
        found = [each.ref for each in host.secrets if _is_listed(each, flags)]
    return (found if need_results else []), len(found)


def _is_listed(secret: Secret, flags: int) -> bool:
    """Tell whether a secret is listed: each group of flags, if any of it is set, must have one that fits."""
    given = secret.definition
    fitting = (
        (ListedSecrets.EPHEMERAL if given.is_ephemeral else ListedSecrets.NO_EPHEMERAL)
        | (ListedSecrets.PRIVATE if given.is_private else ListedSecrets.NO_PRIVATE)
    )  # fmt: skip
    return all(not flags & group or flags & group & fitting for group in _GROUPS)


_GROUPS: Final = (
    ListedSecrets.EPHEMERAL | ListedSecrets.NO_EPHEMERAL,
    ListedSecrets.PRIVATE | ListedSecrets.NO_PRIVATE,
)


@api("virConnectNumOfSecrets", about="nothing")
def count(host: Host, _session: Session) -> int:
    """Count the secrets."""
    return len(_keys(host))


@api("virConnectListSecrets", about="nothing")
def list_keys(host: Host, _session: Session, most: int) -> list[str]:
    """List the secrets' UUIDs."""
    return _keys(host)[:most]


def _keys(host: Host) -> list[str]:
    with host.machine.lock:
        return [str(UUID(bytes=each.definition.uuid)) for each in host.secrets]

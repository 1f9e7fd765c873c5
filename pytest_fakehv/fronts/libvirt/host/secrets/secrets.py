"""All secrets of one host."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin, failure
from pytest_fakehv.fronts.libvirt.host.secrets.definition import SecretDefinition
from pytest_fakehv.fronts.libvirt.host.words import SecretEventKind, SecretLifecycle
from pytest_fakehv.fronts.libvirt.values import Notice, SecretRef

__tracebackhide__ = True  # a failed call is shown at the line that made it


@dataclass
class Secret:
    """A secret of one host; changed under the cluster's lock alone.

    Attributes:
        definition: its definition.
        value: what is secret; None where nobody has said it.
    """

    definition: SecretDefinition
    value: bytes | None = None

    @property
    def ref(self) -> SecretRef:
        """What clients know it by."""
        return self.definition.ref

    @property
    def known(self) -> bytes:
        """Its value, for the host itself.

        Raises:
            LibvirtError: it has none.
        """
        if self.value is None:
            raise _none(f"secret '{UUID(bytes=self.definition.uuid)}' does not have a value")
        return self.value

    @property
    def shown(self) -> bytes:
        """Its value, for clients.

        Raises:
            LibvirtError: nobody is told it, or it has none.
        """
        if self.definition.is_private:
            raise failure(Code.INVALID_SECRET, "secret is private", origin=Origin.SECRET)
        return self.known


class Secrets:
    """The secrets of one host; changed under the cluster's lock alone.

    Args:
        tell: sends an event to whoever wants to know.
    """

    def __init__(self, tell: Callable[[Notice], None]) -> None:
        self._tell = tell
        self._secrets: dict[bytes, Secret] = {}

    def __iter__(self) -> Iterator[Secret]:
        """Go through all of them, by UUID."""
        return iter(sorted(self._secrets.values(), key=lambda each: each.definition.uuid))

    def by_uuid(self, key: bytes) -> Secret:
        """Return the secret of a UUID's 16 bytes.

        Raises:
            LibvirtError: there is none.
        """
        if key in self._secrets:
            return self._secrets[key]
        raise _none(f"no secret with matching uuid '{UUID(bytes=key)}'")

    def find(self, ref: SecretRef) -> Secret:
        """Return the secret that a client means.

        Raises:
            LibvirtError: there is none any more.
        """
        return self.by_uuid(ref.uuid)

    def by_usage(self, kind: int, usage_id: str) -> Secret:
        """Return the secret for one of a kind.

        Raises:
            LibvirtError: there is none.
        """
        for each in self:
            if kind and each.ref[1:] == (kind, usage_id):
                return each
        raise _none(f"no secret with matching usage '{usage_id}'")

    def define(self, definition: SecretDefinition) -> Secret:
        """Define a secret, or change its definition; its value stays.

        Raises:
            LibvirtError: it can't change so, or another one is for that.
        """
        secret = self._secrets.get(definition.uuid)
        if secret is None:
            taken = (each for each in self if definition.usage and each.ref[1:] == definition.ref[1:])
            if other := next(taken, None):
                raise _for_another(other, "already defined")
            secret = self._secrets[definition.uuid] = Secret(definition)
        else:
            if secret.definition.usage_id != definition.usage_id:
                raise _for_another(secret, "is already defined")
            if secret.definition.is_private and not definition.is_private:
                raise _internal("cannot change private flag on existing secret")
            secret.definition = definition
        self._say(secret, SecretLifecycle.DEFINED)
        return secret

    def set_value(self, secret: Secret, value: bytes) -> None:
        """Let a secret have a value."""
        secret.value = value
        self._tell(Notice(SecretEventKind.VALUE_CHANGED, secret.ref))

    def undefine(self, secret: Secret) -> None:
        """Forget a secret."""
        del self._secrets[secret.definition.uuid]
        self._say(secret, SecretLifecycle.UNDEFINED)

    def goes_down(self) -> None:
        """Forget what is kept nowhere: the host goes down."""
        self._secrets = {key: each for key, each in self._secrets.items() if not each.definition.is_ephemeral}

    def _say(self, secret: Secret, what: SecretLifecycle) -> None:
        self._tell(Notice(SecretEventKind.LIFECYCLE, secret.ref, (int(what), 0)))


def _none(problem: str) -> LibvirtError:
    return failure(Code.NO_SECRET, problem, origin=Origin.SECRET)


def _internal(problem: str) -> LibvirtError:
    return failure(Code.INTERNAL_ERROR, problem, origin=Origin.SECRET)


def _for_another(secret: Secret, words: str) -> LibvirtError:
    key, usage_id = UUID(bytes=secret.definition.uuid), secret.definition.usage_id
    return _internal(f"a secret with UUID {key} {words} for use with {usage_id}")

"""From the spec to logins: the Access of a node, the management of a switch. Nothing is opened."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from ferrule.apply.target import SUDO, Login
from ferrule.compiler.errors import Diagnostic, Place, error, quoted
from ferrule.compiler.kube import KubeNode, KubeSecret
from ferrule.compiler.peerfacts import METALLB_NAMESPACE
from ferrule.compiler.selection import Selection
from ferrule.compiler.spec import Declared, kinds

Access = Declared[kinds.Access]
Accesses = Selection[Access]

ROOT = "root"  # who needs no sudo

JUMP_HOST = re.compile(
    r"(?:(?P<user>[^@]+)@)?(?:\[(?P<ipv6>[^\]]+)\]|(?P<name>[^@:\[\]]+))(?::(?P<port>[0-9]{1,5}))?"
    r"|(?P<bare>[0-9a-fA-F:.]+:[0-9a-fA-F:.]*)"
)
HIGHEST_PORT = 65535


class NoWay(Exception):  # noqa: N818  # to a device
    """A device cannot be reached, on account of what the input says."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


def access_of(node: KubeNode, accesses: Accesses) -> Access | None:
    """The Access that selects a node: one with a selector rather than one without."""
    matching = accesses.of(node.labels)
    closest = [one for one in matching if one.spec.node_selectors] or list(matching)
    if len(closest) > 1:
        names = " and ".join(quoted(one.name) for one in closest[:2])
        message = f"node {quoted(node.name)} is selected by Access {names} alike"
        help = "an Access with nodeSelectors beats one without; otherwise let one alone select it"
        places = (one.place() for one in closest[:2])
        raise NoWay(error("ambiguous-access", message, *places, help=help))
    return closest[0] if closest else None


def node_login(node: KubeNode, access: Access) -> Login:
    """Where to log in for a node: the Access's address, or the node's first InternalIP."""
    spec = access.spec
    if not spec.address and not node.internal:
        message = f"node {quoted(node.name)} has no InternalIP, and Access {quoted(access.name)}"
        raise NoWay(
            error("no-access", f"{message} no address", node.origin.place(), access.place())
        )
    return Login(
        host=spec.address or str(node.internal[0]),
        port=spec.port,
        username=spec.username,
        key_file=_path(spec.key_file),
        known_hosts=_path(spec.known_hosts_file),
        jump=_jump_host(access) if spec.jump_host else None,
    )


def vtysh_of(access: Access) -> tuple[str, ...]:
    """How vtysh is run on a node that is logged in to."""
    spec = access.spec
    return _vtysh(access, sudo=spec.sudo and spec.username != ROOT)


def vtysh_here(access: Access | None) -> tuple[str, ...]:
    """How vtysh is run on this host, as who we are."""
    sudo = os.geteuid() != 0
    if access is None:
        return (*SUDO, "vtysh") if sudo else ("vtysh",)
    return _vtysh(access, sudo=sudo and access.spec.sudo)


def _vtysh(access: Access, *, sudo: bool) -> tuple[str, ...]:
    text = access.spec.vtysh
    try:
        words = tuple(shlex.split(text))
    except ValueError as bad:
        raise _wrong(access, "vtysh", text, str(bad).lower()) from None
    if not words:
        raise _wrong(access, "vtysh", text, "no program")
    return (*SUDO, *words) if sudo else words


def switch_login(switch: Declared[kinds.Switch], secrets: Mapping[str, KubeSecret]) -> Login:
    """Where to log in to a switch."""
    management = switch.spec.management
    if management is None:
        message = f"Switch {quoted(switch.name)} has no management: it cannot be reached"
        raise NoWay(error("no-access", message, switch.place()))
    return Login(
        management.host,
        management.port,
        management.username,
        _path(management.key_file),
        _password(switch, management.password_secret, secrets),
        management.host_key,
        _path(management.known_hosts_file),
    )


def _password(
    switch: Declared[kinds.Switch],
    reference: kinds.SecretReference | None,
    secrets: Mapping[str, KubeSecret],
) -> str | None:
    if reference is None or not reference.name:
        return None
    key = f"{reference.namespace or switch.namespace or METALLB_NAMESPACE}/{reference.name}"
    place = switch.place("management", "passwordSecret")
    secret = secrets.get(key)
    if secret is None:
        message = f"Secret {quoted(key)} of Switch {quoted(switch.name)} is not in the input"
        raise NoWay(error("secret-missing", message, place))
    if not secret.password or not secret.password.isprintable():
        message = f"Secret {quoted(key)} holds no password that can be used"
        raise NoWay(error("secret-unusable", message, place, secret.origin.place()))
    return secret.password


def _jump_host(access: Access) -> Login:
    """`host`, `user@host`, `host:port`; with the key and the known hosts of the Access."""
    spec = access.spec
    text = spec.jump_host or ""
    found = JUMP_HOST.fullmatch(text)
    port = int(found["port"] or 22) if found else 0
    if not found or not 0 < port <= HIGHEST_PORT:
        raise _wrong(access, "jumpHost", text, "not [USER@]HOST[:PORT]")
    return Login(
        found["ipv6"] or found["name"] or found["bare"],
        port,
        found["user"] or spec.username,
        _path(spec.key_file),
        known_hosts=_path(spec.known_hosts_file),
    )


def _wrong(access: Access, field: str, text: str, why: str) -> NoWay:
    place: Place = access.place(field)
    return NoWay(error("invalid-value", f"{field} {quoted(text)}: {why}", place))


def _path(text: str | None) -> Path | None:
    """A path as the user meant it: `~` is the home, and others start from where we are run."""
    return Path(text).expanduser() if text else None

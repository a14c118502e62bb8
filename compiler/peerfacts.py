"""What a BGPPeer says that is the same on all of its nodes: timers, BFD, password."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ferrule.compiler.errors import Diagnostic, error, quoted, warning
from ferrule.compiler.facing import Peer
from ferrule.compiler.kube import KubeSecret
from ferrule.compiler.network import BfdProfile, Secret, Timers
from ferrule.compiler.spec import Declared, Spec, kinds
from ferrule.compiler.spec.types import PASSWORD_RULE, usable_password

BASIC_AUTH = "kubernetes.io/basic-auth"
METALLB_NAMESPACE = "metallb-system"


@dataclass(frozen=True, slots=True)
class PeerFacts:
    """One peer's part in all of its sessions."""

    timers: Timers
    bfd: BfdProfile | None
    password: Secret | None


def peer_facts(
    spec: Spec, secrets: Mapping[str, KubeSecret]
) -> tuple[Mapping[str, PeerFacts], list[Diagnostic]]:
    """By name of the peer; what is wrong with its Secret is told once."""
    found: list[Diagnostic] = []
    profiles = {one.name: _bfd(one) for one in spec.bfd_profiles}
    facts = {
        peer.name: PeerFacts(
            _timers(peer.spec),
            profiles.get(peer.spec.bfd_profile or ""),
            _password(peer, secrets, found),
        )
        for peer in spec.peers
    }
    return facts, found


def _timers(spec: kinds.BGPPeer) -> Timers:
    """One of hold and keepalive gives the other; whole seconds, as MetalLB."""
    hold, keepalive = spec.hold_time, spec.keepalive_time
    if hold is not None and keepalive is None:
        keepalive = hold / 3
    elif keepalive is not None and hold is None:
        hold = keepalive * 3
    connect = spec.connect_time
    return Timers(
        None if keepalive is None else int(keepalive),
        None if hold is None else int(hold),
        None if connect is None else int(connect),
    )


def _bfd(one: Declared[kinds.BFDProfile]) -> BfdProfile:
    spec = one.spec
    return BfdProfile(
        one.name,
        spec.receive_interval,
        spec.transmit_interval,
        spec.echo_interval,
        spec.detect_multiplier,
        spec.minimum_ttl,
        spec.echo_mode,
        spec.passive_mode,
        one.origin,
    )


def _password(
    peer: Peer, secrets: Mapping[str, KubeSecret], found: list[Diagnostic]
) -> Secret | None:
    """What the sessions carry; without a value where the Secret is not in the input."""
    spec = peer.spec
    if spec.password is not None:
        return Secret(f"<password:{peer.name}>", spec.password)
    if spec.password_secret is None or not spec.password_secret.name:
        return None
    namespace = spec.password_secret.namespace or peer.namespace or METALLB_NAMESPACE
    key = f"{namespace}/{spec.password_secret.name}"
    placeholder, place = f"<secret:{key}>", peer.place("passwordSecret")
    secret = secrets.get(key)
    if secret is None:
        message = f"Secret {quoted(key)} of BGPPeer {quoted(peer.name)} is not in the input"
        found.append(warning("secret-missing", message, place))
        return Secret(placeholder)
    message = help = ""
    if secret.type != BASIC_AUTH:
        message = f"Secret {quoted(key)} is of type {quoted(secret.type)}, not {BASIC_AUTH}"
        help = "MetalLB takes no other type: create it again, the type of a Secret cannot change"
    elif secret.password is None:
        message = f"Secret {quoted(key)} has no key {quoted('password')}"
        help = f"write it under that key: {PASSWORD_RULE}"
    elif not (secret.password.isascii() and usable_password(secret.password)):
        message = f"the password in Secret {quoted(key)} cannot be used"
        help = f"it must have {PASSWORD_RULE}"
    if message:
        mistake = error("secret-unusable", message, place, secret.origin.place(), help=help)
        found.append(mistake)
        return Secret(placeholder)
    return secret.resolved(placeholder)

"""What keeps a session down, or makes it another one than was meant: one check per subject.

What is an error was seen to keep the session down, or its routes out, on FRR 8.4.4 or 10.3; what
both bring up is a warning at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import ip_address

from ferrule.compiler.errors import Diagnostic, error, listed, quoted, warning
from ferrule.compiler.lint.device import Device
from ferrule.compiler.lint.meeting import Meeting
from ferrule.compiler.lint.ours import End, on_link
from ferrule.compiler.network import BGP_PORT, DEFAULT_VRF, Address, family_of

USUAL_HOLD_S = 180  # of a node whose peer says nothing: FRR's traditional profile
Check = Callable[[Meeting], Iterator[Diagnostic]]

UNIFIED_PASSWORD = "auth_password never reaches FRR: frrcfgd writes a line that FRR does not know"  # noqa: S105
DEFAULT_MODE = "the default mode (bgpcfgd) cannot express it for a neighbor: unified mode can"


def missing(device: Device, end: End) -> Diagnostic:
    """Nobody there knows our end."""
    instance = device.instances.get(end.far_vrf or "") or next(iter(device.instances.values()))
    ours = end.place()
    version = end.far.version
    if ranges := [one for one in instance.ranges if one.prefix.version == version]:
        message = (
            f"our end is in none of the listen ranges ({listed(one.prefix for one in ranges)}), and"
            " is no neighbor either"
        )
        return error("far-outside-ranges", message, ranges[0].spot.place(), ours)
    message = "our end is no neighbor there, and in no listen range"
    return error("far-neighbor-missing", message, instance.spot.place(), ours)


def vrf(meeting: Meeting) -> Iterator[Diagnostic]:
    """In which VRF the far end has us, where the Switch says in which it has its address."""
    meant, found = meeting.end.far_vrf, meeting.instance.vrf
    if meant is not None and meant != found:
        message = (
            f"our end is a neighbor in VRF {quoted(found or DEFAULT_VRF)}, and dials an address in"
            f" VRF {quoted(meant or DEFAULT_VRF)}"
        )
        ours = meeting.end.switch.place("addresses") if meeting.end.switch else meeting.end.place()
        yield error("far-vrf", message, meeting.instance.spot.place(), ours)


def shutdown(meeting: Meeting) -> Iterator[Diagnostic]:
    """Whether it is switched off: by itself, by its group or by its instance."""
    own = meeting.neighbor.settings.get("shutdown")
    everything = meeting.instance.get("bgp shutdown")
    new = meeting.instance.get("bgp default shutdown")
    found = everything or meeting.get("shutdown") or (None if own else new)
    if found:
        what = (
            "all of BGP is" if found is everything else "neighbors are" if found is new else "it is"
        )
        message = f"{what} shut down there"
        yield error("far-shutdown", message, meeting.at(found), meeting.end.place())


# AS numbers.


def their_asn(meeting: Meeting) -> Iterator[Diagnostic]:
    """What AS they show, against what our end expects."""
    end, local = meeting.end, meeting.get("local-as")
    shown = local.number if local and local.number else meeting.instance.asn
    both = "dual-as" in (local.value or "").split() if local else False
    if _fits(end.remote_as, shown, end.asn):
        return
    if both and _fits(end.remote_as, meeting.instance.asn, end.asn):  # it tries either
        return
    expected = f"AS {end.remote_as}"
    if not isinstance(end.remote_as, int):
        expected = f"an {end.remote_as} one, being in AS {end.asn}"
    if local:
        message = f"local-as {shown} is what it shows, and our end expects {expected}"
        yield error("far-local-as", message, meeting.at(local), end.remote_place)
    else:
        message = f"it is in AS {shown}, and our end expects {expected}"
        yield error("far-asn", message, meeting.instance.spot.place(), end.remote_place)


def our_asn(meeting: Meeting) -> Iterator[Diagnostic]:
    """What AS they expect of us, against what we show."""
    end, said = meeting.end, meeting.get("remote-as")
    local = meeting.get("local-as")
    if said is None:
        message = f"it has no remote-as, and our end is in AS {end.asn}"
        yield error("far-remote-as", message, meeting.at(), end.asn_place)
        return
    value = (said.value or "").partition(" ")[0]
    known = said.number if value.isdecimal() else value
    own = local.number if local and local.number else meeting.instance.asn
    if value in ("internal", "external") and next(their_asn(meeting), None):
        return  # one cause, and told
    if value == "auto" or _fits(known, end.asn, own):
        return
    session = end.session.node_end
    shows = ""
    if end.node is not None and session.local_asn is not None and known == session.asn:
        shows = "localASN is what it is shown, not myASN"
    message = f"remote-as {value}, and our end is in AS {end.asn}"
    yield error("far-remote-as", message, meeting.at(said), end.asn_place, help=shows or None)


def _fits(wanted: int | str | None, asn: int, other: int) -> bool:
    """Whether an AS is the one that is wanted by number, or by its relation to the other one."""
    if wanted == "internal":
        return asn == other
    return asn != other if wanted == "external" else wanted == asn


# On the way.


def ttl_security(meeting: Meeting) -> Iterator[Diagnostic]:
    """With it packets must come with a TTL of nearly 255; eBGP without multihop sends 1."""
    found, end = meeting.get("ttl-security hops"), meeting.end
    if found and not end.internal and not end.multihop:
        message = (
            f"ttl-security hops {found.value}: it drops what comes with a TTL below"
            f" {256 - (found.number or 1)}, and our end sends 1"
        )
        help = "take ttl-security off; an eBGP end of ours sends 255 only with ebgpMultiHop"
        yield error("far-ttl-security", message, meeting.at(found), end.place(), help=help)


def multihop(meeting: Meeting) -> Iterator[Diagnostic]:
    """On one side only it does no harm on one subnet; BFD, though, then meets nobody."""
    theirs, end = meeting.multihop, meeting.end
    if end.internal or end.multihop == bool(theirs) or meeting.get("ttl-security hops"):
        return
    networks = (one.network for each in meeting.device.interfaces.values() for one in each)
    near = on_link(end, networks)
    help = DEFAULT_MODE if meeting.device.form == "default" else None
    has = "it has ebgp-multihop, and our end has not"
    if end.multihop:
        has = "our end has ebgpMultiHop, and there is no ebgp-multihop there"
    ours = end.place("ebgpMultiHop") if end.multihop else end.place()
    if meeting.bfd and end.bfd:
        message = f"{has}: BFD runs over one hop on one side and over several on the other"
        yield error("far-multihop", message, meeting.at(theirs), ours, help=help)
    elif near is False or (end.multihop and near is None):
        far = "packets from there live for one hop only"
        if near is False:
            far = "the two are not on one subnet"
        yield error("far-multihop", f"{has}: {far}", meeting.at(theirs), ours, help=help)
    else:
        message = f"{has}: the session comes up as long as both are on one subnet"
        yield warning("far-multihop", message, meeting.at(theirs), ours, help=help)


def password(meeting: Meeting) -> Iterator[Diagnostic]:
    """Whether there is one, never which."""
    theirs, end = meeting.get("password"), meeting.end
    form = meeting.device.form
    ours = end.place("passwordSecret" if end.peer.spec.password_secret else "password")
    if form == "frr.conf":
        if bool(theirs) != end.password:
            one, other = ("there", "at our end") if theirs else ("at our end", "there")
            message = f"there is a password {one}, and none {other}"
            yield error("far-password", message, meeting.at(theirs), ours)
    elif end.password:
        why = UNIFIED_PASSWORD if form == "unified" else DEFAULT_MODE
        message = f"our end has a password, which CONFIG_DB cannot give FRR ({why})"
        external = end.switch is not None and end.switch.spec.password == "external"  # noqa: S105
        make = warning if external else error
        help = "set it in the switch's vtysh, and check what that prints as running-config"
        yield make("far-password", message, meeting.at(theirs), ours, help=help)
    elif theirs:
        message = f"there is a password there, and none at our end: {UNIFIED_PASSWORD}"
        yield warning("far-password", message, meeting.at(theirs), end.place())


def port(meeting: Meeting) -> Iterator[Diagnostic]:
    """Which port either end dials; on which one bgpd listens no file says."""
    end, theirs = meeting.end, meeting.get("port")
    if end.port != BGP_PORT:
        message = f"our end dials port {end.port}, and SONiC's bgpd listens on {BGP_PORT} only"
        place = end.place("peerPort")
        if meeting.device.form != "frr.conf":
            yield error("far-port", message, meeting.at(), place)
        else:
            message = (
                f"our end dials port {end.port}: that bgpd listens there (-p) no frr.conf says"
            )
            yield warning("far-port", message, meeting.at(), place)
    if theirs and theirs.number != BGP_PORT:
        message = f"it dials port {theirs.value}, and our end listens on {BGP_PORT}"
        if end.waits:
            yield error("far-port", f"{message} and never dials", meeting.at(theirs), end.place())
        else:
            message = f"{message}: the session comes up only when our end dials"
            yield warning("far-port", message, meeting.at(theirs), end.place())


def passive(meeting: Meeting) -> Iterator[Diagnostic]:
    """Somebody has to dial."""
    found, end = meeting.get("passive"), meeting.end
    waits = found or (meeting.range and meeting.neighbor.get("remote-as"))
    if waits and end.waits:
        ours = end.switch.place("listenRanges") if end.switch else end.place()
        message = "both ends wait for the other one to dial"
        yield error("far-passive", message, meeting.at(found), ours)


def update_source(meeting: Meeting) -> Iterator[Diagnostic]:
    """From where it dials us: our end knows it by one address."""
    found, end = meeting.get("update-source"), meeting.end
    if found is None:
        return
    sources = _sources(meeting.device, found.value or "", end.far)
    if not sources or end.far in sources:
        return
    message = f"it dials from {found.value}, and our end knows it as {end.far}"
    ours = end.place("peerAddress") if end.node else end.place()
    if end.waits:
        yield error("far-update-source", message, meeting.at(found), ours)
    else:
        message = f"{message}: the session comes up only when our end dials"
        yield warning("far-update-source", message, meeting.at(found), ours)


def _sources(device: Device, value: str, far: Address) -> list[Address]:
    """The addresses that an update-source stands for; none where the file does not say."""
    try:
        return [ip_address(value)]
    except ValueError:
        each = device.interfaces.get(value, ())
        return [one.ip for one in each if family_of(one.ip) == family_of(far)]


def router_id(meeting: Meeting) -> Iterator[Diagnostic]:
    """FRR takes an equal router ID between two ASes, and never inside one."""
    found, end = meeting.instance.get("bgp router-id"), meeting.end
    if found and end.internal and found.value == str(end.router_id):
        message = f"its router ID {found.value} is our end's too"
        place = end.kube.origin.place() if end.kube and end.node else end.place()
        yield error("far-router-id", message, meeting.at(found), place)


# Time.


def timers(meeting: Meeting) -> Iterator[Diagnostic]:
    """The lower hold time of the two holds (RFC 4271 §4.2)."""
    end = meeting.end
    said = meeting.get("timers") or meeting.instance.get("timers bgp")
    words = (said.value or "").split() if said else []
    hold = meeting.device.hold_s
    if len(words) == 2 and words[1].isdecimal() and len(words[1]) < 6:
        hold = int(words[1])
    ours = end.timers.hold_s
    mine = USUAL_HOLD_S if ours is None else ours
    least = meeting.instance.get("bgp minimum-holdtime")
    if least and least.number and mine and mine < least.number:
        message = f"it refuses hold times below {least.value} s, and our end offers {mine} s"
        place = end.place("holdTime")
        yield error("far-minimum-hold", message, meeting.at(least), place)
    elif hold != mine:
        settled = min(hold, mine)
        holds = f"{settled} s is what holds" if settled else "the session never times out"
        message = f"the hold time is {hold} s there and {mine} s at our end: {holds}"
        yield warning("far-timers", message, meeting.at(said), end.place("holdTime"))


CHECKS: tuple[Check, ...] = (
    vrf,
    shutdown,
    their_asn,
    our_asn,
    ttl_security,
    multihop,
    password,
    port,
    passive,
    update_source,
    router_id,
    timers,
)

"""Sessions of a node, and what its configuration of each is in four rounds: every way to change it.

Between two rounds lies a change, or none. Each session has names of its own, so that what is sent
to the node for one of them is about no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from daemon.campaign import Row
from daemon.sessions import UNNUMBERED, Link
from ferrule.compiler.backends.base import Change, Op
from ferrule.compiler.backends.frr.impact import IMPACTS, OPS

ROUNDS = 4
Part = dict[str, str]  # some sections of a session's configuration; the others are the usual
ROUTES = "".join(f"  network 203.0.113.{n}/32 route-map ferrule-prod_all\n" for n in range(50))

# A session's configuration; {n} is in every name of it, {host} in its prefix, {tag} its own.
USUAL: Part = {
    "lists": "ip prefix-list ferrule-prod_{n} seq 5 permit 203.0.113.0/24 ge 32 le 32\n",
    "class": "",
    "out": """\
route-map ferrule-prod_out_{n} permit 10
 match ip address prefix-list ferrule-prod_{n}
 match tag 4000000000
exit
""",
    "profile": "",
    "as": " neighbor {far} remote-as 65000\n",
    "neighbor": "",
    "settings": " neighbor {far} description far\n neighbor {far} timers connect 1\n",
    "networks": "",
    "ipv4": """\
  neighbor {far} activate
  neighbor {far} route-map ferrule-prod_in in
  neighbor {far} route-map ferrule-prod_out_{n} out
""",
    "more": "",
    "ipv6": "",
}


@dataclass(frozen=True, eq=False)
class Case:
    """A session: its configuration by round, and what the far end is told after a round.

    In a round with None it is not configured; the last round lasts. `far` holds lines inside the
    far end's `router bgp`, those of round 0 at the start.
    """

    name: str
    rounds: tuple[Part | None, ...]
    far: Mapping[int, str] = field(default_factory=dict)
    node: str = "node"
    link: Link | None = None

    def part(self, round_: int) -> Part | None:
        return self.rounds[min(round_, len(self.rounds) - 1)]


def lines(*said: str) -> Part:
    """More lines of the neighbor."""
    return {"neighbor": "".join(f" neighbor {{far}} {line}\n" for line in said)}


def family(*said: str) -> Part:
    """More lines of the neighbor in its family, with `no ` in front where they have it."""
    return {
        "more": "".join(
            f"  no neighbor {{far}} {line[3:]}\n"
            if line[:3] == "no "
            else f"  neighbor {{far}} {line}\n"
            for line in said
        )
    }


def out(*said: str, tag: int = 4000000000, more: str = "") -> Part:
    """The outbound map, with more lines in its entry, and more entries."""
    usual = USUAL["out"].replace("4000000000", str(tag))
    return {
        "out": usual.replace("exit\n", "".join(f" {line}\n" for line in said) + "exit\n") + more
    }


def profile(*said: str) -> Part:
    """BFD with a profile of its own."""
    own = "".join(f"  {line}\n" for line in said)
    return {
        **lines("bfd", "bfd profile ferrule-prod_{n}"),
        "profile": f" profile ferrule-prod_{{n}}\n{own} exit\n",
    }


def switched(line: str) -> tuple[Part, ...]:
    """A line without a value, on and off again."""
    return ({}, lines(line), {})


def by_hand(line: str) -> tuple[Part, ...]:
    """A line that somebody put there and that we take away."""
    return (lines(line), {})


PLAIN: Part = {}
BFD = " neighbor {near} bfd\n"
A, B = ("bfd", "bfd profile ferrule-prod_a"), ("bfd", "bfd profile ferrule-prod_b")
GROUP = {"as": "", **lines("peer-group rack")}
ACTIVE6 = """\
  neighbor {far} activate
  neighbor {far} route-map ferrule-prod_in in
  neighbor {far} route-map ferrule-prod_out6 out
"""
WITHOUT_IN = USUAL["ipv4"].replace("  neighbor {far} route-map ferrule-prod_in in\n", "")
WITHOUT_OUT = USUAL["ipv4"].replace("  neighbor {far} route-map ferrule-prod_out_{n} out\n", "")
SECOND = "route-map ferrule-prod_out_{n} %s 20\n match tag 4000000001\nexit\n"
LIST = USUAL["lists"]
EXTRA = "ip prefix-list ferrule-prod_{n} seq 7 permit %s ge 32 le 32\n"
DESCRIPTION = "ip prefix-list ferrule-prod_{n} description by hand\n"
DENY = "ip prefix-list ferrule-prod_{n} seq %d deny 203.0.113.2/32\n"
CLASS = "route-map ferrule-prod_class_{n} permit 10\n set tag {tag}\nexit\n"
ALSO = "route-map ferrule-prod_also_{n} permit 10\n set tag {tag}\n set metric 5\nexit\n"
REFUSED = CLASS.replace("permit", "deny")
LINE = "  network 203.0.113.{host}/32 route-map ferrule-prod_%s\n"
OF_CLASS: Part = out(more=SECOND.replace("4000000001", "{tag}") % "permit") | {
    "class": CLASS + ALSO
}
ORIGINATED: Part = OF_CLASS | {"networks": LINE % "class_{n}"}
STRANGER: Part = {
    "class": """\
route-map mine_{n} permit 10
 match community ferrule-prod_old_{n}
exit
route-map set_{n} permit 10
 set community 65000:5
exit
""",
    "networks": "  network 192.0.2.{host}/32 route-map set_{n}\n",
    "ipv4": "  neighbor {far} activate\n  neighbor {far} route-map mine_{n} out\n",
}
OLD = "bgp community-list standard ferrule-prod_old_{n} seq 5 permit 65000:5\n"

CASES = (
    Case("nothing", (PLAIN,)),
    # Settings of a neighbor.
    Case(
        "description",
        (
            {"settings": " neighbor {far} timers connect 1\n"},
            PLAIN,
            {"settings": USUAL["settings"].replace("description far", "description tor-a")},
            {"settings": " neighbor {far} timers connect 1\n"},
        ),
    ),
    Case(
        "remote-as",
        (PLAIN, {"as": " neighbor {far} remote-as external\n"}, PLAIN),
    ),
    Case("remote-as by a group", (GROUP, PLAIN)),
    Case(
        "interface remote-as",
        (
            {"as": " neighbor {far} interface peer-group rack\n"},
            {"as": " neighbor {far} interface remote-as external\n"},
            {"as": " neighbor {far} interface remote-as 65000\n"},
        ),
        link=UNNUMBERED,
    ),
    Case(
        "local-as",
        (
            PLAIN,
            lines("local-as 65009 no-prepend replace-as"),
            lines("local-as 65010 no-prepend replace-as"),
            PLAIN,
        ),
    ),
    Case("bfd", (PLAIN, lines(*A), lines(*B), PLAIN), {1: BFD}),
    Case("bfd profile", (lines("bfd"), lines(*A), lines("bfd")), {0: BFD}),
    Case("bfd by hand", (lines(*A, "bfd check-control-plane-failure"), lines(*A)), {0: BFD}),
    Case(
        "password",
        (PLAIN, lines("password one"), lines("password other"), PLAIN),
        {
            1: " neighbor {near} password one\n",
            2: " neighbor {near} password other\n",
            3: " no neighbor {near} password\n",
        },
    ),
    Case("port", (PLAIN, lines("port 1790"), lines("port 1791"), PLAIN)),
    Case("ebgp-multihop", (lines("ebgp-multihop 2"), lines("ebgp-multihop"), PLAIN)),
    Case("ebgp-multihop at all", switched("ebgp-multihop")),
    Case("disable-connected-check", switched("disable-connected-check")),
    Case("update-source", (PLAIN, lines("update-source {near}"), PLAIN)),
    Case("update-source by hand", (lines("update-source eth0"), lines("update-source {near}"))),
    Case("timers", (PLAIN, lines("timers 10 30"), lines("timers 20 60"), PLAIN)),
    Case(
        "timers connect",
        (
            {"settings": " neighbor {far} description far\n"},
            PLAIN,
            {"settings": USUAL["settings"].replace("connect 1", "connect 2")},
            {"settings": " neighbor {far} description far\n"},
        ),
    ),
    Case("graceful-restart", switched("graceful-restart")),
    # What somebody put at a neighbor.
    Case("passive", by_hand("passive")),
    Case("capability", by_hand("capability extended-nexthop")),
    Case("timers delayopen", by_hand("timers delayopen 2")),
    Case("advertisement-interval", by_hand("advertisement-interval 1")),
    Case("shutdown", by_hand("shutdown")),
    # A neighbor in a family.
    Case("activate", (PLAIN, {"ipv6": ACTIVE6}, PLAIN)),
    Case("route-map in", ({"ipv4": WITHOUT_IN}, PLAIN, {"ipv4": WITHOUT_IN})),
    Case(
        "another route-map in",
        ({"ipv4": USUAL["ipv4"].replace("ferrule-prod_in", "mine")}, PLAIN),
    ),
    Case(
        "route-map out",
        (
            {"ipv6": ACTIVE6, "ipv4": WITHOUT_OUT},
            {"ipv6": ACTIVE6},
            {"ipv6": ACTIVE6, "ipv4": WITHOUT_OUT},
        ),
    ),
    Case(
        "another route-map out",
        ({"ipv4": USUAL["ipv4"].replace("ferrule-prod_out_{n}", "ferrule-prod_other")}, PLAIN),
    ),
    *(
        Case(f"{line} in a family", (family(line), PLAIN))
        for line in (
            "addpath-tx-all-paths",
            "allowas-in",
            "as-override",
            "attribute-unchanged med",
            "default-originate",
            "distribute-list mine out",
            "filter-list mine out",
            "maximum-prefix 1000",
            "maximum-prefix-out 20",
            "next-hop-self",
            "no send-community all",
            "no send-community large",
            "prefix-list mine out",
            "remove-private-AS",
            "soft-reconfiguration inbound",
            "weight 5",
        )
    ),
    Case("gone", (PLAIN, None, PLAIN)),
    # What maps and lists say.
    Case("an entry", (PLAIN, out(more=SECOND % "permit"), out(more=SECOND % "deny"), PLAIN)),
    Case("a community", (PLAIN, out("set community 65000:1"), out("set community 65000:2"), PLAIN)),
    Case(
        "a large community",
        (PLAIN, out("set large-community 65000:1:1"), out("set large-community 65000:1:2"), PLAIN),
    ),
    Case(
        "a longer path",
        (PLAIN, out("set as-path prepend 65001"), out("set as-path prepend 65001 65001"), PLAIN),
    ),
    Case("a condition", (PLAIN, out(tag=4000000001), PLAIN)),
    Case(
        "a list",
        (
            PLAIN,
            {"lists": LIST + EXTRA % "192.0.2.0/24"},
            {"lists": LIST + EXTRA % "192.0.2.0/25"},
            PLAIN,
        ),
    ),
    Case(
        "a description of a list",
        ({"lists": LIST + DESCRIPTION}, PLAIN),
    ),
    # What is heard all the same, or not: as `told` has it.
    Case("a list that is not there", ({"lists": ""}, PLAIN)),
    Case("an exception", ({"lists": LIST + DENY % 4}, PLAIN)),
    Case("an exception that comes too late", ({"lists": LIST + DENY % 6}, PLAIN)),
    Case("no end of lengths", ({"lists": LIST.replace("le 32", "")}, PLAIN)),
    Case("shorter lengths", ({"lists": LIST.replace("ge 32 le 32", "le 31")}, PLAIN)),
    Case("everything", ({"lists": LIST.replace("203.0.113.0/24 ge 32 le 32", "any")}, PLAIN)),
    Case("a map that is not there", ({"out": ""}, PLAIN)),
    Case("a map of one deny", ({"out": USUAL["out"].replace("permit", "deny")}, PLAIN)),
    Case("a class that is not there", (ORIGINATED | {"class": ALSO}, ORIGINATED)),
    Case("a class that denies", (ORIGINATED | {"class": REFUSED + ALSO}, ORIGINATED)),
    Case("a tag that the class has not", (out(tag=4000000009), PLAIN)),
    Case(
        "a community-list",
        ({**STRANGER, "lists": LIST + OLD}, STRANGER),
    ),
    # What is originated.
    Case(
        "a network",
        (OF_CLASS, ORIGINATED, ORIGINATED | {"networks": LINE % "also_{n}"}, OF_CLASS),
    ),
    Case(
        "a class",
        (ORIGINATED, ORIGINATED | {"class": CLASS.replace("{tag}", "9") + ALSO}, ORIGINATED),
    ),
    # BFD profiles.
    *(
        Case(
            line.rpartition(" ")[0], (profile(), profile(line), profile(other), profile()), {0: BFD}
        )
        for line, other in (
            ("detect-multiplier 12", "detect-multiplier 11"),
            ("transmit-interval 310", "transmit-interval 320"),
            ("receive-interval 310", "receive-interval 320"),
            ("echo transmit-interval 60", "echo transmit-interval 70"),
            ("echo receive-interval 60", "echo receive-interval 70"),
            ("minimum-ttl 250", "minimum-ttl 240"),
        )
    ),
    Case("passive-mode", (profile(), profile("passive-mode"), profile()), {0: BFD}),
    Case("echo-mode", (profile(), profile("echo-mode"), profile()), {0: BFD}),
    Case("shutdown of BFD", (profile("shutdown"), profile()), {1: BFD}),
    Case("a profile", (lines(*A), profile("detect-multiplier 12"), lines(*A)), {0: BFD}),
    # Globals, each on a node of its own.
    Case("nothing of the globals", (PLAIN,), node="flags"),
    Case("import-check", (PLAIN,), node="check"),
    Case("router-id", (PLAIN,), node="ids"),
    Case("another router-id", (PLAIN,), node="ids"),
)


@dataclass(frozen=True, eq=False)
class Place:
    """A case with its number, and from that its link and its names."""

    number: int
    case: Case

    @property
    def name(self) -> str:
        return self.case.name

    @property
    def device(self) -> str:
        return self.case.node

    @property
    def link(self) -> Link:
        return self.case.link or Link.number(self.number)

    @property
    def words(self) -> dict[str, str]:
        host = str(100 + self.number)
        tag = str(4000000100 + self.number)
        names = {"n": self.mark, "host": host, "tag": tag}
        return {"near": self.link.near, "far": self.link.far, **names}

    @property
    def mark(self) -> str:
        return f"m{self.number:02}"

    def part(self, round_: int) -> Part | None:
        """Every section, spelt out."""
        part = self.case.part(round_)
        if part is None:
            return None
        return {key: one.format(**self.words) for key, one in {**USUAL, **part}.items()}

    def told(self, round_: int) -> str:
        """What the far end is told."""
        return self.case.far.get(round_, "").format(**self.words)

    def is_about(self, change: Change) -> bool:
        """Whether a change is about it and nobody else."""
        words = {word for text in change.path for word in text.split(" ")}
        own = {self.link.far, f"203.0.113.{self.words['host']}/32"}
        return bool(words & own) or any(self.mark in word for word in words)

    def is_over(self, _: int) -> bool:
        return False


PLACES = tuple(Place(number, case) for number, case in enumerate(CASES))
NODES = tuple(dict.fromkeys(case.node for case in CASES))

# The globals of each node by round.

ID = " bgp router-id 198.51.100.0\n"
FLAGS = " no bgp default ipv4-unicast\n"
KEEP = " bgp graceful-restart preserve-fw-state\n"
CHECK = " no bgp network import-check\n"
OWN = f"router bgp 65001\n{ID}{FLAGS}{CHECK}"
GROUPS = " coalesce-time 50\n neighbor rack peer-group\n neighbor rack remote-as 65000\n"
GLOBALS: Mapping[str, tuple[str, ...]] = {
    "node": (OWN + GROUPS,) * ROUNDS,
    "flags": (OWN, OWN.replace(FLAGS, KEEP), OWN, OWN.replace("65001", "65002")),
    "check": (OWN, OWN.replace(CHECK, ""), OWN, ""),
    "ids": (OWN, OWN.replace("100.0\n", "100.99\n"), OWN.replace(ID, ""), OWN),
}
SHARED = """\
ip prefix-list mine seq 5 deny 203.0.113.0/27 le 32
ip prefix-list mine seq 10 permit any
bgp as-path access-list mine seq 5 deny .*
access-list mine seq 5 deny 203.0.113.0/27
access-list mine seq 10 permit any
route-map mine permit 10
exit
ipv6 prefix-list ferrule-prod_six seq 5 permit 2001:db8:1::/64 ge 128
route-map ferrule-prod_in deny 10
exit
route-map ferrule-prod_all permit 10
 set tag 4000000000
exit
route-map ferrule-prod_none permit 10
 set tag 4000000009
exit
route-map ferrule-prod_other permit 10
 match tag 4000000000
 set community 65000:9
exit
route-map ferrule-prod_out6 permit 10
 match ipv6 address prefix-list ferrule-prod_six
 match tag 4000000000
exit
"""
# An instance that comes beside the other: the kernel of a test has no VRFs, so it has no session.
RED = "router bgp 65001 vrf red\n bgp router-id 198.51.100.0\nexit\n"
PROFILES = """\
 profile ferrule-prod_a
  detect-multiplier 10
 exit
 profile ferrule-prod_b
  detect-multiplier 11
 exit
"""
FAR = """\
bgp route-map delay-timer 1
ip prefix-list own seq 5 permit 192.0.2.0/28 ge 32
route-map own permit 10
 match ip address prefix-list own
exit
bfd
 profile far
  detect-multiplier 10
 exit
exit
router bgp 65000
 bgp router-id 198.51.100.1
 no bgp default ipv4-unicast
 no bgp network import-check
 no bgp ebgp-requires-policy
 coalesce-time 50
"""


def node_text(node: str, round_: int) -> str:
    """All of a node's configuration in a round."""
    header = GLOBALS[node][round_]
    if not header:
        return ""
    parts = [
        part for one in PLACES if one.device == node and (part := one.part(round_)) is not None
    ]

    def all_of(*sections: str) -> str:
        return "".join(part[section] for part in parts for section in sections)

    return (
        f"{SHARED}{all_of('lists', 'class', 'out')}"
        f"bfd\n{PROFILES}{all_of('profile')}exit\n"
        f"{header}{all_of('as', 'neighbor', 'settings')}"
        f" address-family ipv4 unicast\n{ROUTES}{all_of('networks', 'ipv4', 'more')}"
        " exit-address-family\n"
        " address-family ipv6 unicast\n  network 2001:db8:1::1/128 route-map ferrule-prod_all\n"
        f"{all_of('ipv6')} exit-address-family\nexit\n"
        f"{RED if node == 'node' and round_ else ''}"
    )


def far_text() -> str:
    """The far end: takes everything, and says five prefixes of its own."""
    neighbors, ipv4, ipv6 = "", "".join(f"  network 192.0.2.{n}/32\n" for n in range(5)), ""
    for one in PLACES:
        near = one.link.near
        kind = " interface" if one.link == UNNUMBERED else ""
        neighbors += f" neighbor {near}{kind} remote-as external\n"
        neighbors += f" neighbor {near} timers connect 1\n{one.told(0)}"
        ipv4 += f"  neighbor {near} activate\n  neighbor {near} route-map own out\n"
        ipv6 += f"  neighbor {near} activate\n"
    return (
        f"{FAR}{neighbors} address-family ipv4 unicast\n{ipv4} exit-address-family\n"
        f" address-family ipv6 unicast\n{ipv6} exit-address-family\nexit\n"
    )


# What no diff yields: a line without a value has no other one, one of others is never written.
FLAGS_OF = {
    ("router", "no bgp default ipv4-unicast"),
    ("router", "bgp graceful-restart preserve-fw-state"),
    ("router", "no bgp network import-check"),
    ("neighbor", "bfd"),
    ("neighbor", "disable-connected-check"),
    ("neighbor", "graceful-restart"),
    ("family", "activate"),
    ("profile", ""),
    ("profile", "passive-mode"),
    ("profile", "echo-mode"),
}
OTHERS = {
    *(row for row in IMPACTS if row[0] == "family" and "route-map" not in row[1]),
    ("neighbor", "*"),
    ("neighbor", "timers delayopen"),
    ("neighbor", "advertisement-interval"),
    ("neighbor", "shutdown"),
    ("prefix-list", "description"),
    ("community-list", ""),
    ("profile", "shutdown"),
} - {("family", "activate")}
NEVER: set[tuple[Row, Op]] = {
    *((row, "change") for row in FLAGS_OF),
    *((row, op) for row in OTHERS for op in OPS if op != "remove"),
    (("router", ""), "change"),  # another AS is another instance
    (("neighbor", "remote-as"), "remove"),  # with the neighbor only
    (("neighbor", "interface remote-as"), "remove"),
}

"""Lines that somebody may put into what is ours: all that FRR 8.4 or 10.3 prints back.

A version that does not know one refuses it, and then it is no drift there.
"""

NEIGHBOR = """\
advertisement-interval 7
shutdown
shutdown message gone fishing
shutdown rtt 10 count 5
passive
capability dynamic
capability extended-nexthop
capability software-version
dont-capability-negotiate
strict-capability-match
override-capability
no enforce-first-as
enforce-multihop
disable-link-bw-encoding-ieee
extended-optional-parameters
extended-link-bandwidth
graceful-restart-helper
graceful-restart-disable
graceful-shutdown
interface eth0
sender-as-path-loop-detection
solo
tcp-mss 500
timers delayopen 10
timers 0 0
ttl-security hops 1
local-role customer
local-role customer strict-mode
path-attribute discard 5
path-attribute treat-as-withdraw 7
bfd
bfd check-control-plane-failure
bfd profile mine
oad
aigp
description x y  z
password other
ebgp-multihop 5
local-as 5
local-as 5 no-prepend
local-as 5 no-prepend replace-as dual-as
update-source lo
port 180
disable-connected-check
remote-as 65077
remote-as internal
remote-as external
remote-as auto
peer-group mine
""".splitlines()

FAMILY = """\
no activate
allowas-in
allowas-in 3
allowas-in origin
weight 5
default-originate
default-originate route-map mine
addpath-tx-all-paths
addpath-tx-best-selected 3
addpath-rx-paths-limit 4
disable-addpath-rx
filter-list mine in
filter-list mine out
prefix-list mine in
prefix-list mine out
distribute-list mine in
distribute-list mine out
unsuppress-map mine
advertise-map mine exist-map mine
advertise-map mine non-exist-map mine
capability orf prefix-list both
soft-reconfiguration inbound
next-hop-self
next-hop-self force
remove-private-AS
remove-private-AS all replace-AS
as-override
attribute-unchanged
attribute-unchanged as-path next-hop
no send-community
no send-community extended
no send-community all
maximum-prefix 100
maximum-prefix 100 80 restart 5
maximum-prefix 100 warning-only
maximum-prefix-out 100
soo 65000:1
dampening
route-reflector-client
route-server-client
route-map mine in
""".splitlines()

FAMILIES = """\
ipv6 unicast
ipv4 multicast
ipv4 vpn
ipv6 vpn
l2vpn evpn
ipv4 flowspec
""".splitlines()

ENTRY = """\
description hi there
on-match next
on-match goto 65535
continue 65535
call mine
match as-path mine
match community mine exact-match
match large-community mine
match extcommunity mine
match interface eth0
match ip next-hop 10.1.0.1
match ip next-hop prefix-list mine
match ip next-hop type blackhole
match ip address mine
match ip address prefix-len 24
match ip address prefix-list mine
match ip route-source prefix-list mine
match ipv6 next-hop address 2001:db8::1
match local-preference 5
match metric 5
match origin igp
match peer 10.1.0.1
match probability 50
match source-protocol bgp
match source-vrf red
match rpki valid
match evpn vni 5
match alias x
match tag 77
set aggregator as 5 10.0.0.1
set as-path exclude 1 2
set as-path exclude all
set as-path exclude as-path-access-list mine
set as-path prepend 5 5
set as-path prepend last-as 3
set as-path replace 5
set as-path replace as-path-access-list mine
set atomic-aggregate
set comm-list mine delete
set large-comm-list mine delete
set extended-comm-list mine delete
set community none
set community 1:1 additive
set large-community 1:1:1 additive
set extcommunity rt 1:1
set extcommunity bandwidth num-multipaths
set extcommunity color 01:5
set extcommunity none
set distance 5
set ip next-hop peer-address
set ip next-hop unchanged
set ipv6 next-hop global 2001:db8::1
set ipv6 next-hop prefer-global
set label-index 5
set local-preference +5
set metric +5
set metric rtt
set metric-type type-1
set min-metric 5
set max-metric 10
set origin igp
set originator-id 10.0.0.1
set src 10.1.0.10
set table 5
set tag 5
set tag untagged
set weight 5
set aigp-metric igp-metric
""".splitlines()

PROFILE = """\
detect-multiplier 9
transmit-interval 99
receive-interval 99
receive-interval disabled
echo transmit-interval 99
echo receive-interval disabled
echo-mode
shutdown
no passive-mode
minimum-ttl 5
no minimum-ttl
log-session-changes
""".splitlines()

# What they name.
NAMED = """\
ip prefix-list mine seq 5 permit 10.0.0.0/8 le 32
bgp community-list standard mine seq 5 permit 65000:1
bgp large-community-list standard mine seq 5 permit 65000:1:1
bgp extcommunity-list standard mine seq 5 permit rt 1:1
bgp as-path access-list mine seq 5 permit ^5$
access-list mine seq 5 permit 10.0.0.0/8
bfd
 profile mine
 exit
exit
route-map mine permit 10
exit
router bgp 65001
 bgp bestpath compare-routerid
 neighbor mine peer-group
 neighbor mine remote-as external
exit
"""


def in_router(*lines: str) -> str:
    return "\n".join(("router bgp 65001", *(f" {line}" for line in lines), "exit\n"))


def in_family(line: str, family: str = "ipv4 unicast") -> str:
    return in_router(f"address-family {family}", f" {line}", "exit-address-family")


def about(neighbor: str, line: str) -> str:
    negated = line.startswith("no ")
    return f"{'no ' * negated}neighbor {neighbor} {line.removeprefix('no ')}"


def drift(neighbors: tuple[str, ...], entry: str, profile: str) -> list[str]:
    """Every such load: a line each for these neighbors, this route-map entry and BFD profile."""
    loads: list[str] = []
    for one in neighbors:
        loads += [in_router(about(one, line)) for line in NEIGHBOR]
        loads += [in_family(about(one, line)) for line in FAMILY]
        loads += [in_family(about(one, "activate"), family) for family in FAMILIES]
    loads += [f"{entry}\n {line}\nexit\n" for line in ENTRY]
    loads += [f"bfd\n profile {profile}\n  {line}\n exit\nexit\n" for line in PROFILE]
    return loads

"""The kinds of the language: one model each, MetalLB's six in both API groups, and ours.

Bounds and defaults are those of MetalLB's CRDs (`config/crd/bases/*.yaml`). What a single field
cannot see is checked in `checks`, what a single object cannot see in `rules`.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from ferrule.compiler.errors import quoted
from ferrule.compiler.network import BGP_PORT, Address, Prefix
from ferrule.compiler.spec.types import (
    AddressText,
    Asn,
    CommunityValue,
    Distinct,
    DurationText,
    InterfaceText,
    Many,
    Model,
    NameText,
    PasswordText,
    PrefixText,
    RangeText,
    RealAsn,
    RouterIdText,
    Selector,
    Selectors,
    SwitchVrfText,
    VrfText,
    WordText,
    parse_address,
    parse_prefix,
    refuse,
    refuse_type,
)

Port = Annotated[int, Field(ge=1, le=65535)]
Milliseconds = Annotated[int, Field(ge=10, le=60000)]


class ServiceAllocation(Model):
    """Which Services an IPAddressPool is for, and how early it is tried; priority 0 is last."""

    priority: int = 0
    namespaces: Distinct[str] = ()
    namespace_selectors: Selectors = Field((), alias="namespaceSelectors")
    service_selectors: Selectors = Field((), alias="serviceSelectors")


class IPAddressPool(Model):
    """Addresses to give to Services."""

    addresses: Annotated[Many[RangeText], Field(min_length=1)]
    auto_assign: bool = Field(default=True, alias="autoAssign")
    avoid_buggy_ips: bool = Field(default=False, alias="avoidBuggyIPs")
    service_allocation: ServiceAllocation | None = Field(None, alias="serviceAllocation")


class SecretReference(Model):
    """A Secret; without a namespace it is the BGPPeer's."""

    name: NameText = ""
    namespace: NameText = ""


def empty_is_unset(data: object) -> object:
    """Without the empty strings that MetalLB's Go types cannot tell from an absent field."""
    if not isinstance(data, dict):
        return data
    return {key: value for key, value in data.items() if value != "" or key not in GO_STRINGS}


GO_STRINGS = (
    "peerAddress",
    "interface",
    "sourceAddress",
    "routerID",
    "password",
    "bfdProfile",
    "vrf",
)


class BGPPeer(Model):
    """A BGP neighbor of the nodes it selects; as MetalLB's v1beta2."""

    my_asn: Asn = Field(alias="myASN")
    peer_asn: Asn = Field(0, alias="peerASN")
    dynamic_asn: Literal["internal", "external"] | None = Field(None, alias="dynamicASN")
    local_asn: RealAsn | None = Field(None, alias="localASN")
    peer_address: AddressText | None = Field(None, alias="peerAddress")
    interface: InterfaceText | None = None
    source_address: AddressText | None = Field(None, alias="sourceAddress")
    peer_port: Annotated[int, Field(ge=1, le=16384)] = Field(179, alias="peerPort")
    hold_time: DurationText | None = Field(None, alias="holdTime")
    keepalive_time: DurationText | None = Field(None, alias="keepaliveTime")
    connect_time: DurationText | None = Field(None, alias="connectTime")
    router_id: RouterIdText | None = Field(None, alias="routerID")
    node_selectors: Selectors = Field((), alias="nodeSelectors")
    password: PasswordText | None = None
    password_secret: SecretReference | None = Field(None, alias="passwordSecret")
    bfd_profile: str | None = Field(None, alias="bfdProfile")
    enable_graceful_restart: bool = Field(default=False, alias="enableGracefulRestart")
    ebgp_multi_hop: bool = Field(default=False, alias="ebgpMultiHop")
    vrf: VrfText | None = None
    disable_mp: bool = Field(default=False, alias="disableMP")
    dual_stack_address_family: bool = Field(default=False, alias="dualStackAddressFamily")

    _empty_is_unset = model_validator(mode="before")(empty_is_unset)


class NodeLabel(Model):
    """A value that is read from a label of the node."""

    node_label: str = Field(alias="nodeLabel", min_length=1, max_length=317)


class FerruleBGPPeer(BGPPeer):
    """A BGPPeer that may name switches instead of an address, and take its ASN from the node."""

    my_asn: Asn = Field(0, alias="myASN")
    my_asn_from: NodeLabel | None = Field(None, alias="myASNFrom")
    switch_selectors: Selectors = Field((), alias="switchSelectors")


class OldBGPPeer(Model):
    """MetalLB's v1beta1: fewer fields, port 0 is the default one."""

    my_asn: Asn = Field(alias="myASN")
    peer_asn: Asn = Field(alias="peerASN")
    peer_address: AddressText = Field(alias="peerAddress")
    source_address: AddressText | None = Field(None, alias="sourceAddress")
    peer_port: Annotated[int, Field(ge=0, le=16384)] = Field(0, alias="peerPort")
    hold_time: DurationText | None = Field(None, alias="holdTime")
    keepalive_time: DurationText | None = Field(None, alias="keepaliveTime")
    router_id: RouterIdText | None = Field(None, alias="routerID")
    node_selectors: Selectors = Field((), alias="nodeSelectors")
    password: PasswordText | None = None
    bfd_profile: str | None = Field(None, alias="bfdProfile")
    ebgp_multi_hop: bool = Field(default=False, alias="ebgpMultiHop")

    _empty_is_unset = model_validator(mode="before")(empty_is_unset)

    def upgraded(self) -> BGPPeer:
        """The same as v1beta2. Timers that are not set stay so: MetalLB turns them into 0."""
        values = {name: getattr(self, name) for name in self.model_fields_set}
        values["peer_port"] = self.peer_port or BGP_PORT
        return BGPPeer.model_validate({"myASN": self.my_asn}).model_copy(update=values)


class BFDProfile(Model):
    """BFD timers, in milliseconds; FRR's defaults are 300, 300, 50 and 3."""

    receive_interval: Milliseconds | None = Field(None, alias="receiveInterval")
    transmit_interval: Milliseconds | None = Field(None, alias="transmitInterval")
    echo_interval: Milliseconds | None = Field(None, alias="echoInterval")
    detect_multiplier: Annotated[int, Field(ge=2, le=255)] | None = Field(
        None, alias="detectMultiplier"
    )
    minimum_ttl: Annotated[int, Field(ge=1, le=254)] | None = Field(None, alias="minimumTtl")
    echo_mode: bool = Field(default=False, alias="echoMode")
    passive_mode: bool = Field(default=False, alias="passiveMode")


class BGPAdvertisement(Model):
    """What is said over BGP about addresses of some pools."""

    aggregation_length: Annotated[int, Field(ge=1, le=32)] = Field(32, alias="aggregationLength")
    aggregation_length_v6: Annotated[int, Field(ge=0, le=128)] = Field(
        128, alias="aggregationLengthV6"
    )
    local_pref: Annotated[int, Field(ge=0, le=2**32 - 1)] = Field(0, alias="localPref")
    as_path_prepend: Annotated[int, Field(ge=0, le=10)] = Field(0, alias="asPathPrepend")
    communities: Distinct[str] = ()
    ip_address_pools: Distinct[str] = Field((), alias="ipAddressPools")
    ip_address_pool_selectors: Selectors = Field((), alias="ipAddressPoolSelectors")
    node_selectors: Selectors = Field((), alias="nodeSelectors")
    peers: Distinct[str] = ()
    service_selectors: Selectors = Field((), alias="serviceSelectors")


class NodePreference(Model):
    """How much a node is preferred as owner on layer 2."""

    weight: Annotated[int, Field(ge=1, le=100)]
    preference: Selector


class L2Advertisement(Model):
    """From where addresses of some pools are announced by ARP and NDP."""

    ip_address_pools: Distinct[str] = Field((), alias="ipAddressPools")
    ip_address_pool_selectors: Selectors = Field((), alias="ipAddressPoolSelectors")
    node_selectors: Selectors = Field((), alias="nodeSelectors")
    interfaces: Many[str] = ()
    service_selectors: Selectors = Field((), alias="serviceSelectors")
    preferred_node_selectors: Many[NodePreference] = Field((), alias="preferredNodeSelectors")


class CommunityAlias(Model):
    """A name for a community."""

    name: Annotated[str, Field(min_length=1)]
    value: CommunityValue


class Community(Model):
    """Names for communities."""

    communities: Many[CommunityAlias] = ()


class ClusterBGP(Model):
    """BGP settings of the whole cluster."""

    router_id_from: Literal["internalIP", "name"] = Field("internalIP", alias="routerIDFrom")


class Cluster(Model):
    """Settings of the whole cluster; its name is part of every name on a device."""

    bgp: ClusterBGP = ClusterBGP()


class SwitchAddress(Model):
    """An address of a switch; with its length it is known who is on-link."""

    address: str
    vrf: SwitchVrfText = "default"

    @field_validator("address")
    @classmethod
    def _is_an_address(cls, text: str) -> str:
        written, slash, length = text.partition("/")
        address = parse_address(written)
        if slash and not (
            re.fullmatch("[0-9]{1,3}", length) and int(length) <= address.max_prefixlen
        ):
            refuse("invalid-prefix", f"{quoted(text)} is not ADDRESS or ADDRESS/LENGTH")
        return text

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: object) -> object:
        if not isinstance(data, str | dict):
            refuse_type("an address, or a mapping with one", 'write it like "192.0.2.1/24"')
        return {"address": data} if isinstance(data, str) else data

    @property
    def ip(self) -> Address:
        """The address alone."""
        return parse_address(self.address.partition("/")[0])

    @property
    def network(self) -> Prefix | None:
        """Its subnet, where the length is known."""
        return parse_prefix(self.address) if "/" in self.address else None


class MaximumPrefixes(Model):
    """What happens after a neighbor announced too many."""

    restart_minutes: Annotated[int, Field(ge=1, le=65535)] = Field(5, alias="restartMinutes")


class Management(Model):
    """How `plan` and `apply` reach a switch."""

    host: Annotated[WordText, Field(min_length=1, max_length=253)]
    port: Port = 22
    username: WordText = "admin"
    host_key: str | None = Field(None, alias="hostKey")
    known_hosts_file: str | None = Field(None, alias="knownHostsFile")
    key_file: str | None = Field(None, alias="keyFile")
    password_secret: SecretReference | None = Field(None, alias="passwordSecret")


class Switch(Model):
    """A SONiC switch: the other half of the sessions."""

    asn: RealAsn
    router_id: RouterIdText = Field(alias="routerID")
    addresses: Annotated[Many[SwitchAddress], Field(min_length=1)]
    release: str = "202511"
    globals: Literal["check", "managed"] = "check"
    neighbors: Literal["static", "dynamic"] = "static"
    listen_ranges: Many[PrefixText] = Field((), alias="listenRanges")
    node_selectors: Selectors = Field((), alias="nodeSelectors")
    maximum_paths: Annotated[int, Field(ge=1, le=256)] = Field(64, alias="maximumPaths")
    maximum_prefixes: MaximumPrefixes = Field(MaximumPrefixes(), alias="maximumPrefixes")
    password: Literal["refuse", "external"] = "refuse"  # noqa: S105  # a policy
    state: Literal["present", "absent"] = "present"
    management: Management | None = None


class Access(Model):
    """How `plan` and `apply` reach nodes."""

    node_selectors: Selectors = Field((), alias="nodeSelectors")
    username: WordText = ""
    port: Port = 22
    address: WordText = ""
    key_file: str | None = Field(None, alias="keyFile")
    known_hosts_file: str | None = Field(None, alias="knownHostsFile")
    jump_host: WordText | None = Field(None, alias="jumpHost")
    sudo: bool = True
    vtysh: Annotated[str, Field(min_length=1)] = "vtysh"


class LockEntry(Model):
    """The addresses of one Service."""

    pool: str = ""
    addresses: Annotated[Many[AddressText], Field(min_length=1, max_length=2)]


class AddressLock(Model):
    """Addresses that belong to Services, by `namespace/name`, whether these exist yet or not."""

    services: dict[str, LockEntry] = Field(default_factory=dict)


METALLB: dict[tuple[str, str], type[Model]] = {
    ("v1beta1", "IPAddressPool"): IPAddressPool,
    ("v1beta1", "BGPPeer"): OldBGPPeer,
    ("v1beta2", "BGPPeer"): BGPPeer,
    ("v1beta1", "BGPAdvertisement"): BGPAdvertisement,
    ("v1beta1", "L2Advertisement"): L2Advertisement,
    ("v1beta1", "BFDProfile"): BFDProfile,
    ("v1beta1", "Community"): Community,
}
FERRULE: dict[tuple[str, str], type[Model]] = {
    ("v1alpha1", "IPAddressPool"): IPAddressPool,
    ("v1alpha1", "BGPPeer"): FerruleBGPPeer,
    ("v1alpha1", "BGPAdvertisement"): BGPAdvertisement,
    ("v1alpha1", "L2Advertisement"): L2Advertisement,
    ("v1alpha1", "BFDProfile"): BFDProfile,
    ("v1alpha1", "Community"): Community,
    ("v1alpha1", "Cluster"): Cluster,
    ("v1alpha1", "Switch"): Switch,
    ("v1alpha1", "Access"): Access,
    ("v1alpha1", "AddressLock"): AddressLock,
}
GROUPS = {"metallb.io": METALLB, "ferrule.dev": FERRULE}
STATUS_ONLY = {"ConfigurationState", "ServiceL2Status", "ServiceBGPStatus"}

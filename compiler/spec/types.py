"""The value types of the language: what a string in YAML must look like, and what it becomes.

Every refusal is a `PydanticCustomError` whose type is a code of ours; `read` gives it its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv6Address,
    ip_address,
    ip_network,
    summarize_address_range,
)
from typing import Annotated, Any, Literal, NoReturn, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    Strict,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from ferrule.compiler.errors import quoted
from ferrule.compiler.network import Address, Prefix

T = TypeVar("T")
MOST_ENTRIES = 100_000
Many = Annotated[tuple[T, ...], Strict(False)]  # noqa: FBT003  # YAML has lists

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
LONGEST_OBJECT_NAME = 253


def refuse(
    code: str, message: str, help: str | None = None, *, steps: tuple[str | int, ...] = ()
) -> NoReturn:
    """Refuse a value; the message may quote it, `{` and `}` included.

    `steps` are the keys or indices in it that are to blame, the one to mend first.
    """
    raise PydanticCustomError(code, "{message}", {"message": message, "help": help, "steps": steps})


def refuse_type(wanted: str, like: str | None = None) -> NoReturn:
    """Refuse a value of another type than the wanted."""
    raise PydanticCustomError("wrong-type", "{wanted}", {"wanted": wanted, "like": like})


def without_nulls(data: Any) -> Any:
    """A mapping without its nulls; refused where it is too long for each entry to be wrong."""
    if not isinstance(data, dict):
        return data
    for key, value in data.items():
        if isinstance(value, list | dict) and len(value) > MOST_ENTRIES:
            message = f"{quoted(key)} has {len(value)} entries, more than {MOST_ENTRIES}"
            refuse("out-of-range", message, steps=(key,))
    return {key: value for key, value in data.items() if value is not None}


class Model(BaseModel):
    """Strict, frozen, camelCase; `null` means that a field is not there, as in Kubernetes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    _without_nulls = model_validator(mode="before")(without_nulls)


def _text(parse: Callable[[str], T], what: str, example: str) -> Callable[[object], T]:
    """A validator that takes a string."""

    def validate(value: object) -> T:
        if not isinstance(value, str):
            refuse_type(f"{what}, in a string", f"write it like {quoted(example)}")
        return parse(value)

    return validate


def parse_address(text: str) -> Address:
    """An IP address in its usual form. The IPv4-mapped form is refused: it is two things."""
    try:
        if "%" in text:
            raise ValueError
        address = ip_address(text)
    except ValueError:
        refuse("invalid-address", f"{quoted(text)} is not an IP address")
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        refuse("invalid-address", f"{quoted(text)} is IPv4: write {address.ipv4_mapped}")
    return address


def parse_ipv4(text: str) -> IPv4Address:
    """A router ID."""
    try:
        return IPv4Address(text)
    except ValueError:
        refuse("invalid-address", f"{quoted(text)} is not an IPv4 address")


LENGTH = re.compile(r"/[0-9]{1,3}$", re.ASCII)


def parse_prefix(text: str) -> Prefix:
    """A CIDR; host bits are dropped, as MetalLB does."""
    try:
        if not LENGTH.search(text) or "%" in text:  # Python would take a netmask too
            raise ValueError
        return ip_network(text, strict=False)
    except ValueError:
        refuse("invalid-prefix", f"{quoted(text)} is not a CIDR", "write it as ADDRESS/LENGTH")


@dataclass(frozen=True, slots=True)
class AddressRange:
    """One entry of a pool: what was written, and the CIDRs it comes to."""

    text: str
    cidrs: tuple[Prefix, ...]
    host_bits: bool = False


def parse_range(text: str) -> AddressRange:
    """`CIDR` or `START-END`; a range is summarised to the fewest CIDRs."""
    if "-" not in text:
        prefix = parse_prefix(text)
        written = text.partition("/")[0].strip()
        return AddressRange(text, (prefix,), parse_address(written) != prefix.network_address)
    left, _, right = text.partition("-")
    start, end = parse_address(left.strip()), parse_address(right.strip())
    if start.version != end.version:
        refuse("invalid-range", f"{quoted(text)} starts in one family and ends in the other")
    if int(start) > int(end):
        refuse("invalid-range", f"{quoted(text)} ends before it starts")
    return AddressRange(text, tuple(summarize_address_range(start, end)))


UNIT_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)")


def parse_duration(text: str) -> float:
    """Seconds of a Go duration (`90s`, `1m30s`)."""
    if text == "0":
        return 0.0
    if not re.fullmatch(f"(?:{DURATION.pattern})+", text) or len(text) > 40:
        refuse(
            "invalid-duration",
            f"{quoted(text)} is not a duration",
            'write it like "90s" or "1m30s"',
        )
    return sum(float(number) * UNIT_S[unit] for number, unit in DURATION.findall(text))


def parse_community(text: str) -> str:
    """`65000:100` or `large:65000:1:2`, its numbers in their shortest form."""
    parts = text.removeprefix("large:").split(":")
    large = text.startswith("large:")
    if len(parts) != (3 if large else 2) or not all(re.fullmatch(r"[0-9]{1,10}", p) for p in parts):
        refuse(
            "invalid-community",
            f"{quoted(text)} is not a community",
            "write it as ASN:VALUE or large:ASN:X:Y",
        )
    numbers = [int(part) for part in parts]
    if max(numbers) > (2**32 - 1 if large else 2**16 - 1):
        width = 32 if large else 16
        refuse("invalid-community", f"a number of {quoted(text)} does not fit in {width} bits")
    return ("large:" if large else "") + ":".join(map(str, numbers))


LONGEST_PASSWORD = 80  # bgpd's PEER_PASSWORD_MAXLEN
PASSWORD_RULE = f'1 to {LONGEST_PASSWORD} printable ASCII characters, no white space and no "|"'


def usable_password(text: str) -> bool:
    """Whether FRR takes it: TCP-MD5 keys go through a command line, as one word of ASCII."""
    return bool(re.fullmatch(rf"[!-{{}}~]{{1,{LONGEST_PASSWORD}}}", text))


def _password(text: str) -> str:
    if not usable_password(text):
        refuse("invalid-password", f"this password cannot be used: it must have {PASSWORD_RULE}")
    return text


def check_name(text: str, longest: int = LONGEST_OBJECT_NAME) -> str:
    """The name of a Kubernetes object (RFC 1123 subdomain)."""
    if len(text) > longest or not DNS_SUBDOMAIN.fullmatch(text):
        refuse(
            "invalid-name",
            f"{quoted(text)} is not a name",
            f"at most {longest} lower-case letters, digits, '-' and '.'",
        )
    return text


def _optional_name(text: str) -> str:
    return check_name(text) if text else text


def _word(text: str) -> str:
    """What becomes an argument of SSH: no option, no second word."""
    if not text.isprintable() or " " in text or text.startswith("-"):
        refuse("invalid-value", f"{quoted(text)} must be one word, and not begin with '-'")
    return text


def _interface(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.:@-]{1,15}", text):
        refuse("invalid-interface", f"{quoted(text)} is not the name of an interface")
    return text


def _vrf(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,15}", text):
        refuse("invalid-vrf", f"{quoted(text)} is not the name of a VRF (at most 15 characters)")
    return text


def _switch_vrf(text: str) -> str:
    if text != "default" and not re.fullmatch(r"Vrf[A-Za-z0-9_-]{1,12}", text):
        refuse(
            "invalid-vrf",
            f"{quoted(text)} is not a VRF of SONiC",
            'it is "default", or "Vrf" and at most 12 letters, digits, "-" or "_"',
        )
    return text


def _string(parse: Callable[[str], object], what: str, example: str) -> tuple[Any, Any]:
    """Validator and schema of a value that is written as a string."""
    schema = {"type": "string", "description": what, "examples": [example]}
    return PlainValidator(_text(parse, what, example)), WithJsonSchema(schema)


AddressText = Annotated[Address, *_string(parse_address, "an IP address", "192.0.2.1")]
RouterIdText = Annotated[IPv4Address, *_string(parse_ipv4, "an IPv4 address", "192.0.2.1")]
PrefixText = Annotated[Prefix, *_string(parse_prefix, "a CIDR", "192.0.2.0/24")]
RangeText = Annotated[
    AddressRange, *_string(parse_range, "a CIDR or START-END", "192.0.2.10-192.0.2.20")
]
DurationText = Annotated[float, *_string(parse_duration, "a duration", "90s")]
CommunityValue = Annotated[str, *_string(parse_community, "a community", "65000:100")]
PasswordText = Annotated[str, *_string(_password, "a password", "s3cret")]
InterfaceText = Annotated[str, *_string(_interface, "a network interface", "eth0")]
VrfText = Annotated[str, *_string(_vrf, "a VRF of the node", "red")]
SwitchVrfText = Annotated[str, *_string(_switch_vrf, "a VRF of the switch", "Vrf_red")]
NameText = Annotated[str, *_string(_optional_name, "the name of an object", "public")]
WordText = Annotated[str, *_string(_word, "one word", "admin")]

Asn = Annotated[int, Field(ge=0, le=2**32 - 1)]
RealAsn = Annotated[int, Field(ge=1, le=2**32 - 1)]


def distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    """Refuse a list that says one thing twice, as MetalLB's webhooks do."""
    seen: dict[object, int] = {}
    for number, one in enumerate(values):
        identity = one.identity if isinstance(one, Selector | Expression) else one
        first = seen.setdefault(identity, number)
        if first != number:
            what = f"{quoted(one)} is" if isinstance(one, str) else "the same entry is"
            refuse("duplicate-entry", f"{what} there twice", steps=(number, first))
    return values


Distinct = Annotated[Many[T], AfterValidator(distinct)]


QUALIFIED = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", re.ASCII)


def _check_label(key: str, *values: str) -> None:
    """Refuse what no label can be (Kubernetes' `IsQualifiedName`, `IsValidLabelValue`)."""
    prefix, slash, name = key.rpartition("/")
    if not QUALIFIED.fullmatch(name) or (slash and not DNS_SUBDOMAIN.fullmatch(prefix)):
        refuse("invalid-selector", f"{quoted(key)} cannot be the key of a label")
    for value in values:
        if value and not QUALIFIED.fullmatch(value):
            refuse("invalid-selector", f"{quoted(value)} cannot be the value of a label")


class Expression(Model):
    """One requirement of a label selector."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: Distinct[str] = ()

    @model_validator(mode="after")
    def _values_fit(self) -> Expression:
        _check_label(self.key, *self.values)
        if self.operator in ("In", "NotIn") and not self.values:
            message = f"operator {self.operator} needs values"
            refuse("invalid-selector", message, steps=("operator",))
        if self.operator in ("Exists", "DoesNotExist") and self.values:
            message = f"operator {self.operator} takes no values"
            refuse("invalid-selector", message, steps=("values", "operator"))
        return self

    @property
    def identity(self) -> tuple[str, str, tuple[str, ...]]:
        """Equal for expressions that say the same in another order."""
        return (self.key, self.operator, tuple(sorted(self.values)))

    def matches(self, labels: Mapping[str, str]) -> bool:
        """As Kubernetes does: NotIn and DoesNotExist hold where the label is absent."""
        value = labels.get(self.key)
        match self.operator:
            case "In":
                return value in self.values
            case "NotIn":
                return value not in self.values
            case "Exists":
                return value is not None
            case "DoesNotExist":
                return value is None


class Selector(Model):
    """A Kubernetes label selector; an empty one selects everything."""

    match_labels: dict[str, str] = Field(default_factory=dict, alias="matchLabels")
    match_expressions: Distinct[Expression] = Field((), alias="matchExpressions")

    @model_validator(mode="after")
    def _labels_can_be(self) -> Selector:
        for key, value in self.match_labels.items():
            _check_label(key, value)
        return self

    @property
    def identity(self) -> tuple[object, ...]:
        """Equal for selectors that say the same in another order."""
        expressions = {one.identity for one in self.match_expressions}
        return (tuple(sorted(self.match_labels.items())), tuple(sorted(expressions)))

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether everything it requires holds."""
        return all(labels.get(key) == value for key, value in self.match_labels.items()) and all(
            one.matches(labels) for one in self.match_expressions
        )


def any_matches(selectors: tuple[Selector, ...], labels: Mapping[str, str]) -> bool:
    """MetalLB's rule for lists of selectors: any of them, and no list means everything."""
    return not selectors or any(one.matches(labels) for one in selectors)


Selectors = Distinct[Selector]

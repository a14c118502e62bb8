"""What frrcfgd thinks of a row: its fields, what happened to each, and the lines that follow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Literal

from fabric.standin.configdb import Value
from fabric.standin.settings import Setting

Op = Literal["none", "add", "update", "delete"]
CHANGES: tuple[Op, ...] = ("add", "update")


@dataclass
class Field:
    """A value, what happened to it, and whether FRR has taken it."""

    value: Value
    op: Op
    taken: bool = False

    @property
    def text(self) -> str:
        return self.value if isinstance(self.value, str) else " ".join(self.value)


Fields = dict[str, Field]


def compared(known: Mapping[str, Value], fields: Mapping[str, Value]) -> Fields:
    """A row as it is, against what is remembered of it."""
    found: Fields = {}
    for name, value in fields.items():
        if name not in known:
            found[name] = Field(value, "add")
        else:
            found[name] = Field(value, "none" if known[name] == value else "update")
    for name in known.keys() - fields.keys():
        found[name] = Field(known[name], "delete")
    return found


def pair_up(fields: Fields, pair: Sequence[str]) -> None:
    """Fields that only count together: what happened to one happened to all, or there is none."""
    if all(name in fields for name in pair):
        order: Sequence[Op] = ("delete", "add", "update", "none")
        first = min((fields[name].op for name in pair), key=order.index)
        for name in pair:
            fields[name].op = first
    else:
        for name in pair:
            fields.pop(name, None)


def lines(setting: Setting, fields: Fields, key: Mapping[str, str]) -> list[str]:
    """What the changes of a row mean for one setting, in the order said."""
    if any(name not in fields for name in setting.needed):
        return []
    order = [name for name in (*setting.needed, *setting.optional) if name in fields]
    gone = [name for name in order if fields[name].op == "delete"]
    same = [name for name in order if fields[name].op == "none"]
    new = [name for name in order if fields[name].op in CHANGES]
    said: list[str] = []
    if gone:
        whole = not same or order.index(gone[0]) < order.index(same[0])
        held = gone + same if whole else same
        said += _said(setting, fields, held, key, ends=whole)
    if new and all(name in new + same for name in setting.needed):
        said += _said(setting, fields, new + same, key, ends=False)
    return said


def _said(
    setting: Setting, fields: Fields, names: Sequence[str], key: Mapping[str, str], *, ends: bool
) -> Iterator[str]:
    values = {name: fields[name].text for name in names}
    line = setting.text({**values, **key})
    if setting.fresh and not ends:
        yield f"no {line}"
    yield line if _enabled(setting, values, ends=ends) else f"no {line}"


def _enabled(setting: Setting, values: Mapping[str, str], *, ends: bool) -> bool:
    if ends and not setting.keeps:
        return setting.default
    return setting.flag is None or values[setting.flag] == setting.says[0]


@dataclass(frozen=True)
class Entry:
    """A PREFIX row as FRR's prefix-list entry, without its number and action."""

    prefix: str
    span: str

    @classmethod
    def of(cls, prefix: str, lengths: str) -> Entry:
        """The lines differ from those at boot where a range starts beyond the prefix's length."""
        network = ip_network(prefix, strict=False)
        if lengths == "exact":
            return cls(str(network), "")
        low, high = (int(one) for one in lengths.split(".."))
        least = "" if network.prefixlen >= low else f" ge {low}"
        most = "" if least and high == network.max_prefixlen else f" le {high}"
        return cls(str(network), least + most)


def prefix_key(name: str) -> tuple[str, str, Entry]:
    """Set, number (with `seq`, or empty) and entry of a PREFIX row."""
    owner, *number, prefix, lengths = name.split("|")
    return owner, f"seq {number[0]} " if number else "", Entry.of(prefix, lengths)

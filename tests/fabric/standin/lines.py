"""A row that changed: its fields, what happened to each, and the lines that follow from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
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


@dataclass
class Event:
    """A row that may have changed; `gone` when it is not there any more."""

    table: str
    name: str
    gone: bool
    fields: Fields

    @property
    def first(self) -> str:
        return self.name.partition("|")[0]

    @property
    def rest(self) -> str:
        return self.name.partition("|")[2]

    def take(self, *, gone: bool = False) -> None:
        """FRR has what the row says, in every field; or it has nothing of it."""
        for field in self.fields.values():
            field.taken = True
            if gone:
                field.op = "delete"


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


def applies(setting: Setting, fields: Fields) -> bool:
    """Whether all is there that the line needs."""
    return any(_is_there(form, fields) for form in setting.forms)


def _is_there(form: Setting, fields: Fields) -> bool:
    return all(name in fields for name in (*form.needed, *filter(None, [form.when])))


def lines(setting: Setting, fields: Fields, key: Mapping[str, str]) -> list[str]:
    """What the changes of a row mean for one setting, in the order said."""
    said = (_form_lines(form, fields, key) for form in setting.forms)
    return next((one for one in said if one), [])


def _form_lines(setting: Setting, fields: Fields, key: Mapping[str, str]) -> list[str]:
    if not _is_there(setting, fields):
        return []
    order = [name for name in (*setting.needed, *setting.optional) if name in fields]
    gone = [name for name in order if fields[name].op == "delete"]
    same = [name for name in order if fields[name].op == "none"]
    new = [name for name in order if fields[name].op in CHANGES]
    said: list[str] = []
    if gone:
        whole = not same or order.index(gone[0]) < order.index(same[0])
        held = gone + same if whole else same
        if all(name in held for name in setting.needed):
            said += _said(setting, fields, held, key, ends=whole)
    if new and all(name in new + same for name in setting.needed):
        said += _said(setting, fields, new + same, key, ends=False)
    return said


def _said(
    setting: Setting, fields: Fields, names: Sequence[str], key: Mapping[str, str], *, ends: bool
) -> Iterator[str]:
    if setting.chained:
        chain = takewhile(lambda name: name in names, setting.optional)
        names = [*setting.needed, *chain]
    if setting.keeps and ends:
        names = setting.needed
    values = {name: fields[name].text for name in names}
    line = setting.text({**values, **key})
    if setting.fresh and not ends:
        plain = {name: value for name, value in values.items() if name in setting.needed}
        yield f"no {setting.text({**plain, **key})}"
    yield line if _enabled(setting, values, ends=ends) else setting.end or f"no {line}"


def _enabled(setting: Setting, values: Mapping[str, str], *, ends: bool) -> bool:
    if ends and not setting.keeps:
        return setting.default
    return setting.flag is None or values[setting.flag] == setting.says[0]


def take(setting: Setting, fields: Fields) -> None:
    """FRR has what the setting says."""
    for form in setting.forms:
        for name in (*form.needed, *form.optional):
            if name in fields:
                fields[name].taken = True

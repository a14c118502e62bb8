"""CONFIG_DB as SONiC keeps it: a hash `TABLE|key` a row, `field@` a list, NULL no field at all."""

from __future__ import annotations

from collections.abc import Mapping

from fabric.standin.redis import Redis

Value = str | list[str]
Fields = Mapping[str, Value]
Tables = dict[str, dict[str, dict[str, Value]]]


def decoded(raw: Mapping[str, str]) -> dict[str, Value] | None:
    """A row's fields; None where there is no row."""
    if not raw:
        return None
    return {
        name.removesuffix("@"): value.split(",") if name.endswith("@") and value else value
        for name, value in raw.items()
        if name != "NULL"
    }


def encoded(fields: Mapping[str, object]) -> dict[str, str]:
    """The same as a hash; what is no string becomes its text, as Python prints it."""
    return {
        f"{name}@" if isinstance(value, list) else name: ",".join(map(str, value))
        if isinstance(value, list)
        else str(value)
        for name, value in fields.items()
    } or {"NULL": "NULL"}


class ConfigDb:
    """Rows of the running configuration."""

    def __init__(self, redis: Redis | None = None) -> None:
        self.redis = redis or Redis()

    def read(self) -> Tables:
        """All of it, in the order of its names."""
        tables: Tables = {}
        for key in sorted(self.redis.texts("KEYS", "*|*")):
            table, _, name = key.partition("|")
            if (fields := self.row(table, name)) is not None:
                tables.setdefault(table, {})[name] = fields
        return tables

    def row(self, table: str, name: str) -> dict[str, Value] | None:
        return decoded(self.redis.hash(f"{table}|{name}"))

    def write(self, table: str, name: str, fields: Mapping[str, object] | None) -> None:
        """Make a row these fields, first what is new; without any fields it goes."""
        key = f"{table}|{name}"
        if fields is None:
            self.redis.ask("DEL", key)
            return
        new = encoded(fields)
        old = self.redis.texts("HKEYS", key)
        self.redis.ask("HSET", key, *(word for pair in new.items() for word in pair))
        for gone in old:
            if gone not in new:
                self.redis.ask("HDEL", key, gone)

"""Stand-ins for what only reads: sonic-cfggen, sonic-db-cli, show."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from fabric.standin import NAME
from fabric.standin.configdb import ConfigDb
from fabric.standin.redis import Redis


class UnknownError(Exception):
    """What the real one may know and this one does not."""


def cfggen(words: Sequence[str]) -> str:
    """`-d --print-data`, `-d -v NAME`, `-y FILE -v NAME`."""
    match list(words):
        case ["-d", "--print-data"]:
            return _json(ConfigDb().read())
        case ["-d", "-v", path]:
            return _found(ConfigDb().read(), path)
        case ["-y", file, "-v", name]:
            lines = Path(file).read_text().splitlines()
            values = dict(line.partition(": ")[::2] for line in lines)
            return values.get(name, "").strip("'")
        case _:
            raise UnknownError


def _json(data: object) -> str:
    return json.dumps(data, indent=4, sort_keys=True)


def _found(tables: object, path: str) -> str:
    """`DEVICE_METADATA.localhost.hwsku` or `DEVICE_METADATA['localhost']['hwsku']`."""
    for step in path.replace("['", ".").replace("']", "").split("."):
        tables = tables.get(step) if isinstance(tables, dict) else None
    return "" if tables is None else str(tables)


def db_cli(words: Sequence[str]) -> str:
    """`CONFIG_DB hgetall KEY`, and whatever else redis knows."""
    match list(words):
        case ["PING"]:
            return "PONG"
        case ["CONFIG_DB", "hgetall" | "HGETALL", key]:
            return str(Redis().hash(key))
        case ["CONFIG_DB", verb, *rest]:
            reply = Redis().ask(verb.upper(), *rest)
            several = reply if isinstance(reply, list) else [reply]
            return "\n".join("" if one is None else str(one) for one in several)
        case _:
            raise UnknownError


def show(words: Sequence[str]) -> str:
    """`runningconfiguration all`, `version`."""
    match list(words):
        case ["runningconfiguration", "all"]:
            ask = ["sudo", "-n", "vtysh", "-c", "show running-config"]
            said = subprocess.run(ask, capture_output=True, text=True, check=False)  # noqa: S603
            return _json({**ConfigDb().read(), "bgpraw": said.stdout})
        case ["version"]:
            version = cfggen(["-y", "/etc/sonic/sonic_version.yml", "-v", "build_version"])
            return f"\nSONiC Software Version: SONiC.{version}"
        case _:
            raise UnknownError


TOOLS = {"sonic-cfggen": cfggen, "sonic-db-cli": db_cli, "show": show}


def main(tool: str, *words: str) -> int:
    """Answer, or say that it is a stand-in."""
    if words and words[0] in ("--version", "--help", "-h"):
        sys.stdout.write(f"{tool}: {NAME}\n")
        return 0
    try:
        sys.stdout.write(TOOLS[tool](words) + "\n")
    except UnknownError:
        sys.stderr.write(f"{tool}: {NAME}: it does not know {' '.join(words)}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

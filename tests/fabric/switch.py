"""A SONiC switch: a device with CONFIG_DB in a real redis and stand-ins for SONiC's tools."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from typing import Any

from daemon.flavour import wait_for
from daemon.lab import Device

from fabric.device import FabricDevice
from fabric.machine import HERE, TESTS
from fabric.standin.configdb import ConfigDb, Tables
from fabric.standin.frrcfgd import CHANNEL, SETTLED
from fabric.standin.redis import SOCKET, Redis
from fabric.workstation import Workstation
from ferrule.compiler.backends.sonic import bgpd

Rows = Mapping[str, Mapping[str, Mapping[str, Any]]]

RELEASE = "202511"
SETTLED_S = 30.0
SAVED = "/etc/sonic/config_db.json"
MODELS = "/opt/sonic-yang"
STANDINS = {
    "/usr/local/bin/sonic-cfggen": "read sonic-cfggen",
    "/usr/local/bin/sonic-db-cli": "read sonic-db-cli",
    "/usr/local/bin/show": "read show",
    "/usr/local/bin/config": "config",
    "/usr/local/bin/frrcfgd": "frrcfgd",
}
_PROGRAM = """\
#!/bin/sh
{settings}PYTHONPATH={tests} exec {python} -m fabric.standin.{module} "$@"
"""
_REDIS = """\
port 6379
bind 127.0.0.1
unixsocket /var/run/redis/redis.sock
unixsocketperm 770
save ""
notify-keyspace-events AKE
databases 16
"""


class FabricSwitch(FabricDevice):
    """Reached as `admin`, who may do everything by sudo. `db` is its CONFIG_DB."""

    user = "admin"
    groups = ("sudo", "docker", "redis")

    def __init__(
        self,
        lab: Device,
        workstation: Workstation,
        *addresses: str,
        rows: Rows,
        links: Mapping[str, Sequence[str]],
    ) -> None:
        super().__init__(lab, workstation, *addresses)
        self._first = merged(metadata(lab.name), interfaces(links), rows)
        self._frrcfgd: subprocess.Popen[str] | None = None
        self._db: ConfigDb | None = None

    @property
    def db(self) -> ConfigDb:
        assert self._db, "not running"
        return self._db

    def _boot(self, stack: ExitStack) -> None:
        self._install_tools()
        self._start_redis()
        redis = stack.enter_context(closing(Redis(path=str(self.machine.path(SOCKET)))))
        self._db = ConfigDb(redis)
        self._replace(self._first)
        self.save()
        self._start_bgp()

    def _install_tools(self) -> None:
        yang = os.environ.get("FERRULE_SONIC_YANG", "")
        if yang:
            self.machine.copy(yang, MODELS)
        settings = f"FERRULE_SONIC_YANG={MODELS} " if yang else ""
        for path, module in STANDINS.items():
            self.machine.write(
                path,
                _PROGRAM.format(
                    settings=settings, tests=TESTS, python=sys.executable, module=module
                ),
                mode=0o755,
            )
        self.install("docker", HERE / "programs/docker")
        version = f"build_version: '{RELEASE}.1-fabric'\nrelease: '{RELEASE}'\n"
        self.machine.write("/etc/sonic/sonic_version.yml", version)

    def _start_redis(self) -> None:
        self.machine.write("/etc/redis.conf", _REDIS)
        self.machine.write("/var/run/redis/.keep", "")
        self.machine.start(["redis-server", "/etc/redis.conf"], "/var/log/redis.log")
        self.machine.wait_for_file(SOCKET)
        self.machine.do("chgrp", "redis", SOCKET)

    def start_frrcfgd(self) -> None:
        """Let rows reach bgpd from now on."""
        self.machine.path("/run/frrcfgd.pid").unlink(missing_ok=True)
        self._frrcfgd = self.machine.start(["frrcfgd"], "/var/log/frrcfgd.out")
        self.machine.wait_for_file("/run/frrcfgd.pid")

    def stop_frrcfgd(self) -> None:
        if self._frrcfgd is not None:
            self.machine.run("kill", self.machine.path("/run/frrcfgd.pid").read_text().strip())
            self._frrcfgd.wait()
            self._frrcfgd = None

    def wait_settled(self) -> None:
        """Until frrcfgd has acted on every row that has changed so far."""
        token = secrets.token_hex(4)
        self.db.redis.ask("PUBLISH", f"{CHANNEL}{SETTLED}|{token}", "")
        said = self.machine.path(f"/run/{SETTLED}")
        wait_for(
            lambda: said.exists() and said.read_text() == token, SETTLED_S, f"{self.name}: settled"
        )

    def log(self) -> str:
        """What frrcfgd complained about."""
        log = self.machine.path("/var/log/syslog")
        return log.read_text() if log.exists() else ""

    # What an operator does.

    def rows(self) -> Tables:
        """The running CONFIG_DB."""
        return self.db.read()

    def _replace(self, rows: Rows) -> None:
        db = self.db
        db.redis.ask("FLUSHDB")
        for table, each in rows.items():
            for name, fields in each.items():
                db.write(table, name, fields)

    def boot(self, rows: Rows) -> None:
        """Have these rows beside those it came with, saved, and bgpd started with all of them."""
        self._replace(merged(self._first, rows))
        self.save()
        self.restart_bgp()

    def reset(self) -> None:
        """Back to what it came with."""
        self.boot({})

    def save(self) -> None:
        self.machine.write(SAVED, json.dumps(self.rows(), indent=4, sort_keys=True))

    def saved_rows(self) -> Tables:
        """What it would run after `config reload`."""
        saved: Tables = json.loads(self.machine.path(SAVED).read_text())
        return saved

    def reload(self) -> None:
        """`config reload -y`: what is saved, and the bgp container anew."""
        self._replace(self.saved_rows())
        self.restart_bgp()

    def restart_bgp(self) -> None:
        """The bgp container anew."""
        self.stop_frrcfgd()
        self._restart_frr()
        self._start_bgp()

    def _start_bgp(self) -> None:
        """The boot template's lines into an empty FRR, then frrcfgd."""
        answer = self.frr.load("\n".join(bgpd.lines(bootable(self.rows()))) + "\n")
        if answer.code:
            raise RuntimeError(f"{self.name}: {answer.output}")
        self.start_frrcfgd()

    def restart_bgpd(self) -> None:
        self.restart_bgp()


def bootable(rows: Rows) -> Rows:
    """The rows of which the boot template writes the same lines as frrcfgd."""
    kinds: dict[str, Callable[[str, Mapping[str, Any]], object]] = {
        "BGP_GLOBALS": lambda _, fields: "local_asn" in fields,
        "BGP_NEIGHBOR": lambda name, fields: "|" in name and "peer_group_name" in fields,
        "PREFIX": lambda name, _: (
            name.count("|") == 3
            and "mode" in rows.get("PREFIX_SET", {}).get(name.partition("|")[0], {})
        ),
        "ROUTE_MAP": lambda _, fields: "route_operation" in fields,
    }
    return {
        table: {
            name: of for name, of in each.items() if table not in kinds or kinds[table](name, of)
        }
        for table, each in rows.items()
    }


def metadata(name: str) -> Rows:
    return {
        "DEVICE_METADATA": {
            "localhost": {
                "docker_routing_config_mode": "unified",
                "frr_mgmt_framework_config": "true",
                "hostname": name,
                "hwsku": "Force10-S6000",
                "mac": "02:00:00:00:00:10",
                "platform": "x86_64-kvm_x86_64-r0",
                "type": "ToRRouter",
            }
        }
    }


def interfaces(links: Mapping[str, Sequence[str]]) -> Rows:
    """MGMT_INTERFACE for the segment `mgmt`, an Ethernet for every other."""
    tables: dict[str, dict[str, Mapping[str, Any]]] = {"INTERFACE": {}, "MGMT_INTERFACE": {}}
    for number, (segment, addresses) in enumerate(links.items()):
        management = segment == "mgmt"
        port = "eth0" if management else f"Ethernet{4 * (number - 1)}"
        table = tables["MGMT_INTERFACE" if management else "INTERFACE"]
        if not management:
            table[port] = {}
        table |= {f"{port}|{address}": {} for address in addresses}
    return {table: rows for table, rows in tables.items() if rows}


def merged(*several: Rows) -> Rows:
    """One CONFIG_DB of all; of a row that two have, the later one."""
    tables: dict[str, dict[str, Mapping[str, Any]]] = {}
    for each in several:
        for table, rows in each.items():
            tables.setdefault(table, {}).update(rows)
    return tables

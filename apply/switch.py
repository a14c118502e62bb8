"""A SONiC switch as a device: its CONFIG_DB, what bgpd makes of it, and can we work with it.

All of it is asked in one round trip. Refused is what would be written to in vain: a release before
202511, any mode but unified (where frrcfgd turns rows into FRR's lines), several ASICs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ferrule.apply import vtysh
from ferrule.apply.claim import doubts_of, read_record, record_path
from ferrule.apply.target import SUDO, Answer, Argv, Channel, Trouble, failure, first_line
from ferrule.compiler.backends import sonic
from ferrule.compiler.errors import listed, printable, quoted
from ferrule.compiler.network import Address
from ferrule.compiler.observed import Observed

VERSION = ("sonic-cfggen", "-y", "/etc/sonic/sonic_version.yml", "-v", "build_version")
CONFIG_DB = ("sonic-cfggen", "-d", "--print-data")
SAVED = ("cat", "/etc/sonic/config_db.json")
ASICS = ("cat", "/var/run/redis/sonic-db/database_global.json")  # only where there are several
FRRCFGD = ("docker", "exec", "bgp", "supervisorctl", "status", "frrcfgd")
BGPD = vtysh.asking(("vtysh", "-d", "bgpd"), vtysh.CONFIG, vtysh.NEIGHBORS)
OTHERS = vtysh.asking(("vtysh",), vtysh.INTERFACES, vtysh.BFD)

# What `config reload` and `config load_minigraph` take, and give up at once where it is taken.
RELOAD_LOCK = "/etc/sonic/reload.lock"

# Which CONFIG_DB fields make the mode; both are read when the container starts.
UNIFIED = {"frr_mgmt_framework_config": "true", "docker_routing_config_mode": "unified"}
OLDEST = "202511"
MASTER = "master"


@dataclass(frozen=True, slots=True)
class SwitchFacts:
    """What is asked of a switch, and what it must be.

    All of `addresses` must be its own, those of its sessions; of `declared`, one. Its `release`
    may be a later one.
    """

    name: str
    cluster: str
    addresses: tuple[Address, ...] = ()
    declared: tuple[Address, ...] = ()
    release: str = OLDEST
    sudo: bool = True

    @property
    def root(self) -> tuple[str, ...]:
        """What makes a command root's."""
        return SUDO if self.sudo else ()


class Switch:
    """A switch behind a channel."""

    def __init__(self, channel: Channel, facts: SwitchFacts) -> None:
        self.channel, self.facts = channel, facts

    def read(self) -> Observed:
        """Ask everything; `Trouble` where it is another device, or one we cannot work with."""
        note = ("cat", record_path(self.facts.cluster))
        asked = map(self.root, (CONFIG_DB, SAVED, FRRCFGD, BGPD, OTHERS, note))
        answers = self.channel.ask(VERSION, ASICS, *asked)
        version, asics, config, saved, frrcfgd, bgpd, others, noted = answers
        name = self.facts.name
        for argv, answer in ((VERSION, version), (self.root(CONFIG_DB), config)):
            if answer.code:
                raise failure(name, argv, answer)
        _check_asics(name, asics)
        running = self._running(config.out)
        _check_release(name, version.out.strip(), self.facts.release)
        _check_mode(name, running)
        self._check_frrcfgd(frrcfgd)
        shown = self._shown(bgpd, others)
        addresses = vtysh.own_addresses(shown.documents[vtysh.INTERFACES])
        vtysh.check_addresses(name, addresses, self.facts.addresses, self.facts.declared)
        record = read_record(noted.out)
        return Observed(
            name,
            "switch",
            version.out.strip(),
            running,
            vtysh.state(name, shown),
            (*unsaved(running, saved), *doubts_of(record)),
            addresses,
            shown.config,
            record.run.name if record else "",
        )

    def root(self, argv: Argv) -> Argv:
        """A command that needs to be root, or in a group that not every user is in."""
        return (*self.facts.root, *argv)

    def _running(self, text: str) -> sonic.Running:
        try:
            return sonic.parse(text, self.facts.cluster)
        except (ValueError, RecursionError) as bad:
            why = (
                "it is nested too deep" if isinstance(bad, RecursionError) else printable(str(bad))
            )
            message = f"what sonic-cfggen prints is no CONFIG_DB: {why}"
            raise Trouble("command-failed", self.facts.name, message) from None

    def _check_frrcfgd(self, answer: Answer) -> None:
        if re.search(r"^frrcfgd +RUNNING ", answer.out, re.MULTILINE):
            return
        if not re.search(r"^frrcfgd\b", answer.out, re.MULTILINE):
            raise failure(self.facts.name, self.root(FRRCFGD), answer)
        message = (
            f"frrcfgd, which turns CONFIG_DB into FRR's lines, is not running: {first_line(answer)}"
        )
        raise Trouble("frr-not-running", self.facts.name, message)

    def _shown(self, bgpd: Answer, others: Answer) -> vtysh.Shown:
        name, asked, more = self.facts.name, self.root(BGPD), self.root(OTHERS)
        first = vtysh.read_shown(name, asked, bgpd, vtysh.CONFIG, vtysh.NEIGHBORS)
        second = vtysh.read_shown(name, more, others, vtysh.INTERFACES, vtysh.BFD)
        return vtysh.Shown(first.config, {**first.documents, **second.documents})


def _check_asics(device: str, answer: Answer) -> None:
    """Several ASICs are several CONFIG_DBs, each with a bgpd of its own."""
    if answer.code == 0 and '"asic0"' in answer.out:
        message = "it has several ASICs, each with a CONFIG_DB of its own: that is not supported"
        raise Trouble("unsupported-mode", device, message)


def _check_release(device: str, version: str, declared: str) -> None:
    release = release_of(version)
    if release is None:
        message = f"its version {quoted(version)} says no release of SONiC"
        help = f"{OLDEST} is the oldest that is supported"
        raise Trouble("unsupported-release", device, message, help)
    if not _is_newer(release, declared):
        message = f"it runs SONiC {release} ({version}), and the Switch says release {declared}"
        help = "correct the release in the Switch, or upgrade the device"
        if not _is_newer(release, OLDEST):
            message = (
                f"it runs SONiC {release} ({version}); {OLDEST} is the oldest that is supported"
            )
            help = "upgrade the device"
        raise Trouble("unsupported-release", device, message, help)


def release_of(version: str) -> str | None:
    """The branch of a `build_version`: 202511 of `202511.1015-0a1b2c3d4` or `20251110.05`."""
    found = re.match(r"(?:SONiC[.-])?(20\d{4}|master)", version)
    return found[1] if found else None


def _is_newer(release: str, than: str) -> bool:
    """Or equal; master is newer than all branches."""
    return release == MASTER or (than != MASTER and int(release) >= int(than))


def _check_mode(device: str, running: sonic.Running) -> None:
    facts = running.tables.get("DEVICE_METADATA", {}).get("localhost", {})
    wrong = [
        f"{name} is {quoted(facts[name]) if name in facts else 'absent'}, not {quoted(wanted)}"
        for name, wanted in UNIFIED.items()
        if facts.get(name) != wanted
    ]
    if wrong:
        message = f"it is not in unified mode: in DEVICE_METADATA|localhost {' and '.join(wrong)}"
        help = (
            "set both and restart the bgp container: that interrupts routing, so Ferrule does not"
        )
        raise Trouble("unsupported-mode", device, message, help)


def unsaved(running: sonic.Running, saved: Answer) -> Iterator[str]:
    """What a reboot would lose, and `config save` would keep, whoever's it is."""
    try:
        before = sonic.parse(saved.out, running.cluster).tables if saved.code == 0 else None
    except (ValueError, RecursionError):
        before = None
    if before is None:
        yield f"{SAVED[1]} cannot be read: whether all is saved is not known"
        return
    now = running.tables
    rows = [
        f"{table}|{key}"
        for table in sorted(now.keys() | before.keys())
        for key in sorted(now.get(table, {}).keys() | before.get(table, {}).keys())
        if now.get(table, {}).get(key) != before.get(table, {}).get(key)
    ]
    if rows:
        yield f"rows that are not saved, and that a reboot would undo: {listed(rows, 3)}"

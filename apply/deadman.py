"""The timer of `apply --confirm`: a process on the device itself that puts it back.

It is started before the first change and needs nobody afterwards, so it also works when our change
has cut the way to the device. Its time begins when the run lets go of the device's lock, done or
cut. It does nothing when it was disarmed, and nothing when what is ours is no longer what we left
there: then somebody has changed it since, and knows why.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ferrule.apply.claim import DIRECTORY, LOCK_FILE, WRITE
from ferrule.apply.switch import RELOAD_LOCK
from ferrule.apply.target import Argv, Channel, failure
from ferrule.compiler.backends import frr, sonic
from ferrule.compiler.backends.base import device_name
from ferrule.compiler.backends.sonic.conflicts import NEIGHBOR, NEIGHBOR_AF
from ferrule.compiler.backends.sonic.model import OURS, TABLES
from ferrule.compiler.backends.sonic.parse import GLOBALS, GROUP, NAMED

RELOAD_S = 600  # for a `config reload` to end
BUSY = "busy"  # in the middle of a change: whatever is there, it is to be put back

# All that differs comes as an argument or in a file; nothing is written into these texts.
START = 'setsid sh -c "$@" </dev/null >/dev/null 2>&1 & echo started'
WATCH = """\
d=$1 run=$2 seconds=$3 lock=$4 stamp=$5 restore=$6; shift 6
flock -s "$lock" true; sleep "$seconds"
exec 9>>"$lock"; flock 9
[ "$(cat "$d/armed" 2>/dev/null)" = "$run" ] || exit 0
start=$(cat "$d/start") was=$(cat "$d/state") now=$(sh -c "$stamp" sh "$d" "$@")
if [ "$was" != busy ] && [ "$now" != "$was" ]; then
  echo "not put back: what is ours has been changed since" >"$d/fired"
else
  [ "$now" = "$start" ] || sh -c "$restore" sh "$d" "$@" >"$d/said" 2>&1
  if [ "$(sh -c "$stamp" sh "$d" "$@")" = "$start" ]; then
    echo "put back, for want of a confirmation" >"$d/fired"
    rm -f "$d/../run.json"
  else
    echo "it was to be put back, and not all of it was" >"$d/fired"
  fi
fi
rm -f "$d/armed"
"""
KEEP_STAMP = 'd=$1 file=$2 stamp=$3; shift 3; sh -c "$stamp" sh "$d" "$@" >"$d/$file"'
ON_NODE = (
    'd=$1; shift; "$@" -c "show running-config" | grep -F -f "$d/patterns" | sha256sum',
    'd=$1; shift; flock "$d/../../work" "$@" -f "$d/inverse"',
)
ON_SWITCH = (
    'python3 "$1/onswitch.py" stamp "$1/before.json"',
    f'flock "$1/../../work" flock -w {RELOAD_S} {RELOAD_LOCK}'
    ' python3 "$1/onswitch.py" restore "$1/before.json"',
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a device needs to put itself back: files, how to tell that it changed, and how to."""

    files: Mapping[str, str]
    stamp: str
    restore: str
    words: tuple[str, ...] = ()


def of_node(before: frr.Running, after: frr.Running, adopted: Collection[str], vtysh: Argv) -> Plan:
    """By vtysh, which as root needs no sudo; `after` is what the run will have made of it."""
    inverse = frr.script(frr.diff(after, before, adopt=adopted).commands)
    return Plan(
        {"inverse": inverse, "patterns": "".join(f"{one}\n" for one in _marks(before, after))},
        *ON_NODE,
        tuple(vtysh),
    )


def _marks(*states: frr.Running) -> Iterator[str]:
    """Words that lines of ours have: our names, and our neighbors'."""
    yield device_name("ferrule-", states[0].cluster)
    names = {n for one in states for of in one.instances.values() for n in of.neighbors}
    yield from (f"neighbor {name} " for name in sorted(names))


def of_switch(before: sonic.Running, adopted: Collection[str], *, managed: bool) -> Plan:
    """By the switch's own Python, which compares for itself with the rows that there were.

    With `managed` it does so with the fields of the globals that may be ours, of rows that there
    were: what was written whole stays, as on every way back.
    """
    theirs = {tuple(one.split("|", 1)) for one in adopted}
    rows = [
        (table, name, fields)
        for table, each in before.tables.items()
        for name, fields in each.items()
        if (table, name) in before.ours
        or (table, name) in theirs
        or (table == NEIGHBOR_AF and (NEIGHBOR, name.rpartition("|")[0]) in theirs)
    ]
    prefix = device_name(OURS, before.cluster)
    shared = [*_globals(before)] if managed else []
    said = {"prefix": prefix, "named": NAMED, "groups": GROUP, "before": rows, "globals": shared}
    program = Path(__file__).with_name("onswitch.py").read_text()
    return Plan({"onswitch.py": program, "before.json": json.dumps(said)}, *ON_SWITCH)


def _globals(before: sonic.Running) -> Iterator[tuple[str, str, Mapping[str, object]]]:
    """Table, key and fields of ours of every row of the globals, null where there is none.

    But for `local_asn`, which frrcfgd does not change.
    """
    for table in GLOBALS:
        known = sorted(TABLES[table].fields.keys() - {"local_asn"})
        for name, fields in before.tables.get(table, {}).items():
            yield table, name, {one: fields.get(one) for one in known}


class Deadman:
    """The timer on one device; `root` is what makes a command root's."""

    def __init__(
        self, channel: Channel, device: str, cluster: str, root: Argv, plan: Plan | None = None
    ) -> None:
        self._channel, self._device, self._root = channel, device, tuple(root)
        self._directory = f"{DIRECTORY}/{cluster}/confirm"
        self.plan = plan  # while it is armed

    def arm(self, run: str, seconds: int, plan: Plan) -> None:
        """Start it: the device puts itself back so many seconds after we have let go of it."""
        self._do(("rm", "-f", f"{self._directory}/fired"))
        self.plan = plan
        for name, text in {**plan.files, "armed": run}.items():
            self._do(("sh", "-c", WRITE, "sh", self._directory, name), text)
        self._stamp("start")
        self._stamp("state")
        given = (self._directory, run, str(seconds), LOCK_FILE, plan.stamp, plan.restore)
        self._do(("sh", "-c", START, "sh", WATCH, "sh", *given, *plan.words))

    def busy(self) -> None:
        """A change begins: should we vanish in it, whatever is there is put back."""
        if self.plan is not None:
            self._do(("sh", "-c", WRITE, "sh", self._directory, "state"), BUSY)

    def rest(self) -> None:
        """A change has ended: from now on nobody's later change is undone."""
        if self.plan is not None:
            self._stamp("state")

    def _stamp(self, file: str) -> None:
        """Keep what tells the present state of what is ours from any other."""
        assert self.plan is not None
        argv = ("sh", "-c", KEEP_STAMP, "sh", self._directory, file, self.plan.stamp)
        self._do((*argv, *self.plan.words))

    def disarm(self) -> None:
        """Nothing happens by itself any more."""
        self._do(("rm", "-f", f"{self._directory}/armed"))
        self.plan = None

    def armed(self) -> str:
        """The run it is armed for, or nothing."""
        return self._channel.run((*self._root, "cat", f"{self._directory}/armed")).out.strip()

    def fired(self) -> str:
        """What it said when it put the device back, or did not."""
        return self._channel.run((*self._root, "cat", f"{self._directory}/fired")).out.strip()

    def _do(self, argv: Iterable[str], stdin: str = "") -> None:
        whole = (*self._root, *argv)
        answer = self._channel.run(whole, stdin=stdin)
        if answer.code:
            raise failure(self._device, whole, answer)

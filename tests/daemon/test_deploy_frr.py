"""FRR as the agent's Pod runs it: its scripts, users, capabilities and folders.

A container here is a process in namespaces of its own, on a read-only root, with the bounding set
of the manifest. What differs: FRR is Debian's and not the image's, tini is left out, and the two
volumes that no distribution has a folder for lie below /var/tmp.
"""

import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from charts import Object, containers, one_of, pod_of, shipped

from daemon.flavour import HOST, Flavour, execute, wait_for

pytestmark = pytest.mark.daemon

POD = containers(pod_of(shipped(), "agent"))
SCRIPTS: Object = one_of(shipped(), "ConfigMap", "ferrule-frr")["data"]
MOVED = {"/etc/ferrule/frr": "/var/tmp/start", "/opt/frr": "/var/tmp/vtysh"}  # noqa: S108

# ROOT FILES UID GID VTYGROUP CAPABILITIES. The tree of another release has no shell, so it borrows
# what it lacks of the host's /usr.
CONTAINERS = """
set -e
root=$1 files=$2 uid=$3 gid=$4 group=$5 capabilities=$6
ip link set lo up
if [ "$root" != / ]; then
    mount --bind "$root" "$root"
    mount -t overlay usr -o "lowerdir=$root/usr:/usr" "$root/usr"
    mount --rbind /proc "$root/proc"
    mount --rbind /dev "$root/dev"
fi
empty() { mount -t tmpfs -o mode=0777 tmpfs "$root/$1"; }
empty var/tmp
mkdir -m 0777 "$root/var/tmp/frr" "$root/var/tmp/vtysh"
cp -r "$files" "$root/var/tmp/start"
for folder in etc/frr run/frr var/lib/frr tmp; do
    [ ! -d "$root/$folder" ] || empty "$folder"
done
mount -o remount,bind,ro "$root"
chroot "$root" setpriv --reuid "$uid" --regid "$gid" --groups "$group" --bounding-set=-all \
    --no-new-privs env VTY_GROUP="$group" /bin/sh /var/tmp/start/prepare bundled
exec chroot "$root" setpriv --groups "$group" --bounding-set="$capabilities" --no-new-privs \
    /bin/sh /var/tmp/start/start
"""


def here(text: str) -> str:
    for path, moved in MOVED.items():
        text = text.replace(path, moved)
    return text


def bounding(container: str) -> str:
    given = POD[container]["securityContext"]["capabilities"]
    return ",".join(["-all", *(f"+{one.lower()}" for one in given["add"])])


@dataclass(frozen=True)
class Running:
    """FRR's container, by its first process, and the agent's beside it."""

    flavour: Flavour
    first: int

    @property
    def group(self) -> str:
        """The number of frrvty."""
        lines = (self.flavour.root / "etc/group").read_text().splitlines()
        return next(one.split(":")[2] for one in lines if one.startswith("frrvty:"))

    def vtysh(self, *commands: str, group: str | None = None) -> str:
        """What the agent's vtysh says, with the agent's rights."""
        groups = ["--clear-groups"] if group == "" else ["--groups", group or self.group]
        rights = [*groups, f"--bounding-set={bounding('agent')}", "--no-new-privs"]
        enter = ["nsenter", f"--target={self.first}", "--mount", "--net", "--root", "--wd=/"]
        (option,) = (one for one in POD["agent"]["args"] if one.startswith("--vtysh="))
        program = shlex.split(here(option.partition("=")[2]))
        said = [word for command in commands for word in ("-c", command)]
        return execute([*enter, "setpriv", *rights, *program, *said]).stdout

    def up(self) -> bool:
        """Whether all daemons answer."""
        return {"zebra", "bgpd", "bfdd", "watchfrr"} <= set(self.vtysh("show daemons").split())

    def bgpd(self) -> int:
        """Its process."""
        space = Path(f"/proc/{self.first}/ns/pid").readlink()
        for one in Path("/proc").glob("[0-9]*"):
            try:
                same = (one / "ns/pid").readlink() == space
                if same and (one / "comm").read_text().strip() == "bgpd":
                    return int(one.name)
            except OSError:  # it has ended meanwhile
                continue
        return 0


@pytest.fixture
def running(flavour: str, flavours: dict[str, Flavour], tmp_path: Path) -> Iterator[Running]:
    chosen = flavours[flavour]
    files = tmp_path / "start"
    files.mkdir(mode=0o755)
    for name, text in SCRIPTS.items():
        (files / name).write_text(here(text))
    uid, gid = map(str, chosen.owner)
    group = Running(chosen, 0).group
    given = [str(chosen.root), str(files), uid, gid, group, bounding("frr")]
    new = ["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603
            ["unshare", *new, "sh", "-c", CONTAINERS, "sh", *given],  # noqa: S607
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        wait_for(lambda: children.read_text().split(), 5, "unshare has forked")
        one = Running(chosen, int(children.read_text().split()[0]))
        try:
            wait_for(one.up, 30, "all daemons answer")
        except TimeoutError:
            pytest.fail((tmp_path / "log").read_text())
        yield one
    finally:
        process.kill()  # and with it all that is in its namespace of processes
        process.wait()


def test_what_starts_is_what_the_manifest_says() -> None:
    """The commands that these tests stand in for."""
    assert POD["vtysh"]["command"] == ["/bin/sh", "/etc/ferrule/frr/prepare", "bundled"]
    assert POD["frr"]["command"] == ["/sbin/tini", "--", "/bin/sh", "/etc/ferrule/frr/start"]
    assert HOST.is_absolute()


def test_the_agent_loads_frr_with_the_vtysh_of_its_release(running: Running) -> None:
    def told() -> str:
        return running.vtysh(
            "configure terminal",
            "ip prefix-list ferrule-test seq 5 permit 192.0.2.0/24",
            "router bgp 64512",
            "neighbor 198.51.100.1 remote-as 65001",
            "neighbor 198.51.100.1 bfd",
        )

    # mgmtd of 10.3 may still hold its lock when all daemons answer.
    wait_for(lambda: "%" not in told(), 10, "FRR takes a configuration")

    shown = running.vtysh("show running-config")
    assert f"frr version {running.flavour.version}" in shown
    assert " neighbor 198.51.100.1 remote-as 65001\n" in shown
    assert "ip prefix-list ferrule-test seq 5 permit 192.0.2.0/24\n" in shown


def test_nobody_without_the_group_speaks_to_frr(running: Running) -> None:
    assert "zebra" in running.vtysh("show daemons")
    assert "zebra" not in running.vtysh("show daemons", group="")


def test_a_daemon_that_dies_comes_back_with_nothing_kept(running: Running) -> None:
    running.vtysh("configure terminal", "router bgp 64512")
    before = running.bgpd()
    assert before

    execute(["kill", "-KILL", str(before)])

    wait_for(lambda: running.bgpd() not in (0, before), 30, "watchfrr starts bgpd again")
    wait_for(running.up, 20, "all daemons answer again")
    assert "router bgp" not in running.vtysh("show running-config")


def test_a_wrong_group_is_said_before_anything_starts(
    flavours: dict[str, Flavour], tmp_path: Path
) -> None:
    """On the image of an FRR whose group frrvty has another number than `frr.vtyGroup`."""
    script = tmp_path / "prepare"
    script.write_text(here(SCRIPTS["prepare"]))
    assert HOST in {one.root for one in flavours.values()}

    done = execute(["env", "VTY_GROUP=9999", "sh", str(script), "bundled"])

    assert done.returncode == 1
    own = Running(Flavour("", HOST), 0).group
    assert f"group frrvty is {own}, not 9999: say --set frr.vtyGroup={own}" in done.stdout

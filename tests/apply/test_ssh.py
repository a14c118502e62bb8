"""Commands over SSH, to real sshds: what they say, and every way in which they do not."""

import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from daemon.flavour import execute, wait_for
from fabric.device import FabricDevice
from fabric.fabric import Fabric
from fabric.sshd import key_pair

from ferrule.apply.connection import Gateways
from ferrule.apply.ssh import Ssh
from ferrule.apply.target import SUDO, Answer, Login, Trouble

pytestmark = pytest.mark.daemon

BANNER = "Authorized use only! $ # > ops@node-1:~$ \n"


def login_to(fabric: Fabric, device: FabricDevice) -> Login:
    workstation = fabric.workstation
    return Login(
        device.addresses[0],
        username=device.user,
        key_file=workstation.key_file,
        known_hosts=workstation.known_hosts_file,
    )


@pytest.fixture
def node(inside: Fabric) -> FabricDevice:
    return inside.nodes["node-1"]


@pytest.fixture
def login(inside: Fabric, node: FabricDevice) -> Login:
    return login_to(inside, node)


@pytest.fixture
def ssh(login: Login) -> Iterator[Ssh]:
    with closing(Ssh("node-1", login)) as channel:
        yield channel


def test_an_answer_is_the_command_s_own(ssh: Ssh) -> None:
    argv = ("sh", "-c", "echo \"$0\" '$1'; cat; echo err >&2; exit 3", "a b; $HOME", "x")

    assert ssh.run(argv, stdin="in\n") == Answer(3, "a b; $HOME $1\nin\n", "err\n")
    assert ssh.run(("sh", "-c", "kill -KILL $$")).code == 137


def test_several_commands_in_one_round_trip(ssh: Ssh) -> None:
    first, second, third = ssh.ask(("id", "-un"), ("no-such-program",), (*SUDO, "id", "-un"))

    assert (first.out, third.out) == ("ops\n", "root\n")
    assert (second.code, second.out) == (127, "")


def test_much_is_read_and_said_at_once(ssh: Ssh) -> None:
    text = "x" * 5_000_000
    both = ssh.run(("sh", "-c", "head -c 5000000 /dev/zero >&2; head -c 5000000 /dev/zero"))

    assert ssh.run(("cat",), stdin=text) == Answer(0, text, "")
    assert ssh.run(("true",), stdin=text) == Answer(0, "", "")
    assert (len(both.out), len(both.err)) == (5_000_000, 5_000_000)


def test_a_running_config_of_ten_thousand_services(node: FabricDevice, ssh: Ssh) -> None:
    lines = "".join(f" network 192.0.2.1/32 route-map ferrule-prod_{n}\n" for n in range(10_000))
    node.machine.write("/tmp/config", lines)  # noqa: S108  # on the device

    assert ssh.run(("cat", "/tmp/config")).out == lines  # noqa: S108


def test_bytes_that_are_no_text_pass_unchanged(ssh: Ssh) -> None:
    assert ssh.run(("cat",), stdin="caf\udce9").out == "caf\udce9"


def test_a_banner_is_no_answer(node: FabricDevice, login: Login) -> None:
    with node.banner(BANNER), closing(Ssh("node-1", login)) as channel:
        assert channel.run(("echo", "mine")) == Answer(0, "mine\n", "")


def test_what_a_shell_prints_by_itself_is_no_answer(node: FabricDevice, login: Login) -> None:
    rc = "/home/ops/.bashrc"
    node.machine.write(rc, "echo 'ops@node-1:~$ '; printf 'and # without a line end'")
    try:
        with closing(Ssh("node-1", login)) as channel:
            assert channel.run(("echo", "mine")) == Answer(0, "mine\n", "")
    finally:
        node.machine.path(rc).unlink()


def test_a_shell_that_runs_nothing(node: FabricDevice, login: Login) -> None:
    file = node.machine.path("/etc/passwd")
    before = file.read_text()
    file.write_text(before.replace("/home/ops:/bin/bash", "/home/ops:/usr/sbin/nologin"))
    try:
        said = no_answer(login)
    finally:
        file.write_text(before)

    assert said.code == "command-failed"
    assert "This account is currently not available" in said.message


def no_answer(login: Login) -> Trouble:
    """What becomes of a command of somebody who is logged in."""
    with closing(Ssh("node-1", login)) as channel, pytest.raises(Trouble) as caught:
        channel.run(("true",))
    return caught.value


@pytest.mark.parametrize("sudo", [(), SUDO], ids=["as the user", "as root"])
def test_a_command_that_does_not_end_is_ended(
    sudo: tuple[str, ...], node: FabricDevice, ssh: Ssh
) -> None:
    script = "echo $$ >/tmp/pids; sleep 600 & echo $! >>/tmp/pids; wait"
    began = time.monotonic()

    with pytest.raises(Trouble, match=r"did not end within 1 s") as caught:
        ssh.run((*sudo, "sh", "-c", script), timeout_s=1)

    assert caught.value.code == "command-timeout"
    assert time.monotonic() - began < 10
    pids = node.machine.run("cat", "/tmp/pids").stdout.split()  # noqa: S108
    node.machine.run("rm", "/tmp/pids")  # noqa: S108
    assert len(pids) == 2
    assert [pid for pid in pids if node.machine.run("kill", "-0", pid).returncode == 0] == []
    assert ssh.run(("echo", "on")).out == "on\n"


def test_a_connection_that_is_cut(node: FabricDevice, login: Login) -> None:
    with closing(Ssh("node-1", login)) as channel:
        cutter = threading.Timer(0.5, node.cut)
        cutter.start()
        with pytest.raises(Trouble, match='the connection was cut: while "sleep" ran') as caught:
            channel.run(("sleep", "30"))
        cutter.join()
        assert caught.value.code == "connection-lost"
        with pytest.raises(Trouble, match="the connection was cut"):
            channel.run(("true",))


# Logging in.


def refusal(login: Login) -> Trouble:
    with pytest.raises(Trouble) as caught:
        Ssh("node-1", login).close()
    trouble = caught.value
    assert trouble.message.isprintable()
    assert (trouble.help or "").isprintable()
    return trouble


def said(login: Login) -> str:
    trouble = refusal(login)
    return f"[{trouble.code}] {trouble.message}"


def test_a_host_key_that_is_not_known(inside: Fabric, node: FabricDevice, login: Login) -> None:
    empty = inside.workstation.folder / "nobody"
    empty.write_text("")
    unknown = refusal(replace(login, known_hosts=empty))

    assert unknown.code == "unknown-host-key"
    address, key = node.addresses[0], node.sshd.host_key
    assert unknown.help == (
        f"compare it with the device's own, then add this line: {address} {key}"
    )
    empty.write_text(f"{address} {key}\n")
    Ssh("node-1", replace(login, known_hosts=empty)).close()


def test_a_host_key_that_is_pinned(inside: Fabric, node: FabricDevice, login: Login) -> None:
    Ssh("node-1", replace(login, host_key=node.sshd.host_key, known_hosts=None)).close()

    other = inside.nodes["node-2"].sshd.host_key
    assert said(replace(login, host_key=other)).startswith("[changed-host-key] the host key of ")
    assert said(replace(login, host_key=f"ssh-rsa {RSA}")) == (
        f"[changed-host-key] the host key of {login} is one of another type, not ssh-rsa "
        'SHA256:X7grDTmj9VmWaQkbD+tYEyStenq+j5ZGqbNukYOuoFc as in "hostKey"'
    )
    assert said(replace(login, host_key="ssh-rsa AAAA")).startswith("[unknown-host-key] hostKey")


RSA = "AAAAB3NzaC1yc2EAAAADAQABAAAAgQDLPrThz5T0mF2w0Vnq2HkCkV2bQm0m8yJm0t3QFzJqOw=="


def test_a_host_key_that_changed(node: FabricDevice, login: Login) -> None:
    with node.other_host_key():
        assert said(login).startswith("[changed-host-key] the host key of ")
    Ssh("node-1", login).close()


def test_no_known_hosts(login: Login) -> None:
    assert said(replace(login, known_hosts=Path("/nowhere/known_hosts"))) == (
        '[unknown-host-key] knownHostsFile "/nowhere/known_hosts": no such file or directory'
    )


def test_a_user_that_is_not_let_in(node: FabricDevice, login: Login) -> None:
    key = f'with the key "{login.key_file}"'
    assert said(replace(login, username="stranger")) == (
        f'[login-refused] {login} does not let user "stranger" in {key}'
    )
    with node.without_user():
        assert said(login) == f'[login-refused] {login} does not let user "ops" in {key}'


def test_a_key_that_is_not_let_in(inside: Fabric, login: Login) -> None:
    other = inside.workstation.folder / "other"
    key_pair(other)

    assert said(replace(login, key_file=other)).startswith("[login-refused] ")


def test_files_that_are_no_key(inside: Fabric, login: Login) -> None:
    folder = inside.workstation.folder
    (folder / "empty").write_text("")
    files = {
        "none": "no such file or directory",
        ".": "is a directory",
        "empty": "it is no private key that can be used: Ed25519, ECDSA or RSA",
        "id_ed25519.pub": "it is no private key that can be used: Ed25519, ECDSA or RSA",
    }
    for name, reason in files.items():
        file = folder / name
        assert said(replace(login, key_file=file)) == f'[key-file] keyFile "{file}": {reason}'


def test_without_a_key_it_is_up_to_the_agent(login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/nowhere")
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)

    assert said(replace(login, key_file=None)) == (
        f'[login-refused] {login} does not let user "ops" in with the keys of the agent and of '
        "~/.ssh, of which there are none"
    )


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An ssh-agent without a key."""
    started = execute(["ssh-agent", "-s"]).stdout
    found = dict(re.findall(r"(SSH_\w+)=([^;]+);", started))
    monkeypatch.setenv("SSH_AUTH_SOCK", found["SSH_AUTH_SOCK"])
    yield
    os.kill(int(found["SSH_AGENT_PID"]), signal.SIGTERM)


@pytest.mark.usefixtures("agent")
def test_a_key_that_is_protected_is_looked_for_in_the_agent(inside: Fabric, login: Login) -> None:
    for name in ("id_protected", "id_protected.pub"):
        shutil.copy(
            inside.workstation.folder / name.replace("protected", "ed25519"),
            inside.workstation.folder / name,
        )
    file = inside.workstation.folder / "id_protected"
    protect = ["ssh-keygen", "-q", "-p", "-P", "", "-N", "hunter2", "-f", str(file)]
    protected = replace(login, key_file=file)
    execute(protect)

    trouble = refusal(protected)
    assert trouble.message == f'keyFile "{file}": it is protected by a passphrase'
    assert trouble.help == f"run `ssh-add {file}` first; the agent finds it by {file}.pub"
    assert execute(["ssh-add", str(login.key_file)]).returncode == 0
    Ssh("node-1", protected).close()
    Ssh("node-1", replace(login, key_file=None)).close()


def test_a_password(inside: Fabric) -> None:
    switch = inside.switches["tor-a"]
    login = replace(login_to(inside, switch), key_file=None, password="hunter2")  # noqa: S106
    with by_password(switch, "hunter2"):
        with closing(Ssh("tor-a", login)) as channel:
            assert channel.run(("id", "-un")).out == "admin\n"
        wrong = replace(login, password="hunter3")  # noqa: S106
        assert said(wrong) == (
            f'[login-refused] {login} does not let user "admin" in with the password of its Secret'
        )
    assert said(login) == (
        f'[login-refused] {login} does not let user "admin" in with the password of its Secret; '
        "it takes only publickey"
    )
    assert "hunter2" not in repr(login)


@contextmanager
def by_password(device: FabricDevice, password: str) -> Iterator[None]:
    """A device that lets its user in by a password as well."""
    digest = execute(["openssl", "passwd", "-6", password]).stdout.strip()
    changes = {
        "/etc/shadow": (f"{device.user}:*:", f"{device.user}:{digest}:"),
        "/etc/ssh/sshd_config": ("PasswordAuthentication no", "PasswordAuthentication yes"),
    }
    before = {path: device.machine.path(path).read_text() for path in changes}
    for path, (old, new) in changes.items():
        assert old in before[path]
        device.machine.path(path).write_text(before[path].replace(old, new))
    device.sshd.restart()
    try:
        yield
    finally:
        for path, text in before.items():
            device.machine.path(path).write_text(text)
        device.sshd.restart()


def test_known_hosts_are_those_of_the_user(
    inside: Fabric, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = inside.workstation.folder / "home"
    (home / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    mine = replace(login, known_hosts=None)

    assert said(mine).startswith(
        f'[unknown-host-key] the host key of {login} is not in "{home}/.ssh/known_hosts": '
    )
    shutil.copy(inside.workstation.known_hosts_file, home / ".ssh/known_hosts")
    Ssh("node-1", mine).close()
    Ssh("node-1", replace(login, known_hosts=Path("~/.ssh/known_hosts"))).close()


def test_nothing_listens(login: Login, node: FabricDevice) -> None:
    with node.refusing():
        assert said(login) == (
            f"[connection-refused] {login} refuses the connection: nothing listens there"
        )


def test_a_name_that_does_not_resolve(login: Login) -> None:
    for host in ("nobody.invalid", "x" * 70, "-"):
        assert said(replace(login, host=host)) == (
            f'[unknown-host] the name "{host}" does not resolve'
        )


def test_no_answer(login: Login, node: FabricDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ferrule.apply.connection.CONNECT_S", 1.0)

    with node.unreachable():
        assert said(login) == f"[unreachable] {login} does not answer within 1 s"
    with served(node, "connection.recv(1 << 20)\n    connection.recv(1 << 20)"):
        assert said(replace(login, port=2222)) == (
            f"[unreachable] {login}:2222 does not answer within 1 s"
        )


@contextmanager
def served(node: FabricDevice, what: str) -> Iterator[None]:
    """Something else than SSH listens at port 2222 of a node, for one connection."""
    listening = node.machine.path("/run/listening")
    script = f"""
import pathlib, socket
server = socket.create_server(("", 2222))
pathlib.Path("/run/listening").touch()
with server.accept()[0] as connection:
    {what}
"""
    server = node.machine.start(["python3", "-c", script], "/var/log/server")
    wait_for(listening.exists, 10, "a server listens")
    listening.unlink()
    yield
    server.wait()


def test_no_way_there(login: Login) -> None:
    assert said(replace(login, host="203.0.113.1")) == (
        "[unreachable] 203.0.113.1 cannot be reached: network is unreachable"
    )


@pytest.mark.parametrize(
    ("greeting", "reason"),
    {
        "": "Error reading SSH protocol banner",
        "220 mail.example.net ESMTP\\r\\n": "Indecipherable protocol version",
    }.items(),
)
def test_no_ssh_server(login: Login, node: FabricDevice, greeting: str, reason: str) -> None:
    with served(node, f"connection.sendall(b'{greeting}' * 200)"):
        assert said(replace(login, port=2222)).startswith(
            f"[ssh-failed] {login}:2222 makes no SSH session: {reason}"
        )


# Jump hosts.


def test_a_device_behind_a_jump_host(inside: Fabric, login: Login) -> None:
    behind = replace(login_to(inside, inside.nodes["node-2"]), jump=login)

    with closing(Ssh("node-2", behind)) as channel:
        (answer,) = channel.ask(("sh", "-c", "echo $SSH_CONNECTION"))

    came_from, _, got_to, port = answer.out.split()
    assert (came_from, got_to, port) == (login.host, behind.host, "22")


def test_one_jump_host_for_many(inside: Fabric, login: Login, node: FabricDevice) -> None:
    log = node.machine.path("/var/log/auth.log")
    before = log.read_text().count("Accepted publickey")
    with closing(Gateways()) as gateways:
        for name, host in (("node-2", "198.51.100.12"), ("tor-a", "198.51.100.1")):
            behind = replace(login_to(inside, inside.devices[name]), host=host, jump=login)
            with closing(Ssh(name, behind, gateways)) as channel:
                assert channel.run(("hostname",)).out == f"{name}\n"

    assert log.read_text().count("Accepted publickey") == before + 1


def test_a_jump_host_that_fails(inside: Fabric, login: Login, node: FabricDevice) -> None:
    behind = login_to(inside, inside.nodes["node-2"])
    unknown = replace(login, known_hosts=None)

    assert said(replace(behind, jump=unknown)).startswith(
        f"[unknown-host-key] jump host: the host key of {login.host} is not in "
    )
    assert said(replace(behind, jump=replace(login, username="stranger"))).startswith(
        f'[login-refused] jump host: {login.host} does not let user "stranger" in '
    )
    assert said(replace(behind, host="203.0.113.1", jump=login)) == (
        f"[unreachable] jump host {login.host} does not get to 203.0.113.1"
    )
    with node.refusing():
        assert said(replace(behind, jump=login)) == (
            f"[connection-refused] jump host: {login.host} refuses the connection: nothing listens "
            "there"
        )


def test_behind_a_jump_host_the_key_is_checked_too(inside: Fabric, login: Login) -> None:
    behind = replace(login_to(inside, inside.nodes["node-2"]), known_hosts=None, jump=login)

    assert said(behind).startswith(f"[unknown-host-key] the host key of {behind.host} is not in ")

"""The way to a device by SSH, and everything that can go wrong on it.

netmiko makes the connection, but nothing of its preparation is done: it would open a shell and
look for a prompt. Here is also all that is known of netmiko's and paramiko's exceptions.
"""

from __future__ import annotations

import getpass
import logging
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import paramiko  # type: ignore[import-untyped]
from netmiko.linux.linux_ssh import LinuxSSH

from ferrule.apply import credentials, hostkeys
from ferrule.apply.credentials import Credentials
from ferrule.apply.hostkeys import HostKey, Known
from ferrule.apply.target import CONNECT_S, Login, Trouble
from ferrule.compiler.errors import listed, printable, quoted

KEEPALIVE_S = 5
SILENCE_S = 20  # after which a connection counts as cut
LINUX = sys.platform == "linux"
PROHIBITED = 1  # RFC 4254 §5.1: administratively

# Of host keys; what is not known of a server is not asked for (paramiko passes over odd names).
ALGORITHMS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
    "ssh-rsa",
)

for _library in ("paramiko", "netmiko"):  # what they log is raised as well
    logging.getLogger(_library).setLevel(logging.CRITICAL + 1)

Untyped = Any  # what is paramiko's, which has no types


class Connection(LinuxSSH):
    """netmiko's Linux without a shell: logged in, and that is all."""

    def __init__(self, known: Known, credentials: Credentials, **settings: Untyped) -> None:
        self._known, self._credentials = known, credentials
        super().__init__(**settings)

    @property
    def transport(self) -> Untyped:
        """paramiko's, on which channels are opened."""
        assert self.remote_conn_pre is not None
        return self.remote_conn_pre.get_transport()

    def establish_connection(self, width: int = 511, height: int = 1000) -> None:  # noqa: ARG002
        """Log in, and open nothing."""
        client = self.remote_conn_pre = self._build_ssh_client()
        try:
            client.connect(**self._connect_params_dict())
        except BaseException:
            self.paramiko_cleanup()
            raise
        self.transport.set_keepalive(KEEPALIVE_S)

    def session_preparation(self) -> None:
        """Nothing: there is no prompt."""

    def _try_session_preparation(self, force_data: bool = True) -> None:  # noqa: FBT001, FBT002
        """Nothing, and no key pressed before it."""

    def _build_ssh_client(self) -> Untyped:
        client = super()._build_ssh_client()
        client.set_missing_host_key_policy(_OnlyKnown(self._known))
        return client

    def _connect_params_dict(self) -> dict[str, Untyped]:
        settings = super()._connect_params_dict()
        settings["look_for_keys"] = settings["allow_agent"] = self._credentials.open
        return settings


class _Stranger(Exception):  # noqa: N818  # of a server whose key is not the known one
    def __init__(self, key: HostKey) -> None:
        super().__init__()
        self.key = key


class _OnlyKnown(paramiko.MissingHostKeyPolicy):  # type: ignore[misc]
    """Asked about every key, as paramiko itself is told of none."""

    def __init__(self, known: Known) -> None:
        self._known = known

    def missing_host_key(self, client: object, hostname: str, key: Untyped) -> None:  # noqa: ARG002
        shown = HostKey(key.get_name(), key.asbytes())
        if not self._known.admits(shown):
            raise _Stranger(shown)


class Gateways:
    """The jump hosts of a survey: each is logged in to once, for all devices behind it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._locks: dict[Login, threading.Lock] = {}
        self._found: dict[Login, Connection | Trouble] = {}

    def through(self, device: str, jump: Login, to: Login) -> Untyped:
        """A way to a server from the jump host, which is also who looks up its name."""
        with self._lock:
            lock = self._locks.setdefault(jump, threading.Lock())
        with lock:
            if jump not in self._found:
                self._found[jump] = self._connected(device, jump)
        found = self._found[jump]
        if isinstance(found, Trouble):
            raise Trouble(found.code, device, f"jump host: {found.message}", found.help)
        there = (to.host, to.port)
        try:
            return found.transport.open_channel(
                "direct-tcpip", there, ("127.0.0.1", 0), timeout=CONNECT_S
            )
        except paramiko.ChannelException as bad:
            forbidden = bad.code == PROHIBITED
            reason = "does not forward connections" if forbidden else f"does not get to {to}"
        except (paramiko.SSHException, OSError, EOFError):
            reason = "was cut off"
        raise Trouble("unreachable", device, f"jump host {jump} {reason}")

    def _connected(self, device: str, jump: Login) -> Connection | Trouble:
        try:
            return connect(device, jump, self)
        except Trouble as bad:
            return bad

    def close(self) -> None:
        """Leave them all."""
        for each in self._found.values():
            if isinstance(each, Connection):
                each.disconnect()


def connect(device: str, login: Login, gateways: Gateways) -> Connection:
    """Log in; every failure is a `Trouble` of its own."""
    known = _known(device, login)
    with closing(credentials.load(device, login)) as shown:
        if login.jump is None:
            sock = _socket(device, login)
        else:
            sock = gateways.through(device, login.jump, login)
        try:
            with _explained(device, login, known, shown):
                return Connection(
                    known,
                    shown,
                    host=login.host,
                    port=login.port,
                    username=login.username or getpass.getuser(),
                    password=shown.password,
                    pkey=shown.key,
                    sock=sock,
                    device_type="linux",
                    ssh_strict=True,
                    conn_timeout=CONNECT_S,
                    auth_timeout=CONNECT_S,
                    banner_timeout=CONNECT_S,
                    disabled_algorithms={"keys": _not_asked_for(known)},
                )
        except BaseException:
            sock.close()
            raise


def _known(device: str, login: Login) -> Known:
    if login.host_key is not None:
        try:
            return hostkeys.pinned(login.host_key)
        except ValueError as bad:
            raise Trouble("unknown-host-key", device, str(bad)) from None
    try:
        file = login.known_hosts.expanduser() if login.known_hosts else None
        return hostkeys.look_up(login.host, login.port, file)
    except OSError as bad:
        reason = (bad.strerror or "cannot be read").lower()
        message = f"knownHostsFile {quoted(str(login.known_hosts))}: {reason}"
        raise Trouble("unknown-host-key", device, message) from None


def _not_asked_for(known: Known) -> list[str]:
    """So that of several keys the server shows the known one."""
    wanted = known.signatures & set(ALGORITHMS)
    return [one for one in ALGORITHMS if one not in wanted] if wanted else []


def _socket(device: str, login: Login) -> socket.socket:
    try:
        sock = socket.create_connection((login.host, login.port), CONNECT_S)
    except (socket.gaierror, UnicodeError):  # the latter of what can be no name at all
        message = f"the name {quoted(login.host)} does not resolve"
        raise Trouble("unknown-host", device, message) from None
    except ConnectionRefusedError:
        message = f"{login} refuses the connection: nothing listens there"
        raise Trouble("connection-refused", device, message) from None
    except TimeoutError:
        raise _silent(device, login) from None
    except OSError as bad:
        reason = bad.strerror or str(bad)
        message = f"{login} cannot be reached: {reason.lower()}"
        raise Trouble("unreachable", device, message) from None
    return _Prompt(fileno=sock.detach())


class _Prompt(socket.socket):
    """Neither end waits for the other with a small packet, where Linux would by 40 ms.

    sshd says two things once we are in, and holds back the second until the first is
    acknowledged; how soon that is done must be said anew after every packet (tcp(7)).
    """

    def __init__(self, fileno: int) -> None:
        super().__init__(fileno=fileno)
        self.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if LINUX:
            self.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENCE_S * 1000)

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """As every socket."""
        received = super().recv(bufsize, flags)
        if LINUX:
            self.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return received


def _silent(device: str, login: Login) -> Trouble:
    message = f"{login} does not answer within {CONNECT_S:g} s"
    return Trouble("unreachable", device, message)


@contextmanager
def _explained(device: str, login: Login, known: Known, shown: Credentials) -> Iterator[None]:
    """Whatever making a connection raises, as a `Trouble`."""
    began = time.monotonic()
    try:
        yield
    except _Stranger as bad:
        raise _stranger(device, login, known, bad.key) from None
    except paramiko.BadAuthenticationType as bad:
        takes = f"; it takes only {listed(bad.allowed_types)}"
        raise _refused(device, login, shown, takes) from None
    except paramiko.AuthenticationException:
        raise _refused(device, login, shown) from None
    except Exception as bad:  # paramiko raises here whatever its thread met, of any class
        if time.monotonic() - began >= CONNECT_S:
            raise _silent(device, login) from None
        if "No authentication methods" in str(bad):
            raise _refused(device, login, shown, ", of which there are none") from None
        if "no acceptable host key" in str(bad):
            raise _changed(device, login, known, "one of another type") from None
        message = f"{login} makes no SSH session: {printable(str(bad) or type(bad).__name__)}"
        raise Trouble("ssh-failed", device, message) from None


def _refused(device: str, login: Login, shown: Credentials, more: str = "") -> Trouble:
    user = quoted(login.username or getpass.getuser())
    message = f"{login} does not let user {user} in with {shown.said}{more}"
    return Trouble("login-refused", device, message)


def _stranger(device: str, login: Login, known: Known, key: HostKey) -> Trouble:
    if key in known.revoked:
        return _changed(device, login, known, f"{key.fingerprint}, which is revoked")
    if known.keys:
        return _changed(device, login, known, key.fingerprint)
    message = f"the host key of {login} is not in {quoted(known.where)}: {key.fingerprint}"
    help = f"compare it with the device's own, then add this line: {known.name} {key}"
    return Trouble("unknown-host-key", device, message, help)


def _changed(device: str, login: Login, known: Known, shown: str) -> Trouble:
    expected = listed(one.fingerprint for one in known.keys)
    message = f"the host key of {login} is {shown}, not {expected} as in {quoted(known.where)}"
    help = "is it another device, or somebody in between? If it was installed anew, correct the key"
    return Trouble("changed-host-key", device, message, help)

"""By what key a server is known: one pinned in the spec, or the lines of known_hosts files.

As OpenSSH reads them (sshd(8), SSH_KNOWN_HOSTS): several keys for one host, hashed names, patterns,
`[host]:port`, `@revoked`. Authorities (`@cert-authority`) are passed over: no certificate of a
host is ever asked for.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

SSH_PORT = 22
OF_THE_MACHINE = Path("/etc/ssh/ssh_known_hosts")

# A key's type is not the name of the signature that it is asked for (RFC 8332 §3).
SIGNATURES = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}


@dataclass(frozen=True, slots=True)
class HostKey:
    """A public key of a server, as the protocol encodes it."""

    type: str
    blob: bytes

    def __str__(self) -> str:
        return f"{self.type} {base64.b64encode(self.blob).decode()}"

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` prints it."""
        digest = base64.b64encode(hashlib.sha256(self.blob).digest()).decode()
        return f"{self.type} SHA256:{digest.rstrip('=')}"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one server, `where` that stands, and by which `name`."""

    where: str
    name: str = ""
    keys: tuple[HostKey, ...] = ()
    revoked: tuple[HostKey, ...] = ()

    @property
    def signatures(self) -> frozenset[str]:
        """The algorithms by which a server can show one of its known keys."""
        types = {one.type for one in self.keys}
        return frozenset(name for each in types for name in SIGNATURES.get(each, (each,)))

    def admits(self, key: HostKey) -> bool:
        """Whether a server that shows this key is the one that is meant."""
        return key in self.keys and key not in self.revoked


def pinned(text: str) -> Known:
    """The one key that a spec names: `TYPE BASE64 [comment]`; `ValueError` where it is none."""
    type_, encoded, *_ = [*text.split(), "", ""]
    try:
        blob = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        blob = b""
    if blob[4 : 4 + len(type_)] != type_.encode() or not type_:  # it says its type itself
        raise ValueError("hostKey is not TYPE BASE64")
    return Known("hostKey", "", (HostKey(type_, blob),))


def look_up(host: str, port: int, file: Path | None) -> Known:
    """What `file` knows of a server, or else the user's known_hosts and the machine's.

    `OSError` where a file that was named cannot be read.
    """
    if file is not None:
        return _known(host, port, str(file), _lines(file))
    own = Path("~/.ssh/known_hosts").expanduser()
    lines = [line for one in (own, OF_THE_MACHINE) if one.exists() for line in _lines(one)]
    return _known(host, port, str(own), lines)


@dataclass(frozen=True, slots=True)
class _Line:
    marker: str
    names: tuple[str, ...]
    key: HostKey

    def is_about(self, name: str) -> bool:
        """Whether one of the patterns fits, and none that is negated."""
        if any(one.startswith("!") and _fits(name, one[1:]) for one in self.names):
            return False
        return any(_fits(name, one) for one in self.names)


def _lines(file: Path) -> tuple[_Line, ...]:
    return _lines_as_of(file, file.stat().st_mtime_ns)


@cache
def _lines_as_of(file: Path, _changed: int) -> tuple[_Line, ...]:
    """The lines that say something; read once for all devices."""
    return tuple(_read(file.read_text(errors="replace").splitlines()))


def _read(lines: Iterable[str]) -> Iterator[_Line]:
    for line in lines:
        marker = line.split(maxsplit=1)[0] if line.startswith("@") else ""
        words = line.removeprefix(marker).split(maxsplit=3)
        if len(words) < len(("names", "type", "key")) or line.startswith("#"):
            continue
        try:
            blob = base64.b64decode(words[2], validate=True)
        except binascii.Error:
            continue
        names = tuple(filter(None, words[0].split(",")))
        yield _Line(marker, names, HostKey(words[1], blob))


def _known(host: str, port: int, where: str, lines: Iterable[_Line]) -> Known:
    name = host.lower() if port == SSH_PORT else f"[{host.lower()}]:{port}"
    mine = [line for line in lines if line.is_about(name)]
    by_marker = {
        marker: tuple(dict.fromkeys(line.key for line in mine if line.marker == marker))
        for marker in ("", "@revoked")
    }
    return Known(where, name, by_marker[""], by_marker["@revoked"])


def _fits(name: str, pattern: str) -> bool:
    if pattern.startswith("|1|"):
        return _hashes_to(name, pattern)
    if "[" in pattern:  # `[host]:port` is no set of characters
        pattern = pattern.replace("[", "[[]")
    return fnmatchcase(name, pattern.lower())


def _hashes_to(name: str, pattern: str) -> bool:
    _, _, salt, digest = [*pattern.split("|"), "", ""][:4]
    try:
        key, expected = base64.b64decode(salt), base64.b64decode(digest)
    except binascii.Error:
        return False
    return hmac.compare_digest(hmac.digest(key, name.encode(), "sha1"), expected)

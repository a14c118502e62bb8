"""By what we log in: a key, the agent, or a password that a Secret holds.

A key that is protected by a passphrase is looked for in the agent, by its public half beside it.
"""

from __future__ import annotations

import base64
import binascii
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import paramiko  # type: ignore[import-untyped]
from paramiko.pkey import UnknownKeyType  # type: ignore[import-untyped]

from ferrule.apply.target import Login, Trouble
from ferrule.compiler.errors import quoted


@dataclass(frozen=True, slots=True)
class Credentials:
    """What paramiko is given; `said` is what to call it when it is refused.

    `agent` is open as long as a key of it is needed.
    """

    said: str
    password: str | None = field(default=None, repr=False)
    key: paramiko.PKey | None = None
    agent: paramiko.Agent | None = None

    @property
    def open(self) -> bool:
        """Whether it is up to the agent and to `~/.ssh`."""
        return self.password is None and self.key is None

    def close(self) -> None:
        """Let go of the agent."""
        if self.agent is not None:
            self.agent.close()


def load(device: str, login: Login) -> Credentials:
    """Read what the login names; `Trouble` where that is no key we can use."""
    if login.key_file is None:
        if login.password is not None:
            return Credentials("the password of its Secret", login.password)
        return Credentials("the keys of the agent and of ~/.ssh")
    file = login.key_file.expanduser()
    said = f"the key {quoted(str(login.key_file))}"
    try:
        return Credentials(said, login.password, paramiko.PKey.from_path(file))
    except OSError as bad:
        reason = (bad.strerror or "cannot be read").lower()
    except (paramiko.PasswordRequiredException, TypeError):  # TypeError is how cryptography says it
        return _from_agent(device, file, said)
    except (paramiko.SSHException, UnknownKeyType, ValueError):
        reason = "it is no private key that can be used: Ed25519, ECDSA or RSA"
    raise Trouble("key-file", device, f"keyFile {quoted(str(login.key_file))}: {reason}")


def _from_agent(device: str, file: Path, said: str) -> Credentials:
    agent = paramiko.Agent()
    blob = _public_half(file)
    for key in agent.get_keys():
        if key.asbytes() == blob:
            return Credentials(f"{said} from the agent", None, key, agent)
    agent.close()
    message = f"keyFile {quoted(str(file))}: it is protected by a passphrase"
    help = f"run `ssh-add {file}` first; the agent finds it by {file}.pub"
    raise Trouble("key-file", device, message, help)


def _public_half(file: Path) -> bytes | None:
    with suppress(OSError, binascii.Error, IndexError):
        text = file.with_name(f"{file.name}.pub").read_text(errors="replace")
        return base64.b64decode(text.split()[1], validate=True)
    return None

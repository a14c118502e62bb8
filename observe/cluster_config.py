"""Which API server, and who we are there: one context of a kubeconfig.

The file is read by our own reader and checked here, so that every mistake is one line with its
place and nothing secret gets into it. What the `kubernetes` package is handed is whole: it decodes
certificates, runs credential plugins and keeps their tokens fresh.
"""

from __future__ import annotations

import base64
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NoReturn, cast
from urllib.parse import urlsplit

from kubernetes.client import Configuration
from kubernetes.config import ConfigException, load_kube_config_from_dict

from ferrule.compiler.errors import Diagnostic, Place, Position, error, quoted, suggestion
from ferrule.compiler.source import Document, UnreadableError, read

DEFAULT = "~/.kube/config"
LISTS = {"contexts": "context", "clusters": "cluster", "users": "user"}
CLUSTER_WORDS = ("server", "tls-server-name", "proxy-url", "certificate-authority-data")
CLUSTER_FILES = ("certificate-authority",)
USER_WORDS = ("username", "password", "client-certificate-data", "client-key-data")
USER_FILES = ("tokenFile", "client-certificate", "client-key")
IMPERSONATION = ("as", "as-uid", "as-groups", "as-user-extra")


class ClusterError(Exception):
    """The cluster cannot be asked, or does not answer; carries the one diagnostic."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        self.diagnostic = diagnostic
        super().__init__(diagnostic.message)


@dataclass(frozen=True, slots=True)
class Login:
    """An API server as messages name it, and how to get in.

    `again` makes it anew from where it came from: another token may be there by now.
    """

    context: str
    server: str
    configuration: Configuration = field(repr=False)
    again: Callable[[], Login] = field(repr=False, compare=False)

    def headers(self) -> dict[str, str]:
        """Who we are; a token that has run out is renewed on the way.

        A token that HTTP cannot carry is left out: `http.client` would quote it in its refusal.
        """
        given = cast("Iterable[Mapping[str, str]]", self.configuration.auth_settings().values())
        sent = {one["key"]: (one["value"] or "").strip() for one in given}
        return {key: text for key, text in sent.items() if text and _is_sendable(text)}


@dataclass(frozen=True, slots=True)
class _Entry:
    """A named entry of one of the lists, and the file it stands in."""

    data: Mapping[str, object]
    file: Document
    path: tuple[str | int, ...]

    def place(self, *path: str) -> Place:
        return _place(self.file, *self.path, *path)

    def text(self, key: str) -> str:
        value = self.data.get(key)
        return value if isinstance(value, str) else ""

    def beside(self, path: str) -> str:
        """`path` as it is meant: relative to the file that names it."""
        assert self.file.source is not None
        return str(Path(self.file.source.file).absolute().parent / Path(path).expanduser())


def login(kubeconfig: str | None = None, context: str | None = None) -> Login:
    """The context of that name, else the current one; raises `ClusterError`."""
    files = _read(kubeconfig)
    entries = {name: _entries(files, name, LISTS[name]) for name in LISTS}
    current = context or next(filter(None, map(_current, files)), "")
    chosen = _chosen(current, entries["contexts"], files[0])
    cluster = _named(chosen, "cluster", entries["clusters"])
    user = _named(chosen, "user", entries["users"]) if chosen.text("user") else None
    server = cluster.text("server").rstrip("/")
    if not _is_url(server):
        _refuse(f"the server of context {quoted(current)} is no URL", cluster.place("server"))
    whole = _whole(current, _cluster(cluster), _user(user) if user else {})
    made = _configuration(whole, user or cluster)
    if proxy := cluster.text("proxy-url"):
        made.proxy = proxy  # kubernetes 29 passes over it
    return Login(current, _shown(server), made, partial(login, kubeconfig, context))


def _read(kubeconfig: str | None) -> list[Document]:
    """The files there are, the one that counts more first, as kubectl does it."""
    named = kubeconfig or os.environ.get("KUBECONFIG") or DEFAULT
    names = [named] if kubeconfig else [one for one in named.split(os.pathsep) if one]
    paths = [Path(one).expanduser() for one in names]
    there = [path for path in paths if path.exists()]
    if not there:
        nowhere = Place(Position(str(paths[0]), 1, 1))
        help = "name one with --kubeconfig FILE, or in the variable KUBECONFIG"
        _refuse("there is no such kubeconfig", nowhere, help)
    return [_document(path) for path in there]


def _document(path: Path) -> Document:
    try:
        found = read(path.read_bytes(), str(path))
    except UnreadableError as bad:
        at = bad.diagnostic.places[0].position
        assert at is not None
        bare = Place(Position(at.file, at.line, at.column))  # that line may hold a key
        _refuse(f"this is no kubeconfig: {bad.diagnostic.message}", bare)
    except OSError as bad:
        reason = (bad.strerror or str(bad)).lower()
        _refuse(f"this kubeconfig cannot be read: {reason}", Place(Position(str(path), 1, 1)))
    if found[0].kind not in ("Config", ""):
        _refuse(f"this is no kubeconfig: its kind is {quoted(found[0].kind)}", _place(found[0]))
    return found[0]


def _entries(files: Sequence[Document], plural: str, singular: str) -> dict[str, _Entry]:
    """By name; of two with one name the first counts. What is no entry is none."""
    found: dict[str, _Entry] = {}
    for file in files:
        each = file.data.get(plural)
        for number, one in enumerate(each if isinstance(each, list) else ()):
            name, data = (one.get("name"), one.get(singular)) if isinstance(one, dict) else ("", 0)
            if isinstance(name, str) and isinstance(data, dict):
                found.setdefault(name, _Entry(data, file, (plural, number, singular)))
    return found


def _current(file: Document) -> str:
    value = file.data.get("current-context")
    return value if isinstance(value, str) else ""


def _chosen(name: str, contexts: Mapping[str, _Entry], file: Document) -> _Entry:
    if not name:
        help = f"name one with --context; {suggestion('', contexts, 'contexts')}"
        _refuse("this kubeconfig has no current-context", _place(file), help)
    if name not in contexts:
        help = suggestion(name, contexts, "contexts")
        _refuse(f"there is no context {quoted(name)} in this kubeconfig", _place(file), help)
    return contexts[name]


def _named(context: _Entry, kind: str, known: Mapping[str, _Entry]) -> _Entry:
    """What a context names; kubectl too refuses one that names nothing."""
    name = context.text(kind)
    if name not in known:
        message = f"the context names {kind} {quoted(name)}, which is not defined"
        _refuse(message, context.place(kind), suggestion(name, known, f"{kind}s"))
    return known[name]


def _cluster(entry: _Entry) -> dict[str, object]:
    skip = entry.data.get("insecure-skip-tls-verify")
    return {
        **_some(entry, CLUSTER_WORDS, CLUSTER_FILES),
        **({"insecure-skip-tls-verify": True} if skip is True else {}),
    }


def _user(entry: _Entry) -> dict[str, object]:
    """What the package understands of a user; what it would pass over in silence is refused."""
    for key in IMPERSONATION:
        if entry.data.get(key):
            _refuse("acting as another user is not supported", entry.place(key))
    user = _some(entry, USER_WORDS, USER_FILES)
    if "tokenFile" not in user and (token := entry.text("token") or _id_token(entry)):
        user["token"] = token
    plugin = entry.data.get("exec")
    if isinstance(plugin, dict):
        command = str(plugin.get("command", ""))
        user["exec"] = {**plugin, "command": entry.beside(command) if "/" in command else command}
    return user


def _id_token(entry: _Entry) -> str:
    """The token of the one auth-provider that Kubernetes still has; it is never renewed here."""
    provider = entry.data.get("auth-provider")
    if not isinstance(provider, dict):
        return ""
    config = provider.get("config")
    token = config.get("id-token") if isinstance(config, dict) else None
    if provider.get("name") != "oidc" or not isinstance(token, str):
        help = "use a credential plugin (exec): Kubernetes 1.26 dropped the others"
        _refuse("this auth-provider gives no token", entry.place("auth-provider"), help)
    return token


def _some(entry: _Entry, words: Sequence[str], files: Sequence[str]) -> dict[str, object]:
    """The texts and the files that are there; a file is named by its whole path."""
    found: dict[str, object] = {key: text for key in words if (text := entry.text(key))}
    for key, value in found.items():
        if key.endswith("-data") and not _is_base64(str(value)):
            _refuse(f"{key} is not base64", entry.place(key))
    for key in files:
        if not entry.text(key) or f"{key}-data" in found:
            continue
        path = entry.beside(entry.text(key))
        if not Path(path).is_file():
            _refuse(f"{key}: there is no such file: {path}", entry.place(key))
        found[key] = path
    return found


def _whole(
    context: str, cluster: Mapping[str, object], user: Mapping[str, object]
) -> dict[str, object]:
    """A kubeconfig of one context."""
    return {
        "current-context": context,
        "contexts": [{"name": context, "context": {"cluster": "cluster", "user": "user"}}],
        "clusters": [{"name": "cluster", "cluster": cluster}],
        "users": [{"name": "user", "user": user}],
    }


def _configuration(whole: dict[str, object], entry: _Entry) -> Configuration:
    """What the package makes of it. Its own words are not shown: they may quote an entry."""
    made = Configuration()
    with _listening() as said:
        try:
            load_kube_config_from_dict(  # type: ignore[no-untyped-call]
                whole, client_configuration=made, persist_config=False
            )
        except (ConfigException, OSError, UnicodeDecodeError):
            _refuse("a file that this context names cannot be read", entry.place())
    if "exec" in entry.data and not (made.api_key or made.cert_file):
        why = f": {quoted(said[0].splitlines()[0])[1:-1]}" if said else ""
        _refuse(f"the credential plugin gave no credentials{why}", entry.place("exec"))
    if "exec" not in entry.data:  # nothing runs out; the package would set all of it each time
        made.refresh_api_key_hook = None
    return made


@contextmanager
def _listening() -> Iterator[list[str]]:
    """What is logged meanwhile: kubernetes 37 tells of a failed plugin in no other way."""
    said: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    ear = Ear()
    logging.getLogger().addHandler(ear)
    try:
        yield said
    finally:
        logging.getLogger().removeHandler(ear)


def _is_sendable(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _is_base64(text: str) -> bool:
    try:
        base64.standard_b64decode(text)
    except ValueError:
        return False
    return True


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:  # `https://[::1`
        return False
    return parts.scheme in ("https", "http") and bool(parts.hostname)


def _shown(server: str) -> str:
    """A URL without the name and password that may stand in it."""
    parts = urlsplit(server)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _place(file: Document, *path: str | int) -> Place:
    """A place without its line, which may hold a secret."""
    at = file.place(path).position
    assert at is not None
    return Place(Position(at.file, at.line, at.column))


def _refuse(message: str, place: Place, help: str | None = None) -> NoReturn:
    raise ClusterError(error("kubeconfig", message, place, help=help))

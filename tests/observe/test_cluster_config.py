"""Every mistake in a kubeconfig is one line with its place, and no secret is in it."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from ferrule.observe.cluster_config import ClusterError, Login, login

TOKEN = "hunter2-token"  # noqa: S105
PLUGIN = "client.authentication.k8s.io/v1"

Config = dict[str, Any]


def config(**user: object) -> Config:
    """A kubeconfig of one context, with everything that a message might give away."""
    cluster = {"server": "https://192.0.2.1:6443"}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "prod",
        "contexts": [{"name": "prod", "context": {"cluster": "east", "user": "ops"}}],
        "clusters": [{"name": "east", "cluster": cluster}],
        "users": [{"name": "ops", "user": user or {"token": TOKEN}}],
    }


def written(folder: Path, content: object, name: str = "config") -> str:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1))
    return str(path)


def refused(kubeconfig: str | None, context: str | None = None) -> str:
    """What is said of it, without the folder it is in."""
    with pytest.raises(ClusterError) as caught:
        login(kubeconfig, context)
    text = str(caught.value.diagnostic)
    assert "hunter2" not in text
    folder = f"{Path(kubeconfig).parent}/" if kubeconfig else ""
    return text.replace(folder, "")


def bearer(one: Login) -> str | None:
    return one.headers().get("authorization")


# Which context


def test_the_current_context_is_taken(tmp_path: Path) -> None:
    one = login(written(tmp_path, config()))

    assert (one.context, one.server) == ("prod", "https://192.0.2.1:6443")
    assert bearer(one) == f"Bearer {TOKEN}"
    assert TOKEN not in repr(one)


def test_another_context_by_its_name(tmp_path: Path) -> None:
    two = config()
    two["contexts"].append({"name": "lab", "context": {"cluster": "lab", "user": "ops"}})
    two["clusters"].append({"name": "lab", "cluster": {"server": "http://198.51.100.1/k8s/"}})

    assert login(written(tmp_path, two), "lab").server == "http://198.51.100.1/k8s"


def test_a_name_and_password_in_the_url_are_not_shown(tmp_path: Path) -> None:
    one = config()
    one["clusters"][0]["cluster"]["server"] = "https://ops:hunter2@192.0.2.1"

    assert login(written(tmp_path, one)).server == "https://192.0.2.1"


def test_of_several_files_the_first_that_says_something_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = config(), config(token="hunter2-other")  # noqa: S106
    first.pop("current-context")
    first["contexts"] = []
    files = [
        str(tmp_path / "missing"),
        written(tmp_path, first, "one"),
        written(tmp_path, second, "two"),
    ]
    monkeypatch.setenv("KUBECONFIG", ":".join(files))

    assert bearer(login()) == f"Bearer {TOKEN}"


def test_files_are_looked_for_beside_the_kubeconfig(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sub").mkdir()
    Path("sub/token").write_text(f"{TOKEN}\n")

    assert bearer(login(written(Path("sub"), config(tokenFile="token")))) == f"Bearer {TOKEN}"


# Credentials


def test_a_plugin_gives_the_token(tmp_path: Path) -> None:
    status = {"token": TOKEN, "expirationTimestamp": "2999-01-01T00:00:00Z"}
    credential = {"apiVersion": PLUGIN, "kind": "ExecCredential", "status": status}
    script = written(tmp_path, f"print({json.dumps(json.dumps(credential))})", "plugin.py")
    plugin = {"apiVersion": PLUGIN, "command": sys.executable, "args": [script]}

    assert bearer(login(written(tmp_path, config(exec=plugin)))) == f"Bearer {TOKEN}"


def test_a_plugin_that_fails_says_why(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    script = written(tmp_path, "raise SystemExit('session has expired\\nlog in')", "plugin.py")
    plugin = {"apiVersion": PLUGIN, "command": sys.executable, "args": [script]}

    said = refused(written(tmp_path, config(exec=plugin)))

    assert said == (
        "config:26:13: error[kubeconfig]: the credential plugin gave no credentials: "
        "exec: process returned 1. session has expired"
    )
    assert capfd.readouterr() == ("", "")


def test_a_plugin_that_is_not_there(tmp_path: Path) -> None:
    plugin = {"apiVersion": PLUGIN, "command": "./no-such-plugin"}

    said = refused(written(tmp_path, config(exec=plugin)))

    assert "the credential plugin gave no credentials: [Errno 2] No such file" in said


def test_an_id_token_is_a_token(tmp_path: Path) -> None:
    provider = {"name": "oidc", "config": {"id-token": TOKEN, "refresh-token": "hunter2"}}

    one = login(written(tmp_path, config(**{"auth-provider": provider})))

    assert bearer(one) == f"Bearer {TOKEN}"


def test_a_token_that_http_cannot_carry_is_not_sent(tmp_path: Path) -> None:
    """`http.client` would quote it in its refusal."""
    assert bearer(login(written(tmp_path, config(token=f"{TOKEN}\r\nX: y")))) is None


# Mistakes


PARTS = {"context": "contexts", "cluster": "clusters", "user": "users"}


def edited(part: str, settings: Config) -> Config:
    """The kubeconfig with other settings in one part of it; None takes one out."""
    one = config()
    inner = one[PARTS[part]][0][part] if part else one
    inner.update(settings)
    for key in [key for key, value in inner.items() if value is None]:
        del inner[key]
    return one


MISTAKES: list[tuple[str, Config, str]] = [
    (
        "",
        {"current-context": None},
        "config:1:1: error[kubeconfig]: this kubeconfig has no current-context\n"
        "  = help: name one with --context; defined contexts: prod",
    ),
    (
        "",
        {"current-context": "prd"},
        'config:1:1: error[kubeconfig]: there is no context "prd" in this kubeconfig\n'
        '  = help: did you mean "prod"? defined contexts: prod',
    ),
    (
        "",
        {"contexts": "none"},
        'config:1:1: error[kubeconfig]: there is no context "prod" in this kubeconfig\n'
        "  = help: defined contexts: none",
    ),
    (
        "",
        {"kind": "Pod"},
        'config:1:1: error[kubeconfig]: this is no kubeconfig: its kind is "Pod"',
    ),
    (
        "context",
        {"cluster": "est"},
        'config:9:16: error[kubeconfig]: the context names cluster "est", which is not defined\n'
        '  = help: did you mean "east"? defined clusters: east',
    ),
    (
        "context",
        {"user": "opps"},
        'config:10:13: error[kubeconfig]: the context names user "opps", which is not defined\n'
        '  = help: did you mean "ops"? defined users: ops',
    ),
    (
        "cluster",
        {"server": "192.0.2.1"},
        'config:18:15: error[kubeconfig]: the server of context "prod" is no URL',
    ),
    (
        "cluster",
        {"server": "https://[2001:db8::1"},
        'config:18:15: error[kubeconfig]: the server of context "prod" is no URL',
    ),
    (
        "cluster",
        {"certificate-authority": "ca.crt"},
        "config:19:30: error[kubeconfig]: certificate-authority: there is no such file: ca.crt",
    ),
    (
        "cluster",
        {"certificate-authority-data": "hunter2"},
        "config:19:35: error[kubeconfig]: certificate-authority-data is not base64",
    ),
    (
        "user",
        {"as": "root"},
        "config:27:11: error[kubeconfig]: acting as another user is not supported",
    ),
    (
        "user",
        {"token": None, "auth-provider": {"name": "gcp", "config": {"access-token": "hunter2"}}},
        "config:26:22: error[kubeconfig]: this auth-provider gives no token\n"
        "  = help: use a credential plugin (exec): Kubernetes 1.26 dropped the others",
    ),
]


@pytest.mark.parametrize(
    ("part", "settings", "message"), MISTAKES, ids=[str(m[1]) for m in MISTAKES]
)
def test_mistakes(part: str, settings: Config, message: str, tmp_path: Path) -> None:
    assert refused(written(tmp_path, edited(part, settings))) == message


def test_a_context_that_is_not_there(tmp_path: Path) -> None:
    said = refused(written(tmp_path, config()), "prot")

    assert said.splitlines()[0] == (
        'config:1:1: error[kubeconfig]: there is no context "prot" in this kubeconfig'
    )


def test_no_kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))

    help = "\n  = help: name one with --kubeconfig FILE, or in the variable KUBECONFIG"
    message = "1:1: error[kubeconfig]: there is no such kubeconfig"
    assert refused(None) == f"{tmp_path}/.kube/config:{message}{help}"
    assert refused(str(tmp_path / "x")) == f"x:{message}{help}"


TEXTS = {
    "": "1:1: error[kubeconfig]: this is no kubeconfig: there is no document in here",
    "users: [{name: a, user: {client-key-data: hunter2, token": "1:",
    "kind: Config\nusers:\n- {name: ops, user: {client-key-data: hunter2}, \t\n": "3:",
    "\0": "1:1: error[kubeconfig]: this is no kubeconfig: this is binary data, not text",
    "- a": "1:1: error[kubeconfig]: this kubeconfig has no current-context",
}


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_no_kubeconfig(text: str, tmp_path: Path) -> None:
    assert refused(written(tmp_path, text)).startswith(f"config:{TEXTS[text]}")


def test_what_cannot_be_read(tmp_path: Path) -> None:
    said = refused(str(tmp_path))

    assert "error[kubeconfig]: this kubeconfig cannot be read: is a directory" in said


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"hunter2\xff")

    said = refused(written(tmp_path, config(tokenFile="token")))

    assert "error[kubeconfig]: a file that this context names cannot be read" in said

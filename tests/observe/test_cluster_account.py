"""Who a Pod is: files that change under a process that goes on."""

import json
from pathlib import Path

import pytest

from ferrule.observe.cluster_account import NAME, REREAD_S, account, enter, own_namespace
from ferrule.observe.cluster_config import ClusterError, Login

INSIDE = {"KUBERNETES_SERVICE_HOST": "192.0.2.1", "KUBERNETES_SERVICE_PORT": "443"}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text("hunter2-one\n")
    (tmp_path / "ca.crt").write_text("a certificate")
    (tmp_path / "namespace").write_text("ferrule-system\n")
    return tmp_path


def bearer(one: Login | None) -> str | None:
    assert one
    return one.headers().get("authorization")


def test_the_cluster_of_a_pod(folder: Path) -> None:
    one = account(folder, INSIDE)

    assert one is not None
    assert (one.context, one.server) == (NAME, "https://192.0.2.1:443")
    assert one.configuration.ssl_ca_cert == str(folder / "ca.crt")
    assert one.configuration.verify_ssl
    assert bearer(one) == "Bearer hunter2-one"
    assert "hunter2" not in repr(one)
    assert own_namespace(folder) == "ferrule-system"


def test_an_address_of_ipv6(folder: Path) -> None:
    one = account(folder, {**INSIDE, "KUBERNETES_SERVICE_HOST": "2001:db8::1"})

    assert one is not None
    assert one.server == "https://[2001:db8::1]:443"


@pytest.mark.parametrize("lacking", [*INSIDE, "token", "ca.crt"])
def test_outside_of_a_cluster(folder: Path, lacking: str) -> None:
    (folder / lacking).unlink(missing_ok=True)

    assert account(folder, {**INSIDE, lacking: ""}) is None


def test_no_namespace(tmp_path: Path) -> None:
    assert own_namespace(tmp_path) == ""


def test_a_token_is_read_again_within_a_minute(folder: Path) -> None:
    clock = Clock()
    one = account(folder, INSIDE, clock)
    assert bearer(one) == "Bearer hunter2-one"
    (folder / "token").write_text("hunter2-two")

    clock.now += REREAD_S - 1
    assert bearer(one) == "Bearer hunter2-one"
    clock.now += 1
    assert bearer(one) == "Bearer hunter2-two"
    assert REREAD_S <= 60


def test_whoever_logs_in_again_reads_it_at_once(folder: Path) -> None:
    one = account(folder, INSIDE, Clock())
    assert bearer(one) == "Bearer hunter2-one"
    (folder / "token").write_text("hunter2-two")

    assert one is not None
    assert bearer(one.again()) == "Bearer hunter2-two"


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", None], ids=["empty", "no text", "gone"])
def test_a_token_that_cannot_be_read_just_now(folder: Path, content: bytes | None) -> None:
    """The last one still does; it is looked for at each request."""
    clock = Clock()
    one = account(folder, INSIDE, clock)
    assert bearer(one) == "Bearer hunter2-one"
    clock.now += REREAD_S
    (folder / "token").unlink()
    if content is not None:
        (folder / "token").write_bytes(content)

    assert bearer(one) == "Bearer hunter2-one"
    assert one is not None
    assert one.again().server == one.server
    (folder / "token").write_text("hunter2-two")
    assert bearer(one) == "Bearer hunter2-two"


def test_a_token_that_is_empty_from_the_start_is_not_sent(folder: Path) -> None:
    (folder / "token").write_text("\n")

    assert bearer(account(folder, INSIDE)) is None


# Which of all


@pytest.fixture
def kubeconfig(tmp_path: Path) -> str:
    path = tmp_path / "config"
    config = {
        "current-context": "prod",
        "contexts": [{"name": "prod", "context": {"cluster": "c"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://192.0.2.9"}}],
    }
    path.write_text(json.dumps(config))
    return str(path)


def test_what_is_named_beats_where_we_are(
    folder: Path, kubeconfig: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**INSIDE, "KUBECONFIG": kubeconfig}.items():
        monkeypatch.setenv(name, value)

    assert enter(folder=folder).context == NAME
    assert enter(kubeconfig, folder=folder).context == "prod"
    assert enter(None, "prod", folder=folder).context == "prod"


def test_outside_it_is_as_always(
    tmp_path: Path, kubeconfig: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", kubeconfig)
    assert enter(folder=tmp_path / "none").context == "prod"

    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    with pytest.raises(ClusterError):
        enter(folder=tmp_path / "none")

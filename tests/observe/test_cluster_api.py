"""What a server, or what is in its place, does to a request; all on sockets of our own."""

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import BaseModel

from ferrule.observe import cluster_api
from ferrule.observe.cluster_api import Answer, Api
from ferrule.observe.cluster_config import ClusterError, login

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n{}"
BUSY = b"HTTP/1.1 429 Too Many\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"
BUSY_FOR_AN_HOUR = BUSY.replace(b"After: 0", b"After: 3600")


class Nothing(BaseModel):
    pass


def request(connection: socket.socket) -> bytes:
    """A whole request, however it is cut up; or what there is of none."""
    heard = b""
    while chunk := connection.recv(65536):
        heard += chunk
        head, end, body = heard.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        if (end and len(body) >= int(length[1] if length else 0)) or not head[:1].isalpha():
            break
    return heard


@contextmanager
def server(*answers: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Answers one connection after the other with these bytes; its URL, and what it was sent."""
    heard: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for answer in answers:
            try:
                connection, _ = listener.accept()
            except OSError:  # the test is over
                return
            with connection:
                heard.append(request(connection))
                connection.sendall(answer.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", heard
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(timeout=5)
        listener.close()


@pytest.fixture
def api(tmp_path: Path) -> Callable[..., Api]:
    """A way to the server at a URL."""

    def make(url: str, read_s: float = 20, **settings: object) -> Api:
        path = tmp_path / "config"
        config = {
            "current-context": "prod",
            "contexts": [{"name": "prod", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": url, **settings}}],
            "users": [{"name": "u", "user": {"token": "hunter2"}}],
        }
        path.write_text(json.dumps(config))
        return Api(login(str(path)), connect_s=20, read_s=read_s)

    return make


def refusal(api: Api) -> str:
    with pytest.raises(ClusterError) as caught:
        api.get(Nothing, "/api", "things")
    said = str(caught.value.diagnostic).splitlines()[0]
    assert "hunter2" not in said
    return said.replace(api.server, "SERVER").removeprefix("context prod: error")


def test_a_request_and_its_answer(api: Callable[..., Api]) -> None:
    with server(OK) as (url, heard):
        answer = api(url).send("GET", "/api/v1/things", query={"continue": "a b&c", "limit": 5})

    assert (answer.status, answer.content, answer.ok) == (200, b"{}", True)
    assert answer.date is not None
    assert answer.date.isoformat() == "1994-11-06T08:49:37+00:00"
    assert heard[0].startswith(b"GET /api/v1/things?continue=a+b%26c&limit=5 HTTP/1.1\r\n")
    assert b"authorization: Bearer hunter2\r\n" in heard[0]


def test_a_body_and_its_form(api: Callable[..., Api]) -> None:
    with server(OK) as (url, heard):
        api(url).send("PATCH", "/x", body={"a": None}, form="merge")

    assert b"Content-Type: application/merge-patch+json\r\n" in heard[0]
    assert heard[0].endswith(b'\r\n\r\n{"a": null}')


def test_a_busy_server_is_asked_again(api: Callable[..., Api]) -> None:
    with server(BUSY, BUSY, OK) as (url, _):
        assert api(url).send("GET", "/").ok


def test_a_busy_server_is_not_waited_for_long(
    api: Callable[..., Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_api, "LONGEST_WAIT_S", 0.1)
    with server(*[BUSY_FOR_AN_HOUR] * 4) as (url, _):
        assert refusal(api(url)) == (
            "[cluster-unreadable]: things cannot be read: 429 Too Many Requests"
        )


def test_credentials_go_nowhere_else(api: Callable[..., Api]) -> None:
    with server(OK) as (elsewhere, heard):
        away = b"HTTP/1.1 302 Found\r\nLocation: %s/\r\nContent-Length: 0\r\n\r\n"
        with server(away % elsewhere.encode()) as (url, _):
            assert refusal(api(url)) == "[cluster-unreadable]: things cannot be read: 302 Found"
        assert not heard


# Credentials


EXPIRED = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"


def test_a_token_that_has_expired_is_read_anew(api: Callable[..., Api], tmp_path: Path) -> None:
    with server(EXPIRED, OK, OK) as (url, heard):
        one = api(url)
        config = (tmp_path / "config").read_text()
        (tmp_path / "config").write_text(config.replace("hunter2", "hunter2-new"))

        assert one.send("GET", "/").ok
        assert one.send("GET", "/").ok

    assert [b"hunter2-new" in each for each in heard] == [False, True, True]


def test_whoever_is_not_let_in_twice_is_told(api: Callable[..., Api]) -> None:
    with server(EXPIRED, EXPIRED) as (url, heard):
        said = refusal(api(url))

    assert said == "[cluster-unauthorized]: SERVER does not let us in: 401 Unauthorized"
    assert len(heard) == 2


def test_credentials_that_are_gone(api: Callable[..., Api], tmp_path: Path) -> None:
    with server(EXPIRED, EXPIRED) as (url, heard):
        one = api(url)
        (tmp_path / "config").unlink()
        assert one.send("GET", "/").status == 401
        assert len(heard) == 1


def test_of_many_threads_one_reads_them_anew(api: Callable[..., Api]) -> None:
    one = api("http://127.0.0.1:1")
    used = one.login

    assert one.renew(used)
    renewed = one.login
    assert renewed is not used
    assert one.renew(used)
    assert one.login is renewed


ANSWERS = {
    "what is no JSON": (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n<p>", "something else"),
    "a list where an object should be": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        "something else",
    ),
    "a depth that exhausts": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"[" * 100_000,
        "something else",
    ),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_that_is_something_else(answer: str, api: Callable[..., Api]) -> None:
    content, why = ANSWERS[answer]
    with server(content) as (url, _):
        assert refusal(api(url)) == (
            f"[cluster-unreadable]: things cannot be read: the answer is {why}"
        )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"message": "pods \\"x\\" not found"}', '500 pods "x" not found'),
        (b'{"message": "one\\ntwo\\u001b[31m"}', "500 one\\ntwo\\x1b[31m"),
        (b'{"message": "' + b"x" * 1000 + b'"}', "500 " + "x" * 296),
        (b"{}", "500 Internal Server Error"),
        (b"[1]", "500 Internal Server Error"),
        (b"gateway", "500 Internal Server Error"),
    ],
)
def test_what_a_server_says_is_one_line(content: bytes, said: str) -> None:
    assert Answer(500, content).said == said


def test_a_status_that_has_no_name() -> None:
    assert Answer(599).said == "599 "


# No answer


def test_silence(api: Callable[..., Api]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        one = api(f"http://127.0.0.1:{mute.getsockname()[1]}", read_s=0.2)
        assert refusal(one) == (
            "[cluster-unreadable]: things cannot be read: no answer within 0.2 s"
        )


def test_a_connection_that_breaks(api: Callable[..., Api]) -> None:
    with server(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{") as (url, _):
        assert refusal(api(url)).startswith("[cluster-unreachable]: SERVER does not answer: ")


def test_a_server_that_speaks_no_tls(api: Callable[..., Api]) -> None:
    with server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as (url, _):
        assert refusal(api(url.replace("http", "https"))) == (
            "[cluster-tls]: no TLS with SERVER: wrong version number"
        )


def test_an_authority_that_is_no_certificate(api: Callable[..., Api], tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("junk")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        one = api(url, **{"certificate-authority": "ca.crt"})
        assert refusal(one) == ("[cluster-tls]: no TLS with SERVER: no certificate or crl found")


def test_a_name_that_is_none(api: Callable[..., Api]) -> None:
    one = api(f"https://{'a' * 70}.example.net")

    assert refusal(one) == ("[cluster-unreachable]: SERVER does not answer: its URL cannot be used")


def test_a_proxy_that_is_not_there(api: Callable[..., Api]) -> None:
    one = api("https://192.0.2.1", **{"proxy-url": "http://ops:hunter2@127.0.0.1:1"})

    assert refusal(one) == (
        "[cluster-unreachable]: SERVER does not answer: its proxy: connection refused"
    )

"""Metrics and health over HTTP: `/metrics`, `/healthz`, `/readyz`.

What is served is computed when it is asked for: `collect` gives families, `ready` says why not yet
(an empty text is ready). Alive is who answers.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import CollectorRegistry

Why = Callable[[], str]


class _Collector:
    def __init__(self, collect: Callable[[], Iterable[Metric]]) -> None:
        self.collect = collect


class _Server(ThreadingHTTPServer):
    """Of both families where the host has both: a kubelet probes by the Pod's address."""

    daemon_threads = True
    address_family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET

    def server_bind(self) -> None:
        """IPv4 as well, whatever `net.ipv6.bindv6only` says."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


class Serving:
    """A server on one port, in threads of its own. Port 0 takes a free one."""

    def __init__(self, port: int, collect: Callable[[], Iterable[Metric]], ready: Why) -> None:
        registry = CollectorRegistry()
        registry.register(_Collector(collect))

        class Answering(BaseHTTPRequestHandler):
            """The three pages."""

            timeout = 5  # of a client that says nothing

            def do_GET(self) -> None:  # http.server's name
                """One page."""
                if self.path == "/metrics":
                    self._answer(HTTPStatus.OK, generate_latest(registry), CONTENT_TYPE_LATEST)
                elif self.path in ("/healthz", "/livez", "/readyz"):
                    why = ready() if self.path == "/readyz" else ""
                    status = HTTPStatus.SERVICE_UNAVAILABLE if why else HTTPStatus.OK
                    self._answer(status, f"{why or 'ok'}\n".encode(), "text/plain; charset=utf-8")
                else:
                    self._answer(HTTPStatus.NOT_FOUND, b"", "text/plain")

            def _answer(self, status: HTTPStatus, content: bytes, kind: str) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Probes are no news."""

        self._server = _Server(("", port), Answering)
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="serving", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._server.server_port

    def stop(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

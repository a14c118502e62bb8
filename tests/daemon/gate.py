"""A way to a server that a test can close: for some, or for good.

Whoever is on the other side of a closed gate sees what a cut cable shows: nothing. What was sent
arrives when it opens again.
"""

import json
import socket
import threading
from pathlib import Path
from urllib.parse import urlsplit

from daemon.kube import Plane


class Gate:
    """Passes on what comes to a port of its own."""

    def __init__(self, server: str) -> None:
        parts = urlsplit(server)
        self._to = (parts.hostname or "", parts.port or 0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.server = f"https://127.0.0.1:{self.port}"
        self._opened = threading.Event()
        self._opened.set()
        self._ends: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._begin(self._accept)

    def kubeconfig(self, plane: Plane, path: Path, user: str = "") -> str:
        """Of a user of the plane, who comes this way."""
        source = plane.kubeconfig_of(user) if user else plane.kubeconfig
        config = json.loads(source.read_text())
        config["clusters"][0]["cluster"]["server"] = self.server
        path.write_text(json.dumps(config))
        return str(path)

    def shut(self) -> None:
        """Nothing passes any more, and nobody is told."""
        self._opened.clear()

    def open(self) -> None:
        """What waits passes, and what comes."""
        self._opened.set()

    def cut(self) -> None:
        """End every connection there is."""
        ends, self._ends = self._ends, []
        for end in ends:
            _shut(end)

    def close(self) -> None:
        """End it all."""
        _shut(self._listener)
        self.open()
        self._threads[0].join()
        self.cut()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def __enter__(self) -> "Gate":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self._begin(self._connect, near)

    def _connect(self, near: socket.socket) -> None:
        self._opened.wait()
        with near:
            try:
                far = socket.create_connection(self._to)
            except OSError:  # the server is not there
                return
            with far:
                self._ends += [near, far]
                back = threading.Thread(target=self._pump, args=(far, near))
                back.start()
                self._pump(near, far)
                back.join()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                self._opened.wait()
                sink.sendall(data)
        except OSError:
            pass
        _shut(source)
        _shut(sink)


def _shut(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        return

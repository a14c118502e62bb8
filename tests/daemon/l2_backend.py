"""What a Service's endpoint on a node is here: says which node it is, over HTTP and in datagrams.

    python l2_backend.py NAME      until it is killed; prints a line once it listens

HTTP on port 8080 and an echo of datagrams on 7007, both families. A program of its own: the node's
name is what the client gets, whoever of the nodes the address led it to.
"""

import selectors
import socket
import sys
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HTTP, ECHO = 8080, 7007


def main(name: bytes) -> None:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # http.server's
            self.send_response(200)
            self.send_header("Content-Length", str(len(name)))
            self.end_headers()
            self.wfile.write(name)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6  # and IPv4: one socket hears both

    server = Server(("::", HTTP), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    selector = selectors.DefaultSelector()
    for family, any_ in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):  # noqa: S104
        sock = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((any_, ECHO))
        selector.register(sock, selectors.EVENT_READ, sock)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        for key, _ in selector.select():
            data, where = key.data.recvfrom(100)
            with suppress(OSError):  # its link is down
                key.data.sendto(data + name, where)


if __name__ == "__main__":
    main(sys.argv[1].encode())

"""Who asks from beyond the switch, and what answers over UDP in a Pod; run by its file name.

path_client.py answer PORT NAME        `ADDRESS NAME` to every datagram, ADDRESS its sender's
path_client.py ask ADDRESS PORT        one answer to a datagram, printed
path_client.py keep ADDRESS RATE FROM  HTTP, until SIGTERM, each time by a connection of its own

`keep` prints each answer, and after it `= STATUS SECONDS`; without a connection STATUS is 000, with
one that gives no answer it is `cut`, and after `!` stands why. Its connections have ports from FROM
on: what a node's conntrack remembers of an earlier one with the same port, when it had no rules yet
or other Pods, would be true of it.
"""

import signal
import socket
import sys
import threading
import time
from ipaddress import ip_address

TRIES, TRY_S, PATIENCE_S = 10, 1.0, 10.0


def answer(port: int, name: str) -> None:
    """For ever, to both families."""
    server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.bind(("::", port))
    while True:
        _, (host, *where) = server.recvfrom(512)
        sender = ip_address(host)
        shown = getattr(sender, "ipv4_mapped", None) or sender
        server.sendto(f"{shown} {name}\n".encode(), (host, *where))


def ask(address: str, port: int) -> None:
    """A datagram is sent again where it is lost, from the same socket."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(TRY_S)
        client.connect((address, port))
        for _ in range(TRIES):
            try:
                client.send(b"?")
                sys.stdout.write(client.recv(512).decode())
            except OSError:
                continue
            return
    raise SystemExit(f"no answer from {address} port {port}")


def keep(address: str, rate: float, port: int) -> None:
    """The request that is under way at the end is waited for."""
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    while not over.wait(1 / rate):
        began = time.monotonic()
        status, said = _get(address, port)
        port += 1
        sys.stdout.write(f"{said}\n= {status} {time.monotonic() - began:.3f}\n")


def _get(address: str, port: int) -> tuple[str, str]:
    """The status, and the body or what went wrong."""
    status = "000"
    try:
        with socket.create_connection((address, 80), PATIENCE_S, ("", port)) as connection:
            status = "cut"
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            with connection.makefile("rb") as answer:
                head, _, body = answer.read().decode().partition("\r\n\r\n")
            return head.split()[1], body
    except (OSError, IndexError) as bad:
        return status, f"! {bad}"


if __name__ == "__main__":
    what, where, *words = sys.argv[1:]
    if what == "answer":
        answer(int(where), words[0])
    elif what == "ask":
        ask(where, int(words[0]))
    else:
        keep(where, float(words[0]), int(words[1]))

"""A client that counts: a datagram each 5 ms to one address, and who answered which.

    python l2_meter.py ADDRESS     until stdin ends; then one line of JSON: [when, node or ""], in
                                   the order sent, seconds of the monotonic clock

A program of its own, so that nothing of the test delays it. It asks a few times more after the end,
so that what was so by then is seen. An answer that comes within a second counts.
"""

import json
import select
import socket
import struct
import sys
import time
from contextlib import suppress

EVERY_S, MORE_S, PATIENCE_S, PORT = 0.005, 0.1, 1.0, 7


def main(address: str) -> None:
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)  # noqa: FBT003  # has no keyword
    sock.connect((address, PORT))
    sent: list[float] = []
    by: dict[int, str] = {}
    next_at, stop_at, last_at = time.monotonic(), float("inf"), float("inf")
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while (now := time.monotonic()) < last_at:
        if now >= stop_at:
            next_at = last_at
        elif now >= next_at:
            next_at = max(next_at + EVERY_S, now)
            with suppress(OSError):  # nobody at that address, as an ICMP error says
                sock.send(struct.pack("!I", len(sent)))
            sent.append(now)
        listening = [sock, sys.stdin] if last_at == float("inf") else [sock]
        ready, _, _ = select.select(listening, [], [], max(0.0, next_at - now))
        if sock in ready:
            try:
                data = sock.recv(100)
            except OSError:
                continue
            by.setdefault(struct.unpack_from("!I", data)[0], data[4:].decode())
        if sys.stdin in ready:
            stop_at = time.monotonic() + MORE_S
            last_at = stop_at + PATIENCE_S
    sys.stdout.write(json.dumps([[at, by.get(one, "")] for one, at in enumerate(sent)]))


if __name__ == "__main__":
    main(sys.argv[1])

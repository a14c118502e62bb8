"""A signal comes in the middle of anything: what it begins may need what was being done."""

from __future__ import annotations

import signal
import threading

from ferrule.commands import signals

USR1, USR2 = signal.SIGUSR1, signal.SIGUSR2


def test_what_a_signal_begins_may_wait_for_what_it_interrupts() -> None:
    lock, acted = threading.Lock(), threading.Event()

    def act() -> None:
        if lock.acquire(timeout=5):
            acted.set()

    with signals.first_of([USR1], act):
        with lock:
            signal.raise_signal(USR1)
            assert not acted.is_set()
        assert acted.wait(5)


def test_only_the_first_begins_something_and_handlers_are_as_before() -> None:
    before = signal.getsignal(USR1), signal.getsignal(USR2)
    acts: list[int] = []
    with signals.first_of([USR1, USR2], lambda: acts.append(1)):
        for one in (USR1, USR2, USR1):
            signal.raise_signal(one)
    assert acts == [1]
    assert (signal.getsignal(USR1), signal.getsignal(USR2)) == before


def test_what_is_ignored_stays_ignored() -> None:
    acts: list[int] = []
    before = signal.signal(USR1, signal.SIG_IGN)
    try:
        with signals.first_of([USR1], lambda: acts.append(1)):
            signal.raise_signal(USR1)
    finally:
        signal.signal(USR1, before)
    assert acts == []

"""Fixtures of the daemon tests. `flavours` alone decides whether they run."""

import signal
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

import pytest

from daemon.flavour import Flavour
from daemon.lab import Lab
from daemon.need import refuse, require_flavours


@pytest.fixture(scope="session")
def flavours() -> dict[str, Flavour]:
    return require_flavours()


@pytest.fixture(scope="session", params=["8", "10"])
def flavour(request: pytest.FixtureRequest, flavours: dict[str, Flavour]) -> str:
    """Each major version in turn."""
    major: str = request.param
    if major not in flavours:
        refuse(f"no FRR {major} installed")
    return major


@pytest.fixture
def lab(flavours: dict[str, Flavour]) -> Iterator[Lab]:
    with Lab(flavours) as lab:
        yield lab


@pytest.fixture(scope="session", autouse=True)
def _interrupted_when_cancelled() -> Iterator[None]:
    """Make the first SIGTERM an exception, so that a cancelled run takes its labs down.

    Only the first: `timeout` sends it to the process and again to the group.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    yield
    signal.signal(signal.SIGTERM, before)

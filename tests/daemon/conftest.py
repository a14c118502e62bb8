"""Fixtures of the daemon tests. `flavours` alone decides whether they run."""

import signal
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

import pytest

from daemon.flavour import Flavour
from daemon.kube import Plane, start
from daemon.kube_world import populate, with_our_kinds
from daemon.lab import Lab
from daemon.need import refuse, require_flavours
from ferrule.observe.cluster import Snapshot, load


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


# A Kubernetes API server, one for the session.


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """A control plane that knows our kinds, and users who may do nothing."""
    plane = start(tmp_path_factory.mktemp("kube"), users=("planner", "reader", "partial", "nobody"))
    try:
        with_our_kinds(plane)
        yield plane
    finally:
        plane.stop()


@pytest.fixture(scope="session")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """Another one, for tests that leave Nodes and other people's objects in it."""
    plane = start(tmp_path_factory.mktemp("crowd"))
    try:
        with_our_kinds(plane)
        yield plane
    finally:
        plane.stop()


@pytest.fixture(scope="session")
def bare(plane: Plane) -> Snapshot:
    """What is read of it before there is anything in it."""
    return load(str(plane.kubeconfig))


@pytest.fixture(scope="session")
def cluster(plane: Plane, bare: Snapshot) -> Plane:  # noqa: ARG001  # bare is before
    """The same with a small cluster in it."""
    populate(plane)
    return plane

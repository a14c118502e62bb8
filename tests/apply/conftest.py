"""One fabric for all tests that log in somewhere: three nodes with FRR 8, two switches with 10."""

from collections.abc import Iterator

import pytest
from fabric.fabric import Fabric


@pytest.fixture(scope="session")
def fabric() -> Iterator[Fabric]:
    with Fabric("fabric", node="8", switch="10") as fabric:
        yield fabric


@pytest.fixture
def inside(fabric: Fabric) -> Iterator[Fabric]:
    """The same, with the test on its workstation."""
    with fabric.inside():
        yield fabric

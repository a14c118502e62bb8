"""A cancelled run takes its fabrics down, as those of tests/daemon do."""

from daemon.conftest import _interrupted_when_cancelled

__all__ = ["_interrupted_when_cancelled"]

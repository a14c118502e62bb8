"""What the daemon tests need of a machine, and what becomes of them without it."""

import os
import shutil
from typing import NoReturn

import pytest

from daemon.flavour import Flavour, discover, execute


def require_flavours() -> dict[str, Flavour]:
    """The installed FRR by major version, or the end of the test that asks."""
    if os.geteuid() != 0:
        refuse("not root")
    if shutil.which("ip") is None:
        refuse("no iproute2")
    if execute(["unshare", "--net", "true"]).returncode:
        refuse("no right to make network namespaces")
    return discover() or refuse("no FRR installed")


def refuse(missing: str) -> NoReturn:
    """Skip what cannot be tested here; in CI, where it must be tested, fail."""
    line = f"{missing}: not tested against real FRR daemons (see tests/daemon/install)"
    if os.environ.get("CI") == "true":
        pytest.fail(line, pytrace=False)
    pytest.skip(line)

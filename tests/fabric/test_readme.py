"""The README's first apply, on devices: its commands, in order, print what it shows."""

from __future__ import annotations

import pytest
from test_readme import ON_DEVICES, commands, matches

from fabric.fabric import Fabric

pytestmark = pytest.mark.daemon


def test_the_first_apply_prints_what_is_shown() -> None:
    assert ON_DEVICES
    with Fabric("fabric", node="10", switch="10") as fabric:
        for block in ON_DEVICES:
            for first, *shown in commands(block):
                words = [fabric.paths[0] if one == "prod" else one for one in first.split()[2:]]
                done = fabric.ferrule(*words, timeout_s=300)
                said = f"{done.stdout}{done.stderr}".replace(fabric.paths[0], "prod")
                assert done.returncode == 0, said
                assert matches(shown, said.rstrip("\n").splitlines()), said

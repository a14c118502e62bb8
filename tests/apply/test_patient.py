"""A slow device is given the time that it is said to need."""

from __future__ import annotations

import pytest

from ferrule.apply.local import Local
from ferrule.apply.patient import Patient
from ferrule.apply.target import Trouble

SLOW = ("sh", "-c", "sleep 0.5; echo done")


def test_patience_is_for_every_command() -> None:
    patient = Patient(Local("node-1"), 20)
    assert patient.run(SLOW, timeout_s=0.1).out == "done\n"
    assert patient.ask(SLOW, SLOW, timeout_s=0.1)[1].out == "done\n"


def test_whoever_has_more_patience_keeps_it() -> None:
    assert Patient(Local("node-1"), 0.1).run(SLOW, timeout_s=20).out == "done\n"


def test_patience_has_an_end() -> None:
    with pytest.raises(Trouble, match=r"did not end within 0\.2 s"):
        Patient(Local("node-1"), 0.2).run(SLOW, timeout_s=0.1)

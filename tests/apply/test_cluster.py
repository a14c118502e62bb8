"""An API server that goes away while a status is written."""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import pytest

from ferrule.apply.cluster import write_status
from ferrule.apply.target import Trouble
from ferrule.compiler.service import read_services
from ferrule.compiler.source import Document

META = {"name": "web", "namespace": "shop", "resourceVersion": "7"}
SPEC = {"type": "LoadBalancer"}
SERVICE = Document({"apiVersion": "v1", "kind": "Service", "metadata": META, "spec": SPEC})


@dataclass(frozen=True)
class NoAnswer:
    status: int = 0
    ok: bool = False
    said: str = "the connection broke"


class Gone:
    name = "context prod"

    def send(self, *_: object, **__: Any) -> NoAnswer:
        return NoAnswer()


def test_without_an_answer_it_is_not_known_whether_it_was_written() -> None:
    ((demand,), _) = read_services([SERVICE], "")

    with pytest.raises(Trouble) as caught:
        write_status(Gone(), demand, (ip_address("192.0.2.10"),), "public")

    assert str(caught.value.diagnostic()) == (
        "input: error[cluster-unreachable]: context prod: "
        "whether the status of Service shop/web was written is not known: the connection broke\n"
        "  = help: plan again: that shows it"
    )

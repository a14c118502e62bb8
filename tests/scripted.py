"""A channel that answers what a test has written down, for devices that no lab can be."""

import json
from collections.abc import Mapping, Sequence

from ferrule.apply.target import READ_S, Answer

GONE = Answer(127, "", "sh: 1: it: not found\n")


class Scripted:
    """`answers` by the end of the command's text, sudo or not."""

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self._answers = answers

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout_s: float = READ_S) -> Answer:
        assert not stdin
        assert timeout_s == READ_S
        said = " ".join(argv)
        return next((one for end, one in self._answers.items() if said.endswith(end)), GONE)

    def ask(self, *commands: Sequence[str], timeout_s: float = READ_S) -> tuple[Answer, ...]:
        return tuple(self.run(argv, timeout_s=timeout_s) for argv in commands)

    def hold(self, argv: Sequence[str], word: str, *, timeout_s: float = READ_S) -> None:
        raise NotImplementedError

    def close(self) -> None:
        pass


# What vtysh says of a small node.

CONFIG = """\
Building configuration...

Current configuration:
!
frr version 10.3
frr defaults traditional
hostname node-1
!
router bgp 65010
 neighbor 198.51.100.1 remote-as 65001
exit
!
end
"""
INTERFACES = {
    "eth0": {"ipAddresses": [{"address": "198.51.100.11/24"}, {"address": "fe80::1/64"}]},
    "lo": {"ipAddresses": [{"address": "127.0.0.1/8"}, {"address": "2001:db8::11/128"}]},
    "odd": {"ipAddresses": [{"address": "?"}, {}, 3]},
}
NEIGHBORS = {"default": {"vrfId": 0, "198.51.100.1": {"bgpState": "Established"}}}
BFD = [{"peer": "198.51.100.1", "vrf": "default", "status": "down"}]
DOCUMENTS = [json.dumps(one, indent=2) for one in (INTERFACES, NEIGHBORS, BFD)]
SAID = CONFIG + "\n\n".join(DOCUMENTS) + "\n"

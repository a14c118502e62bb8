"""Somebody outside the cluster says that an address of ours is theirs (RFC 5227 §2.4).

The address is kept and defended, but at most once in ten seconds: two that defend without end
would fill the segment. Each defense is also an event; what lies between is only counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ferrule.announce.wire import Claim, Mac

DEFEND_INTERVAL_S = 10.0


@dataclass
class Conflicts:
    """By address: who claimed it last, and when it was defended."""

    count: int = 0
    defended: dict[bytes, tuple[float, Mac]] = field(default_factory=dict)

    def defend(self, claim: Claim, now: float) -> bool:
        """Whether to defend, and tell, now."""
        self.count += 1
        last = self.defended.get(claim.address)
        if last is not None and now - last[0] < DEFEND_INTERVAL_S:
            return False
        self.defended[claim.address] = (now, claim.mac)
        return True

    def forget(self, address: bytes) -> None:
        """It is no longer ours."""
        self.defended.pop(address, None)

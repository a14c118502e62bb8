"""What is almost right, by hundred thousands: nothing crashes, nothing is answered for others."""

from collections import Counter
from contextlib import suppress
from itertools import count
from random import Random

import pytest

from announce.fuzz import ASKER, OURS, OWNED, frames, mutated
from ferrule.announce import arp, ndp
from ferrule.announce.heartbeat import Beat, BeatError, Down, State, decode, derived_key, encode
from ferrule.announce.members import Members
from ferrule.announce.peers import Timing
from ferrule.announce.wire import Claim, Drop, is_station

KEY, OTHER = derived_key(b"secret", "prod"), derived_key(b"secret", "lab")
NAMES = ("node-1", "node-2", "node-3", "node-4")


def judged(seed: int, number: int) -> Counter[str]:
    """Verdicts by kind; each reply is read again, and has to be about what we own."""
    kinds: Counter[str] = Counter()
    for frame in frames(seed, number):
        for module in (arp, ndp):
            verdict = module.answer(frame, OURS, OWNED, {OURS})
            if isinstance(verdict, Drop):
                kinds[verdict.value] += 1
            elif isinstance(verdict, Claim):
                kinds["claim"] += 1
                assert verdict.address in OWNED
                assert is_station(verdict.mac)
                assert verdict.mac != OURS
            else:
                kinds["reply"] += 1
                read = module.decode(verdict)
                address = read.sender if isinstance(read, arp.Arp) else read.target
                assert address.packed in OWNED
                assert verdict[6:12] == OURS
                assert is_station(verdict[:6]) or verdict[:6] == bytes.fromhex("333300000001")
    return kinds


def test_frames_that_are_almost_right() -> None:
    kinds = judged(1, 100_000)
    assert {"reply", "claim", *(one.value for one in _REACHED)} <= kinds.keys()


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10))
def test_millions_of_frames_that_are_almost_right(seed: int) -> None:
    assert judged(100 + seed, 500_000)["reply"]


_REACHED = set(Drop) - {Drop.REQUESTER_LIMIT, Drop.GLOBAL_LIMIT, Drop.SEND_FAILED}


def beat(random: Random) -> Beat:
    names = [random.choice((*NAMES, "", "stranger")) for _ in range(6)]
    return Beat(
        names[0], random.choice(("node-1", names[1])), number(random), number(random),
        number(random), number(random), random.choice(list(State)), random.random() < 0.5,
        random.randbytes(8), (ASKER,) * random.randrange(3), tuple(names[2:4]),
        tuple(Down(random.randrange(4), name) for name in names[4:]), random.random() < 0.5,
    )  # fmt: skip


def number(random: Random) -> int:
    return random.choice((0, 1, 2, 3, 2**64 - 1, random.getrandbits(64)))


def heard(seed: int, times: int) -> Counter[str]:
    """What becomes of datagrams, some of them signed by who holds the key and lies."""
    random = Random(seed)  # noqa: S311  # has to come again
    members = Members("node-1", count(1), Timing(), 0.0)
    members.roster(NAMES, 0.0, fresh=True)
    members.equip(0.0, able=True)
    kinds: Counter[str] = Counter()
    for step in range(times):
        now = step / 1000
        data = encode(beat(random), random.choice((KEY, KEY, OTHER)))
        if random.random() < 0.5:
            data = mutated(data, random)
        try:
            kinds["heard" if members.hear(decode(data, [KEY]), now) else "passed over"] += 1
        except BeatError as error:
            kinds[str(error)] += 1
        members.tick(now)
        view = members.view(now)
        assert view.ready | view.rest <= set(NAMES)
        for one in members.beats(now, bytes(8), (OURS,)):
            assert decode(encode(one, KEY), [KEY]) == one
        with suppress(IndexError):
            members.news.pop()
    return kinds


def test_beats_that_lie() -> None:
    kinds = heard(1, 5000)
    assert {"heard", "passed over", "signature"} <= kinds.keys()


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10))
def test_a_million_beats_that_lie(seed: int) -> None:
    assert heard(100 + seed, 100_000)["heard"]

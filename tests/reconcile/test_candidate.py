"""Two replicas never lead at one moment, whatever network, clocks and processes do."""

import heapq
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, repeat
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrule.reconcile.candidate import Ask, Candidate, Lead, Record, Reply, Timing

TIMING = Timing()
DRIFT = 0.1  # of each clock; far more than any has, and less than lease_s / renew_s allow
HOLDER = Record("other", 15, 4, "7")


class Clock:
    """A time that tests set."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Store:
    """The Lease as an API server keeps it: one of two writers over one version wins."""

    record: Record | None = None
    version: int = 0

    def answer(self, ask: Ask) -> Reply:
        if ask.write is None:
            return Reply("done", self.record)
        if ask.write.version != (self.record.version if self.record else ""):
            return Reply("stale")
        self.version += 1
        self.record = replace(ask.write, version=str(self.version))
        return Reply("done", self.record)


def run(steps: Generator[Ask, Reply, None], answer: Callable[[Ask], Reply]) -> list[Ask]:
    """An attempt from its beginning to its end; what was asked."""
    asked: list[Ask] = []
    try:
        ask = next(steps)
        while True:
            asked.append(ask)
            ask = steps.send(answer(ask))
    except StopIteration:
        return asked


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def one(clock: Clock) -> Candidate:
    return Candidate("one", TIMING, clock)


def leads(one: Candidate) -> Lead | None:
    """Asked anew: mypy takes a property for a constant."""
    return one.lead


def left_s(one: Candidate) -> float:
    return one.lead.left_s if one.lead else 0.0


# The rules, one by one


def test_a_lease_that_is_not_there_is_made(one: Candidate, store: Store) -> None:
    run(one.attempt(), store.answer)

    assert one.lead
    assert (one.lead.term, one.lead.contested, left_s(one)) == (1, False, TIMING.renew_s)
    assert store.record == Record("one", 15, 1, "1")


def test_a_lead_counts_from_before_its_request_was_sent(
    one: Candidate, store: Store, clock: Clock
) -> None:
    def slow(ask: Ask) -> Reply:
        clock.now += 3
        return store.answer(ask)

    run(one.attempt(), slow)

    assert left_s(one) == TIMING.renew_s - 3


def test_a_leader_renews_with_one_request(one: Candidate, store: Store, clock: Clock) -> None:
    run(one.attempt(), store.answer)
    lead = one.lead
    clock.now += 2

    (ask,) = run(one.attempt(), store.answer)

    assert ask.write == Record("one", 15, 1, "1")
    assert one.lead is lead
    assert left_s(one) == TIMING.renew_s
    assert one.pause_s() == TIMING.retry_s


def test_another_waits_until_the_lease_has_not_changed_for_long(
    one: Candidate, clock: Clock
) -> None:
    store = Store(HOLDER, 7)
    run(one.attempt(), store.answer)
    clock.now += 14.9
    run(one.attempt(), store.answer)
    assert leads(one) is None
    assert one.holder == "other"
    assert one.pause_s() == pytest.approx(0.1)

    clock.now += 0.1
    run(one.attempt(), store.answer)

    assert one.lead
    assert (one.lead.term, one.lead.contested) == (5, True)


def test_a_lease_that_is_renewed_meanwhile_is_waited_for_anew(one: Candidate, clock: Clock) -> None:
    store = Store(HOLDER, 7)
    run(one.attempt(), store.answer)
    clock.now += 14
    store.record = replace(HOLDER, version="8")
    run(one.attempt(), store.answer)
    clock.now += 14
    run(one.attempt(), store.answer)

    assert leads(one) is None


def test_the_holder_may_have_more_patience_than_we(one: Candidate, clock: Clock) -> None:
    store = Store(replace(HOLDER, lease_s=60), 7)
    run(one.attempt(), store.answer)
    clock.now += 59
    run(one.attempt(), store.answer)

    assert leads(one) is None


def test_a_lease_that_was_let_go_is_taken_at_once(one: Candidate) -> None:
    run(one.attempt(), Store(replace(HOLDER, holder="", lease_s=1), 7).answer)

    assert one.lead
    assert (one.lead.term, one.lead.contested) == (5, False)


def test_who_stops_lets_it_go_and_leads_no_longer_before(one: Candidate, store: Store) -> None:
    run(one.attempt(), store.answer)
    lead = one.lead
    assert lead
    during: list[bool] = []

    def answer(ask: Ask) -> Reply:
        during.append(lead.valid())
        return store.answer(ask)

    run(one.release(), answer)

    assert during == [False]
    assert store.record
    assert store.record.holder == ""


def test_who_may_have_a_write_on_its_way_keeps_it_until_it_runs_out(
    one: Candidate, store: Store, clock: Clock
) -> None:
    """So its successor waits, and is contested."""
    run(one.attempt(), store.answer)
    assert one.lead
    one.lead.vouch(clean=False)

    assert run(one.release(), store.answer) == []

    assert leads(one) is None
    two = Candidate("two", TIMING, clock)
    run(two.attempt(), store.answer)
    assert leads(two) is None
    clock.now += TIMING.lease_s
    run(two.attempt(), store.answer)
    assert two.lead
    assert two.lead.contested


@pytest.mark.parametrize("clean", [False, True])
def test_a_contested_lead_is_let_go_of_when_all_is_marked(
    one: Candidate, clock: Clock, *, clean: bool
) -> None:
    """Before that the one after it would take itself for uncontested, and mark nothing."""
    store = Store(HOLDER, 7)
    run(one.attempt(), store.answer)
    clock.now += HOLDER.lease_s
    run(one.attempt(), store.answer)
    assert one.lead
    if clean:
        one.lead.vouch(clean=True)

    run(one.release(), store.answer)

    assert store.record
    assert store.record.holder == ("" if clean else "one")


def test_who_does_not_lead_lets_nothing_go(one: Candidate) -> None:
    store = Store(HOLDER, 7)
    run(one.attempt(), store.answer)

    assert run(one.release(), store.answer) == []


def test_a_release_that_comes_too_late_harms_nobody(one: Candidate, store: Store) -> None:
    run(one.attempt(), store.answer)
    store.record = Record("other", 15, 2, "9")

    run(one.release(), store.answer)

    assert store.record.holder == "other"


def test_a_lease_that_was_deleted_may_still_be_led(one: Candidate, clock: Clock) -> None:
    """By whoever held it: it is waited for as if it were there."""
    store = Store(HOLDER, 7)
    run(one.attempt(), store.answer)
    store.record = None
    run(one.attempt(), store.answer)
    clock.now += 14.9
    run(one.attempt(), store.answer)
    assert leads(one) is None

    clock.now += 0.1
    run(one.attempt(), store.answer)
    assert one.lead
    assert (one.lead.term, one.lead.contested) == (5, True)


def test_its_leader_makes_it_anew(one: Candidate, store: Store, clock: Clock) -> None:
    run(one.attempt(), store.answer)
    lead = one.lead
    store.record = None
    clock.now += 2

    run(one.attempt(), store.answer)

    assert one.lead is lead
    (ask,) = run(one.attempt(), store.answer)
    assert ask.write == Record("one", 15, 1, "2")


def test_a_leader_that_sees_another_one_hold_it_leads_no_longer(
    one: Candidate, store: Store, clock: Clock
) -> None:
    """It was deleted, and somebody who had not seen it was quicker than we."""
    run(one.attempt(), store.answer)
    lead = one.lead
    assert lead
    store.record = Record("other", 15, 1, "9")
    clock.now += 2

    run(one.attempt(), store.answer)

    assert not lead.valid()
    assert leads(one) is None
    assert one.holder == "other"


def test_somebody_writes_a_label_on_it(one: Candidate, store: Store, clock: Clock) -> None:
    run(one.attempt(), store.answer)
    lead = one.lead
    store.record = replace(store.record or HOLDER, version="9", meta={"labels": {"a": "b"}})
    clock.now += 2

    run(one.attempt(), store.answer)

    assert one.lead is lead
    assert store.record.meta == {"labels": {"a": "b"}}


def test_an_answer_that_is_lost_changes_nothing(one: Candidate, store: Store, clock: Clock) -> None:
    run(one.attempt(), store.answer)
    lead = one.lead
    clock.now += 2

    def lose(ask: Ask) -> Reply:
        store.answer(ask)
        return Reply("lost")

    run(one.attempt(), lose)
    assert one.lead
    assert left_s(one) == TIMING.renew_s - 2
    run(one.attempt(), store.answer)
    assert one.lead is lead
    assert left_s(one) == TIMING.renew_s


def test_a_lead_that_is_over_stays_over(one: Candidate, store: Store, clock: Clock) -> None:
    """Also where nobody else led meanwhile."""
    run(one.attempt(), store.answer)
    first = one.lead
    assert first
    clock.now += TIMING.renew_s
    assert not first.valid()

    run(one.attempt(), store.answer)

    assert one.lead
    assert one.lead.term == 2
    assert not first.valid()
    assert not first.renew(clock.now + 100)


def test_a_renewal_that_comes_back_too_late_renews_nothing(
    one: Candidate, store: Store, clock: Clock
) -> None:
    run(one.attempt(), store.answer)
    first = one.lead
    clock.now += 2

    def slow(ask: Ask) -> Reply:
        clock.now += 9
        return store.answer(ask)

    run(one.attempt(), slow)

    assert first
    assert not first.valid()
    assert leads(one) is None


def test_two_that_want_it_at_once(one: Candidate, store: Store, clock: Clock) -> None:
    two = Candidate("two", TIMING, clock)
    asks = one.attempt(), two.attempt()
    for steps in asks:
        next(steps)
    writes = [steps.send(Reply("done")) for steps in asks]
    replies = [store.answer(ask) for ask in writes]

    assert [reply.outcome for reply in replies] == ["done", "stale"]
    for steps, reply in zip(asks, replies, strict=True):
        try:
            steps.send(reply)
        except StopIteration:
            continue
        run_on(steps, store)
    assert one.lead
    assert leads(two) is None


def run_on(steps: Generator[Ask, Reply, None], store: Store) -> None:
    """The second one looks, and sees who was first."""
    with pytest.raises(StopIteration):
        steps.send(store.answer(Ask()))


# The law


@dataclass
class Replica:
    """A process with a clock of its own, which is off and goes at a speed of its own."""

    world: "World"
    name: str
    rate: float
    offset: float
    candidate: Candidate = field(init=False)
    lives: "count[int]" = field(default_factory=count)

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """As a new process: a new name, and nothing known."""
        self.candidate = Candidate(f"{self.name}-{next(self.lives)}", TIMING, self.clock)

    def clock(self) -> float:
        return self.offset + self.rate * self.world.now


FATES = ("", "", "lost there", "lost back", "killed")
Delay = tuple[float, float, float, str]  # to the server, back, standing still; and what becomes


class World:
    """True time, one store, and a network that does what a list of delays says."""

    def __init__(self, rates: Sequence[float], delays: Iterator[Delay]) -> None:
        self.now = 0.0
        self.store = Store()
        self.leads: list[tuple[str, Lead]] = []
        self._delays = delays
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self.replicas = [
            Replica(self, f"r{number}", rate, 1000.0 * number) for number, rate in enumerate(rates)
        ]
        for number, replica in enumerate(self.replicas):
            self.later(number * 0.1, lambda one=replica: self.attempt(one))  # type: ignore[misc]

    def later(self, after_s: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (self.now + after_s, next(self._order), what))

    def run(self, until: float) -> None:
        while self._agenda and self._agenda[0][0] < until:
            self.now, _, what = heapq.heappop(self._agenda)
            what()
            self.check()

    def attempt(self, replica: Replica) -> None:
        steps = replica.candidate.attempt()
        self.send(replica, steps, next(steps))

    def send(self, replica: Replica, steps: Generator[Ask, Reply, None], ask: Ask) -> None:
        """Each part of the way takes its time, and the process stands still where it may."""
        there, back, still, fate = next(self._delays)

        def arrive() -> None:
            reply = Reply("lost") if fate == "lost there" else self.store.answer(ask)
            reply = Reply("lost") if fate == "lost back" else reply
            self.later(back + still, lambda: self.receive(replica, steps, reply, fate))

        self.later(there, arrive)

    def receive(
        self, replica: Replica, steps: Generator[Ask, Reply, None], reply: Reply, fate: str
    ) -> None:
        if fate == "killed":
            self.leads = [one for one in self.leads if one[0] != replica.candidate.name]
            replica.begin()
            self.later(1, lambda: self.attempt(replica))
            return
        try:
            ask = steps.send(reply)
        except StopIteration:
            self.note(replica)
            pause_s = replica.candidate.pause_s() / replica.rate
            self.later(pause_s, lambda: self.attempt(replica))
        else:
            self.send(replica, steps, ask)

    def note(self, replica: Replica) -> None:
        lead = replica.candidate.lead
        if lead and all(lead is not known for _, known in self.leads):
            assert all(lead.term > known.term for _, known in self.leads)
            self.leads.append((replica.candidate.name, lead))

    def check(self) -> None:
        """Leads begin and grow only in the events that this is called after."""
        valid = [name for name, lead in self.leads if lead.valid()]
        assert len(valid) <= 1, f"at {self.now}: {valid}"


WELL: Delay = (0.01, 0.01, 0.0, "")
RATES = st.lists(st.floats(1 - DRIFT, 1 + DRIFT), min_size=2, max_size=4)


def trouble(chance: Random) -> Iterator[Delay]:
    """Mostly none; then something is late on its way, lost, or a process stands still or ends."""
    while True:
        yield WELL
        if chance.random() < 0.3:
            late = [0.01, 0.01, 0.0]
            late[chance.randrange(3)] = chance.uniform(0, 25)
            yield late[0], late[1], late[2], chance.choice(FATES)


@given(RATES, st.integers(0, 2**32))
def test_never_two_lead_at_one_moment(rates: list[float], seed: int) -> None:
    World(rates, trouble(Random(seed))).run(until=600)  # noqa: S311


@given(RATES)
def test_somebody_leads_where_all_is_well(rates: list[float]) -> None:
    world = World(rates, repeat(WELL))
    world.run(until=60)

    assert [name for name, lead in world.leads if lead.valid()] == ["r0-0"]
    assert len(world.leads) == 1


def test_the_times_fit_each_other() -> None:
    assert Timing(lease_s=15, renew_s=10, retry_s=2) == TIMING
    assert TIMING.lease_s / TIMING.renew_s > (1 + DRIFT) / (1 - DRIFT)

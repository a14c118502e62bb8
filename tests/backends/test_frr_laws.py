"""What holds of reading back and comparing, whatever is on a node and whatever should be."""

import random
from dataclasses import replace

from backends.frr_strategies import MARKS, models, occupied, surroundings
from hypothesis import given
from hypothesis import strategies as st

from ferrule.compiler.backends import frr, frrtext
from ferrule.compiler.backends.base import Diff
from ferrule.compiler.backends.frr.model import Model
from ferrule.compiler.backends.frr.running import Running
from ferrule.compiler.backends.frrtext import Block, Body
from ferrule.compiler.errors import has_errors
from ferrule.compiler.network import Secret

NOTHING = Model()


def read(text: str) -> Running:
    return frr.parse(text, "prod")


def text_of(running: Running) -> str:
    return frrtext.write(running.config)


def theirs(running: Running) -> list[str]:
    """The lines of others, in their order."""
    every = frrtext.lines(running.config.body)
    return [line for line in every if any(mark in line for mark in MARKS)]


def holds(running: Running, model: Model) -> bool:
    """Whether what is ours is the model, by values and not by way of a diff."""
    want = frr.intend(model, running.cluster)
    instances = {vrf: one for vrf, one in running.instances.items() if one.neighbors}
    same = (running.lists, running.maps, running.profiles, running.others) == (
        want.lists,
        want.maps,
        want.profiles,
        want.others,
    )
    return same and all(
        vrf in instances
        and (instances[vrf].neighbors, instances[vrf].networks) == (one.neighbors, one.networks)
        for vrf, one in want.instances.items()
    )


def reached(running: Running, model: Model) -> Running:
    return frr.future(running, frr.diff(running, model))


@given(models())
def test_a_model_is_read_as_what_it_says(model: Model) -> None:
    read_back = frr.intend(model, "prod")
    assert [*read_back.maps] == [one.name for one in model.route_maps]
    assert [*read_back.profiles] == [one.name for one in model.profiles]
    for said in model.instances:
        one = read_back.instances[said.vrf]
        assert (one.asn, one.ours, one.strangers) == (said.asn, True, {})
        assert [*one.neighbors] == [str(neighbor.name) for neighbor in said.neighbors]
        for family in said.families:
            networks = one.networks.get(f"{family.family} unicast", {})
            assert networks == {
                str(line.prefix): f"route-map {line.route_map}" for line in family.networks.lines
            }


@given(models(), models())
def test_what_nodes_intend_is_the_same_made_one_by_one_or_together(
    first: Model, second: Model
) -> None:
    together = frr.Intentions("prod")
    for model in (first, second, first):
        assert together.of(model) == frr.intend(model, "prod")


@given(models())
def test_reading_what_was_rendered_is_stable(model: Model) -> None:
    once = frr.intend(model, "prod")
    assert read(text_of(once)) == once
    assert text_of(once) == frr.render(model, with_secrets=True)


@given(models(), surroundings())
def test_nothing_differs_from_itself(model: Model, around: str) -> None:
    running = reached(read(around), model)
    assert frr.diff(running, model).empty
    assert frr.diff(running, model).changes == ()
    assert frr.diff(running, running).empty


@given(models(), models(), surroundings())
def test_a_diff_leads_to_what_is_intended_and_leaves_others_alone(
    first: Model, second: Model, around: str
) -> None:
    before = read(around)
    running = reached(before, first)
    assert holds(running, first)

    diff = frr.diff(running, second)
    after = frr.future(running, diff)

    assert not has_errors(diff.problems)
    assert holds(after, second)
    assert frr.diff(after, second).changes == ()
    assert theirs(after) == theirs(running) == theirs(before)
    said = [*(one.text for one in diff.commands), *(" ".join(one.path) for one in diff.changes)]
    assert not [text for text in said if any(mark in text for mark in MARKS)]


@given(models(), models(), surroundings())
def test_two_loads_come_to_the_same_as_one(first: Model, second: Model, around: str) -> None:
    """And the second one is what is still to be done after the first."""
    running = reached(read(around), first)
    whole = frr.diff(running, second)
    announce, withdraw = (
        Diff(commands=tuple(one for one in whole.commands if one.phase == phase))
        for phase in ("announce", "withdraw")
    )
    assert announce.commands + withdraw.commands == whole.commands
    assert {one.op for one in withdraw.commands} <= {"remove"}
    assert not [one.text for one in announce.commands if one.text.startswith("no network ")]
    between = frr.future(running, announce)
    assert frr.diff(between, second).commands == withdraw.commands
    assert text_of(frr.future(between, withdraw)) == text_of(frr.future(running, whole))


@given(models(), models(), surroundings())
def test_the_way_back_is_a_diff_too(first: Model, second: Model, around: str) -> None:
    """By what was read before, passwords and all, where nothing but the node knows them."""
    running = reached(read(around), first)
    there = reached(running, unknown_passwords(second))
    back = frr.diff(there, running)
    end = frr.future(there, back)
    assert back.problems == () or {one.severity for one in back.problems} == {"warning"}
    assert end == running
    assert frr.diff(end, running).changes == ()


def unknown_passwords(model: Model) -> Model:
    """The same without the values of its secrets."""
    instances = (
        replace(
            instance,
            neighbors=tuple(
                replace(one, password=one.password and Secret(one.password.placeholder))
                for one in instance.neighbors
            ),
        )
        for instance in model.instances
    )
    return replace(model, instances=tuple(instances))


@given(models(), surroundings())
def test_leaving_leaves_what_was_there(model: Model, around: str) -> None:
    before = read(around)
    left = reached(reached(before, model), NOTHING)
    assert statements(left.config.body) == statements(before.config.body)


def statements(body: Body) -> list[object]:
    """What a body states, without empty blocks, ends and comments."""
    return [
        (text, statements(inside))
        for text, inside in frrtext.statements(body)
        if inside
        or text not in ("bfd", "address-family ipv4 unicast", "address-family ipv6 unicast")
    ]


@given(models(), models("prod-2"), models())
def test_two_clusters_on_a_node_do_not_meet(one: Model, other: Model, then: Model) -> None:
    """They may not peer with the same address; so the other has its neighbors in a VRF."""
    other = replace(other, instances=tuple(replace(i, vrf=f"v{i.vrf}") for i in other.instances))
    both = frr.future(
        running := frr.parse(text_of(frr.intend(one, "prod")), "prod-2"),
        frr.diff(running, other),
    )
    running = read(text_of(both))
    assert frr.diff(running, one).changes == ()
    after = reached(running, then)
    assert holds(after, then)
    assert holds(frr.parse(text_of(after), "prod-2"), other)


@given(models(), models(), surroundings(), st.data())
def test_a_load_that_was_cut_is_finished_or_taken_back(
    first: Model, second: Model, around: str, data: st.DataObject
) -> None:
    running = reached(read(around), first)
    whole = frr.diff(running, second)
    sent = data.draw(st.integers(0, len(whole.commands)))
    part = frr.future(running, Diff(commands=whole.commands[:sent]))
    cut = frr.parse(text_of(part), "prod", frr.intend(second, "prod"), open_run=True)
    assert holds(reached(cut, second), second)
    assert holds(reached(cut, first), first)


@given(models().flatmap(lambda one: st.tuples(st.just(one), occupied(one))))
def test_what_others_hand_over_becomes_ours_and_goes_back(
    given_: tuple[Model, tuple[str, frozenset[str]]],
) -> None:
    model, (text, names) = given_
    before = read(text)
    refused = frr.diff(before, model)
    assert [one.code for one in refused.problems if one.severity == "error"] == [
        "already-there" for _ in refused.problems if _.severity == "error"
    ]

    there = frr.diff(before, model, adopt=names)
    after = frr.future(before, there)
    assert not has_errors(there.problems)
    assert has_errors(refused.problems) == bool(there.adopted)
    assert holds(after, model)
    assert frr.diff(after, model).changes == ()

    back = frr.diff(after, before, adopt=there.adopted)
    assert read(text_of(frr.future(after, back))) == before
    assert back.adopted == there.adopted


@given(models().flatmap(lambda one: st.tuples(st.just(one), occupied(one))), st.data())
def test_taking_over_that_was_cut_is_finished_or_taken_back(
    given_: tuple[Model, tuple[str, frozenset[str]]], data: st.DataObject
) -> None:
    model, (text, names) = given_
    before = read(text)
    whole = frr.diff(before, model, adopt=names)
    sent = data.draw(st.integers(0, len(whole.commands)))
    part = frr.future(before, Diff(commands=whole.commands[:sent]))
    cut = frr.parse(text_of(part), "prod", frr.intend(model, "prod"), open_run=True)
    assert holds(frr.future(cut, frr.diff(cut, model, adopt=names)), model)
    back = frr.diff(cut, before, adopt=whole.adopted)
    assert read(text_of(frr.future(cut, back))) == before


@given(models(), surroundings(), st.randoms(use_true_random=False))
def test_the_order_of_lines_means_nothing(model: Model, around: str, chance: random.Random) -> None:
    running = reached(read(around), model)
    shuffled = frrtext.Config(mixed(running.config.body, chance))
    assert frr.diff(read(frrtext.write(shuffled)), model).changes == ()


def mixed(body: Body, chance: random.Random) -> Body:
    stated = [
        one if isinstance(one, str) else Block(one.header, mixed(one.body, chance))
        for one in body
        if not (isinstance(one, str) and frrtext.is_comment(one))
    ]
    chance.shuffle(stated)
    return stated


@given(models())
def test_84_spells_it_in_its_own_way(model: Model) -> None:
    text = frr.render(model, with_secrets=True)
    said = text.replace("ebgp-multihop\n", "ebgp-multihop 255\n")
    assert frr.diff(read(said), model).changes == ()


LINES = st.lists(
    st.builds(
        lambda depth, text: " " * depth + text,
        st.integers(0, 4),
        st.sampled_from(
            ["router bgp 1", "network x", "!", "# a", "", "exit", "bfd", "ferrule-prod_"]
        ),
    )
)


@given(LINES)
def test_every_text_is_written_as_it_was_read(given_lines: list[str]) -> None:
    text = "".join(f"{line}\n" for line in given_lines)
    assert frrtext.write(frrtext.read(text)) == text
    assert frr.diff(read(text), NOTHING).commands == ()


@given(models(), models(), surroundings())
def test_a_password_is_shown_nowhere(first: Model, second: Model, around: str) -> None:
    running = reached(read(around), first)
    diff = frr.diff(running, second)
    assert "p4ss!w0rd" not in repr((running, diff, diff.problems))

"""What comes and goes as a whole, and what no diff yields.

What the rows of the table say is measured in `tests/daemon/test_impacts_sonic.py`.
"""

from backends.sonic_strategies import CLUSTER, Tables, foreign, merged, models, tables_of
from daemon.campaign import row_of
from daemon.switch_cases import NEVER
from hypothesis import given
from hypothesis import strategies as st

from ferrule.compiler.backends.sonic import Running, diff, impacts, parse
from ferrule.compiler.backends.sonic.impact import IMPACTS
from ferrule.compiler.backends.sonic.model import Model


def read(theirs: Tables, one: Model) -> Running:
    return parse(merged(theirs, tables_of(one)), CLUSTER)


@given(foreign(), models(), models(), st.booleans())
def test_no_diff_yields_what_is_not_measured(
    theirs: Tables,
    before: Model,
    after: Model,
    managed: bool,  # noqa: FBT001
) -> None:
    changes = diff(read(theirs, before), after, managed=managed).changes
    abouts = ((one.path[0], one.path[2] if one.path[2:] else "", one.op) for one in changes)
    assert not {(row_of(table, line, IMPACTS), op) for table, line, op in abouts} & NEVER


@given(models())
def test_on_a_switch_where_nothing_was_no_session_ends(one: Model) -> None:
    changes = diff(parse({}, CLUSTER), one).changes
    assert {what for _, what in impacts(changes)} <= {"none", "routes"}


@given(models())
def test_where_everything_goes_sessions_end_and_none_is_reset(one: Model) -> None:
    nothing = Model(one.switch, ())
    found = [*impacts(diff(parse(tables_of(one), CLUSTER), nothing).changes)]
    assert {what for _, what in found} <= {"none", "routes", "session"}
    ended = {change.path[0] for change, what in found if what == "session"}
    assert ended <= {"BGP_NEIGHBOR", "BGP_GLOBALS_LISTEN_PREFIX"}

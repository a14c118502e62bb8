"""`ferrule status`: read every device, and say how the network does."""

from __future__ import annotations

from collections.abc import Collection

from ferrule.commands.inputs import Compiled
from ferrule.commands.plan import look
from ferrule.compiler.planning import make_plan
from ferrule.compiler.status import Status, make_status


def now(
    compiled: Compiled, *, local: Collection[str], parallel: int, patience: int | None = None
) -> Status:
    """The network as it is; a device that cannot be read is a part of the answer."""
    seen = look(compiled, local=local, parallel=parallel, patience=patience)
    compilation = compiled.compilation
    plan = make_plan(
        compilation,
        seen.found,
        unread=compiled.missing,
        doubts=seen.doubts,
        intended=seen.intended,
    )
    return make_status(compilation.network, plan, seen.found)

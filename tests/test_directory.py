"""What `render -o` does to a directory, and what it never does."""

from __future__ import annotations

from pathlib import Path

import pytest

from ferrule.apply import directory
from ferrule.apply.directory import File, compare, write

ONE = {"a": File("1\n"), "nodes/n/frr.conf": File("x\n")}


def tree(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): path.read_text()
        for path in root.rglob("*")
        if path.is_file() and path.name != ".ferrule"
    }


def test_a_new_directory_appears_whole(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"

    difference = write(out, ONE)

    assert difference.added == ("a", "nodes/n/frr.conf")
    assert tree(out) == {"a": "1\n", "nodes/n/frr.conf": "x\n"}
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_an_unchanged_file_is_not_rewritten(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, ONE)
    before = {path: (out / path).stat() for path in ONE}

    assert not write(out, ONE)
    difference = write(out, {**ONE, "a": File("2\n")})

    assert difference.changed == ("a",)
    after = (out / "nodes/n/frr.conf").stat()
    kept = before["nodes/n/frr.conf"]
    assert (after.st_ino, after.st_mtime_ns) == (kept.st_ino, kept.st_mtime_ns)


def test_only_what_was_listed_is_removed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, ONE)
    (out / "nodes" / "notes.txt").write_text("mine")
    (out / "nodes" / "m").mkdir()
    (out / "nodes" / "m" / "frr.conf").write_text("mine too")

    difference = write(out, {"a": File("1\n")})

    assert difference.removed == ("nodes/n/frr.conf",)
    assert tree(out) == {"a": "1\n", "nodes/notes.txt": "mine", "nodes/m/frr.conf": "mine too"}
    assert not (out / "nodes" / "n").exists()


def test_a_list_that_points_elsewhere_removes_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (tmp_path / "precious").write_text("x")
    write(out, ONE)
    (out / ".ferrule").write_text(f"../precious\n{tmp_path}/precious\na\n")

    difference = write(out, {})

    assert difference.removed == ("a",)
    assert (tmp_path / "precious").exists()


def test_comparing_changes_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, ONE)

    difference = compare(out, {"a": File("2\n"), "b": File("3\n")})

    assert (difference.added, difference.changed, difference.removed) == (
        ("b",),
        ("a",),
        ("nodes/n/frr.conf",),
    )
    assert tree(out) == {"a": "1\n", "nodes/n/frr.conf": "x\n"}


def test_secrets_are_their_owners_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, {"s": File("password\n")})

    write(out, {"s": File("password\n", secret=True)})

    assert (out / "s").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("survives", range(4))
def test_a_move_that_fails_is_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, survives: int
) -> None:
    out = tmp_path / "out"
    write(out, {"a": File("1\n"), "b": File("1\n"), "c": File("1\n")})
    before = tree(out)
    moves = 0
    replace = Path.replace

    def failing(self: Path, target: Path) -> Path:
        nonlocal moves
        if self.parent.name == directory.STAGED:
            moves += 1
            if moves > survives:
                raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    wanted = {"a": File("2\n"), "b": File("2\n"), "d": File("2\n")}
    with pytest.raises(OSError, match="No space"):
        write(out, wanted)
    monkeypatch.undo()

    assert tree(out) == before
    assert sorted(path.name for path in out.iterdir()) == [".ferrule", "a", "b", "c"]


@pytest.mark.parametrize("survives", range(5))
def test_a_move_that_was_cut_is_finished_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, survives: int
) -> None:
    out = tmp_path / "out"
    write(out, {"a": File("1\n"), "b": File("1\n"), "c": File("1\n")})
    wanted = {"a": File("2\n"), "b": File("2\n"), "d": File("2\n")}

    class PowerCutError(BaseException):
        pass

    moves = 0
    move = directory._Staging._move  # noqa: SLF001

    def cut(self: object, path: str, undo: list[object]) -> None:
        nonlocal moves
        moves += 1
        if moves > survives:
            undo.clear()  # nobody is left to undo anything
            raise PowerCutError
        move(self, path, undo)  # type: ignore[arg-type]

    monkeypatch.setattr(directory._Staging, "_move", cut)  # noqa: SLF001
    monkeypatch.setattr(directory._Staging, "__exit__", lambda *_: None)  # noqa: SLF001
    with pytest.raises(PowerCutError):
        write(out, wanted)
    monkeypatch.undo()

    assert not compare(out, wanted)
    assert tree(out) == {"a": "2\n", "b": "2\n", "d": "2\n"}

import os
import sys
import threading
from collections.abc import Generator
from pathlib import Path
from typing import ClassVar

import hypothesis
import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.data import Snapshot, SnapshotCollection
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from syrupy.location import PyTestLocation
from syrupy.types import SnapshotIndex

ROOT = Path(__file__).parent.parent

# `make test` tries the same examples each time; `make soak` looks for new ones, for long.
hypothesis.settings.register_profile(
    "quick", max_examples=50, derandomize=True, database=None, deadline=None
)
hypothesis.settings.register_profile("soak", max_examples=1000, deadline=None, print_blob=True)
hypothesis.settings.load_profile("quick")


class GoldenFile(SingleFileSnapshotExtension):
    """One snapshot, one file: exactly the bytes a device would be given.

    The index is the path below golden/, `golden(name="minimal/r1/frr.conf")`, so that a
    reviewer reads a diff of frr.conf and not of a snapshot format. The collection must
    give the same name back, or `--snapshot-update` deletes files that are in use.
    """

    root: ClassVar = ROOT / "golden"
    _write_mode = WriteMode.TEXT
    file_extension = ""

    @classmethod
    def dirname(cls, *, test_location: PyTestLocation) -> str:  # noqa: ARG003
        return str(cls.root)

    @classmethod
    def get_snapshot_name(
        cls,
        *,
        test_location: PyTestLocation,  # noqa: ARG003
        index: SnapshotIndex = 0,
    ) -> str:
        return str(index)

    @classmethod
    def get_file_basename(
        cls,
        *,
        test_location: PyTestLocation,  # noqa: ARG003
        index: SnapshotIndex,
    ) -> str:
        return str(index)

    def read_snapshot_collection(self, *, snapshot_location: str) -> SnapshotCollection:
        collection = SnapshotCollection(location=snapshot_location)
        collection.add(Snapshot(name=str(Path(snapshot_location).relative_to(self.root))))
        return collection


class SchemaFile(GoldenFile):
    """The same for schemas/."""

    root: ClassVar = ROOT / "schemas"


@pytest.fixture
def golden(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(GoldenFile)


@pytest.fixture
def schema_file(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(SchemaFile)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With CI=true nothing may be missing: what would be skipped fails."""
    report = yield
    if isinstance(report.longrepr, tuple) and os.environ.get("CI") == "true":  # a skip
        _, _, reason = report.longrepr
        report.outcome = "failed"
        report.longrepr = f"CI skips nothing. {reason}"
    return report


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """What a test left running must not keep the run from its end, after all is said."""
    left = [one.name for one in threading.enumerate() if not one.daemon]
    left.remove(threading.main_thread().name)
    if left:
        print(f"threads left behind: {', '.join(left)}", file=sys.stderr, flush=True)  # noqa: T201
        sys.stdout.flush()
        os._exit(1)

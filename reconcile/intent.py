"""The spec in force: the last one that was good.

It comes from custom resources, from a directory (a mounted ConfigMap), or from both. A spec with a
mistake is said to have one, and the one before stays in force; what is new in Nodes and Namespaces
counts at once all the same. A mistake that only a Node makes is that node's, and no one else's.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from ferrule.compiler.errors import Diagnostic, ObjectRef
from ferrule.compiler.inputs import Inputs, read_inputs
from ferrule.compiler.pipeline import Compilation, compile_network
from ferrule.compiler.source import Document
from ferrule.observe.files import load

Signature = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a spec, its Nodes and its Namespaces come to, without any Service.

    `refused` are the errors of a newer spec that is not in force; `found` is all that is to be
    said of the newest.
    """

    compilation: Compilation
    refused: tuple[Diagnostic, ...]
    found: tuple[Diagnostic, ...]
    documents: tuple[Document, ...]

    @property
    def inputs(self) -> Inputs:
        """The inputs in force."""
        return self.compilation.inputs


class Intent:
    """The spec's documents and their surroundings, as they come in."""

    def __init__(
        self, paths: Sequence[str] = (), *, lb_class: str = "", ignore_exclude_label: bool = False
    ) -> None:
        self._paths, self._lb_class, self._ignore = paths, lb_class, ignore_exclude_label
        self._objects: dict[tuple[str, str], Document] = {}
        self._around: dict[tuple[str, str], Document] = {}
        self._files: tuple[Document, ...] = ()
        self._unreadable: tuple[Diagnostic, ...] = ()
        self._signature: Signature | None = None
        self._good: tuple[Document, ...] | None = None
        self.changed = True

    def look(self) -> None:
        """See whether the files have changed."""
        signature = tuple(chain.from_iterable(map(_signature, self._paths)))
        if signature != self._signature:
            documents, found = load(self._paths)
            self._files, self._unreadable = documents, tuple(found)
            self._signature, self.changed = signature, True

    def object(self, kind: str, ref: str, document: Document | None) -> None:
        """A custom resource as it is now; None where it is gone."""
        self._put(self._objects, (kind, ref), document)

    def around(self, kind: str, ref: str, document: Document | None) -> None:
        """A Node, a Namespace or a Secret as it is now."""
        self._put(self._around, (kind, ref), document)

    def _put(
        self,
        into: dict[tuple[str, str], Document],
        key: tuple[str, str],
        document: Document | None,
    ) -> None:
        old = into.get(key)
        if document is None:
            self.changed |= into.pop(key, None) is not None
        elif old is None or _said(old) != _said(document):
            into[key], self.changed = document, True
        else:
            into[key] = document  # its version, for whoever writes its status

    @property
    def objects(self) -> Iterable[Document]:
        """The custom resources, the newest of each."""
        return self._objects.values()

    def read(self) -> Reading | None:
        """What is in force now; None while there has been no good spec yet.

        Where `None`, `mistakes` says why.
        """
        self.changed = False
        documents = (*self._files, *self._objects.values())
        newest = self._compiled(documents, self._unreadable)
        errors = _of_the_spec(newest)
        if not errors:
            self._good = documents
            return Reading(newest, (), newest.diagnostics, documents)
        self.mistakes = errors
        if self._good is None:
            return None
        kept = self._compiled(self._good, ())
        return Reading(kept, errors, newest.diagnostics, documents)

    mistakes: tuple[Diagnostic, ...] = ()

    def _compiled(
        self, documents: Iterable[Document], unreadable: Iterable[Diagnostic]
    ) -> Compilation:
        inputs = read_inputs(
            (*documents, *self._around.values()),
            unreadable=unreadable,
            lb_class=self._lb_class,
            ignore_exclude_label=self._ignore,
        )
        return compile_network(replace(inputs, services=(), endpoints={}))


def _of_the_spec(compilation: Compilation) -> tuple[Diagnostic, ...]:
    """Errors that are not one node's."""
    found = compilation.diagnostics
    return tuple(one for one in found if one.severity == "error" and one.node is None)


def _said(document: Document) -> Mapping[str, object]:
    """What an object says, without what its own writes change."""
    meta = document.data.get("metadata")
    kept = meta if isinstance(meta, dict) else {}
    passing = ("resourceVersion", "managedFields", "generation")
    said = {name: value for name, value in document.data.items() if name != "status"}
    if document.kind == "Node":
        said["status"] = document.data.get("status")
    return {**said, "metadata": {k: v for k, v in kept.items() if k not in passing}}


def mistakes_of(found: Iterable[Diagnostic]) -> Mapping[ObjectRef, list[Diagnostic]]:
    """The errors by the objects that they are about; one about several is each one's."""
    by_object: dict[ObjectRef, list[Diagnostic]] = {}
    for one in found:
        if one.severity == "error":
            for ref in dict.fromkeys(place.ref for place in one.places if place.ref):
                by_object.setdefault(ref, []).append(one)
    return by_object


def _signature(path: str) -> Signature:
    """What a file, or every file of a directory, looks like from outside."""
    found = []
    names = [path]
    if os.path.isdir(path):  # noqa: PTH112
        names = [
            os.path.join(folder, one)  # noqa: PTH118
            for folder, folders, files in os.walk(path)
            for one in (folders.sort() or sorted(files))
        ]
    for name in names:
        try:
            seen = os.stat(name)  # noqa: PTH116
        except OSError:
            continue
        found.append((name, seen.st_mtime_ns, seen.st_size, seen.st_ino))
    return tuple(found)

"""The language: its kinds, how they are read, and what a single object must satisfy."""

from ferrule.compiler.spec.read import Declared, Sorted, Spec, read_spec, sort_documents

__all__ = ["Declared", "Sorted", "Spec", "read_spec", "sort_documents"]

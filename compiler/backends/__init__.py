"""The backends by name; a literal mapping, so that a reader sees all of them.

Each has the same modules and the same functions: `lower` settles a device's model, `render` spells
it, `annotate` says what caused each line, `artifacts` and `annotated` do so for all devices.
"""

from ferrule.compiler.backends import frr, sonic

BACKENDS = {"frr": frr, "sonic": sonic}

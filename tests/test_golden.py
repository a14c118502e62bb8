"""Every example, compiled to exactly the bytes in golden/, by device."""

from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from ferrule.compiler import views
from ferrule.compiler.pipeline import compile_network, read_inputs
from ferrule.observe.files import load

ROOT = Path(__file__).parent.parent
CLASSES = {"ingress-class": ("ingress", "example.com/ours")}
EXAMPLES = {
    **{path.name: (path.name, "") for path in sorted((ROOT / "examples").iterdir())},
    **CLASSES,
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_compiles_to_its_goldens(
    name: str, golden: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    example, lb_class = EXAMPLES[name]
    documents, unreadable = load([f"examples/{example}"])

    compilation = compile_network(read_inputs(documents, unreadable=unreadable, lb_class=lb_class))

    assert compilation.ok, [str(one) for one in compilation.diagnostics]
    talk = [*map(str, compilation.diagnostics), *views.pending_lines(compilation.network)]
    files = views.files(compilation.network)
    talk += [views.summary(compilation), ""]
    assert "\n".join(talk) == golden(name=f"{name}/stderr.txt")
    for path, file in files.items():
        assert file.text == golden(name=f"{name}/{path}")
    written = {
        str(path.relative_to(ROOT / "golden" / name))
        for path in (ROOT / "golden" / name).rglob("*")
        if path.is_file()
    }
    assert written == {*files, "stderr.txt"}

"""The rules of the architecture: who may import whom, and how long a module and a function may be."""

import ast
import re
from pathlib import Path

import pytest

from tests.conftest import ROOT

# a module imports from its own package or from a row above, inside functions too; nothing imports the last row
ROWS = [
    "errors",
    "files",
    "machine download painter",
    "model",
    "images metrics",
    "photos",
    "fullsize",
    "latents mixing",
    "training serving",
    "evaluation browser",
    "publishing",
    "page",
    "__init__ __main__",
]
RANK = {package: rank for rank, row in enumerate(ROWS) for package in row.split()}
FILES = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in (ROOT / "catvae").rglob("*.py")}
TREES = {module: ast.parse(path.read_text(encoding="utf-8")) for module, path in FILES.items()}


def imports(module: str) -> set[str]:
    """Everything a module imports, by full name, wherever in it."""
    found = set()
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}: relative import"
            inner = {f"{node.module}.{name.name}" for name in node.names}
            found |= {name if name in FILES else f"{node.module}" for name in inner}
    return {f"{name}.__init__" if f"{name}.__init__" in FILES else name for name in found}


@pytest.mark.parametrize("module", FILES)
def test_imports_run_downwards(module):
    package = module.split(".")[1]
    for name in imports(module):
        top, _, rest = name.partition(".")
        assert top != "gradio" or package == "page", f"{module} imports gradio"
        other = rest.partition(".")[0]
        if top == "catvae":
            assert other == package or RANK[other] < RANK[package], f"{module} imports {name}"


def scripts() -> dict[Path, set[Path]]:
    """The modules of the front end, and those that each imports when it is loaded."""
    web = ROOT / "catvae" / "web"
    found = {path: path.read_text(encoding="utf-8") for path in web.rglob("*.js")}
    pattern = re.compile(r'^import (?:[^"]* from )?"(\..*)";', re.M)
    return {path: {(path.parent / name).resolve() for name in pattern.findall(text)} for path, text in found.items()}


@pytest.mark.parametrize("graph", [{module: imports(module) for module in FILES}, scripts()], ids=["python", "web"])
def test_no_import_circle(graph):
    left = {module: others & set(graph) for module, others in graph.items()}
    while free := [module for module in left if not left[module] & set(left)]:
        for module in free:
            del left[module]
    assert not left, f"in or above a circle: {sorted(left)}"


@pytest.mark.parametrize("path", FILES.values(), ids=FILES)
def test_modules_and_functions_are_short(path: Path):
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert node.end_lineno - node.lineno < 70, node.name


def test_scripts_and_style_sheets_are_short():
    for path in (ROOT / "catvae").rglob("*"):
        if path.suffix in (".js", ".css", ".html"):
            assert path.read_text(encoding="utf-8").count("\n") <= 300, path


def test_few_modules_stand_beside_the_packages():
    beside = [path.stem for path in (ROOT / "catvae").glob("*.py")]
    packages = [path.parent.name for path in (ROOT / "catvae").glob("*/__init__.py")]
    assert len(beside) <= 12
    assert {*beside, *packages} == set(RANK)

"""Who may import whom, as docs/architecture.md draws it: the imports are walked, so a wrong arrow fails here."""

import ast
import fnmatch
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

_VALUES = {"models", "errors"}
_UPPER = {
    "adapters",
    "services",
    "jobs",
    "runtime",
    "bench",
    "ui",
    "cli",
    "simulator",
    "charts",
    "reports",
    "__main__",
}

# A room's imports within the package. Rooms that are not named here are the lower ones: nothing of _UPPER.
MAY_IMPORT = {
    "models": {"tracing"},
    "errors": set(),
    "ports": _VALUES,
    "measurements": {"errors", "tracing"},
    "charts": _VALUES | {"charts", "measurements", "runs", "tracing"},
    "reports": _VALUES | {"measurements", "charts", "exports"},
    "simulator": _VALUES | {"simulator", "ports"},
    "adapters": _VALUES | {"adapters", "limits", "ports", "prices", "private_files", "texts", "words", "tracing"},
    "ui": _VALUES
    | {
        "ui",
        "runtime",
        "readers",
        "services",
        "jobs",
        "config",
        "prices",
        "private_files",
        "exports",
        "texts",
        "measurements",
        "tracing",
        "charts",
        "conversations",
        "words",
        "limits",
        "reports",
        "runs",
    },
    "pages": _VALUES | {"ui", "services", "exports", "measurements"},
    "app": {"ui"},
    "__main__": {"cli"},
}
MAY_NOT_IMPORT = {
    "services": {
        "runtime",
        "bench",
        "ui",
        "cli",
        "adapters",
        "simulator",
        "charts",
        "reports",
    },
    "runtime": {"ui", "cli"},
    "bench": {"runtime", "jobs", "ui", "cli", "charts", "reports"},
    "cli": {"ui", "adapters", "bench"},
}
# Arrows that only a type checker may see, and the names that are exempt.
TYPES_ONLY = {("services", "jobs"): {"Control"}, ("exports", "services"): set(), ("simulator", "ports"): set()}

VENDORS = {
    "streamlit": ("app.py", "pages/*", "animerag/ui/*"),
    "openai": ("animerag/adapters/openai*.py", "animerag/services/baselines.py"),
    "chromadb": ("animerag/adapters/chroma*.py", "animerag/services/baselines.py"),
    "chromadb_rust_bindings": ("animerag/adapters/chroma*.py", "animerag/services/baselines.py"),
    "plotly": ("animerag/charts/*.py",),
}
ENVIRONMENT = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}


@dataclass(frozen=True)
class Import:
    """One imported name, in full, and whether only a type checker sees it."""

    module: str
    name: str
    typing: bool
    line: int

    @property
    def room(self) -> str | None:
        parts = self.module.split(".")
        return parts[1] if parts[0] == "animerag" and len(parts) > 1 else None


def imports(tree, package):
    """Yield every import of a module, wherever it stands."""
    guarded = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for child in node.body
        for inner in ast.walk(child)
    }
    for node in ast.walk(tree):
        typing = id(node) in guarded
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, "", typing, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                inside = module == "animerag" and not alias.name.startswith("__")
                yield Import(f"animerag.{alias.name}" if inside else module, alias.name, typing, node.lineno)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            named = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
            for name in named:
                if isinstance(name, str):
                    yield Import(name, "", typing, node.lineno)


def room_of(path):
    """Return the room of a file: its name below animerag, or `pages` and `app` outside."""
    parts = path.with_suffix("").parts
    return parts[0] if parts[0] != "animerag" else parts[1] if len(parts) > 1 else ""


def wrong_inside(room, found):
    """Tell whether a room may not import this part of the package."""
    target = found.room
    if target is None or target == room:
        return False
    if (room, target) in TYPES_ONLY:
        return not (found.typing or found.name in TYPES_ONLY[room, target])
    if room in MAY_IMPORT:
        return target not in MAY_IMPORT[room]
    return target in MAY_NOT_IMPORT.get(room, _UPPER)


def wrong_arrows(root):
    """Return a sentence for each import and each look at the environment that stands where it may not."""
    wrong = []
    files = [*root.glob("app.py"), *root.glob("pages/**/*.py"), *root.glob("animerag/**/*.py")]
    for file in sorted(files):
        path = file.relative_to(root)
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for found in imports(tree, list(path.parent.parts)):
            places = VENDORS.get(found.module.split(".")[0])
            outside = places and not any(fnmatch.fnmatch(path.as_posix(), place) for place in places)
            if outside or wrong_inside(room_of(path), found):
                wrong.append(f"{path.as_posix()}:{found.line} may not import {found.module}")
        if path.as_posix() != "animerag/config.py":
            wrong += [f"{path.as_posix()}:{line} reads the environment" for line in environment_lines(tree)]
    return wrong


def environment_lines(tree):
    """Yield the lines that read or change environment variables."""
    for node in ast.walk(tree):
        attribute = isinstance(node, ast.Attribute) and ast.unparse(node.value) == "os" and node.attr in ENVIRONMENT
        imported = (
            isinstance(node, ast.ImportFrom)
            and node.module == "os"
            and any(alias.name in ENVIRONMENT for alias in node.names)
        )
        if attribute or imported:
            yield node.lineno


def test_every_import_follows_the_drawn_direction():
    assert wrong_arrows(ROOT) == []


def test_the_walk_sees_the_whole_house():
    rooms = {room_of(file.relative_to(ROOT)) for file in (ROOT / "animerag").rglob("*.py")}

    assert {"models", "services", "adapters", "runtime", "ui", "cli"} <= rooms
    assert list((ROOT / "pages").glob("*.py"))


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("animerag/services/batch.py", "from animerag.adapters.local import LocalEmbedder"),
        ("animerag/services/batch.py", "def f():\n    from animerag import runtime"),
        ("animerag/services/batch.py", "from ..runtime import Runtime"),
        ("animerag/services/batch.py", "from animerag.jobs import Jobs"),
        ("animerag/adapters/chroma.py", "import animerag.library"),
        ("animerag/models.py", "from animerag.texts import clean"),
        ("animerag/newcomer.py", "from animerag.services.batch import Batch"),
        ("animerag/cli/query.py", "from animerag.adapters import chroma"),
        ("animerag/exports.py", "from animerag.services.batch import QuestionRow"),
        ("animerag/runtime.py", "import streamlit as st"),
        ("animerag/services/batch.py", "import importlib\nimportlib.import_module('chromadb')"),
        ("animerag/services/batch.py", "from openai import AsyncOpenAI"),
        ("animerag/ui/components.py", "import plotly.graph_objects"),
        ("animerag/spool.py", "import os\nos.environ['A'] = 'b'"),
        ("animerag/spool.py", "from os import getenv"),
        ("pages/ask.py", "from animerag.library import Library"),
        ("pages/ask.py", "from animerag.limits import Gate"),
        ("app.py", "from animerag.runtime import Runtime"),
    ],
)
def test_a_wrong_arrow_is_found(tmp_path, path, line):
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(line, encoding="utf-8")

    assert len(wrong_arrows(tmp_path)) == 1


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("animerag/services/batch.py", "if TYPE_CHECKING:\n    from animerag.jobs import Job"),
        ("animerag/services/batch.py", "from animerag.jobs import Control"),
        ("animerag/services/baselines.py", "import openai, chromadb"),
        ("animerag/runtime.py", "from animerag.adapters.local import LocalEmbedder"),
        ("animerag/services/batch.py", "from . import retrieval\nfrom .retrieval import Retriever"),
        ("animerag/cli/status.py", "from animerag import __version__"),
    ],
)
def test_a_right_arrow_is_left_alone(tmp_path, path, line):
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(line, encoding="utf-8")

    assert wrong_arrows(tmp_path) == []

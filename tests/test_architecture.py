"""The map of the package: no import circles, no import upwards, vendors only in their packages, no class name twice.

`TYPE_CHECKING` imports count like all others. docs/architecture.md draws `ORDER`; change both together.
"""

import ast
import fnmatch
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Packages from the bottom to the top: a package may import those before it, never those after it.
ORDER = (
    *("errors", "telemetry", "models", "concurrency", "config"),
    *("text", "readers", "ports", "rate_limits", "logs"),
    *("storage", "vector_store", "providers", "jobs", "work_queue", "query", "simulator", "saved_settings"),
    *("discovery", "indexing", "retrieval", "answering", "evaluation", "batch", "ingestion", "catalogue", "comparison"),
    *("charts", "backends", "services", "composition", "event_loop"),
    "api",
    *("ui", "cli", "__main__"),
    *("pages", "app"),
)
ROOT_MODULES = 10  # maximum number of modules, besides __init__ and __main__

VENDORS = {
    "streamlit": ("app.py", "pages/*", "animerag/ui/*"),
    "openai": ("animerag/providers/openai*.py", "animerag/comparison/baselines.py"),
    "chromadb": ("animerag/vector_store/*.py", "animerag/comparison/baselines.py"),
    "chromadb_rust_bindings": ("animerag/vector_store/*.py",),
    "plotly": ("animerag/charts/*.py",),
    "alembic": ("animerag/storage/*",),
    "PIL": ("animerag/catalogue/thumbnails.py",),
    "aiosqlite": ("animerag/storage/sqlite/*",),
    "procrastinate": ("animerag/work_queue/*",),
    "psycopg": ("animerag/storage/postgresql/*",),
    "mcp": ("animerag/api/mcp_server.py",),
    "mcp_types": ("animerag/api/mcp_server.py",),
    "sqlite3": (
        "animerag/storage/sqlite/*",
        "animerag/storage/backup.py",
        "animerag/vector_store/chroma_tenant.py",
        "animerag/readers/shoko_schema.py",
    ),
}
# SQL that only one database understands is in the package of its dialect.
SPEAK_BOTH = {
    "storage/backup.py",  # a backup is a SQLite file
    "storage/dialects.py",
    "storage/migrations/versions/0011_column_names.py",  # a step from before there was another database
}
DIALECTS = {
    "sqlite": re.compile(r"PRAGMA|fts5|json_(each|extract)\b|INDEXED BY|instr\(|BEGIN IMMEDIATE|dialects[.]sqlite"),
    "postgresql": re.compile(r"tsvector|tsquery|pg_[a-z]+|unnest|strpos\(|psycopg[.]|dialects[.]postgresql"),
}
# Packages that pages and commands must not import: they call services.
BEHIND_SERVICES = {
    "pages": {"storage", "providers", "vector_store", "rate_limits", "backends", "composition", "query", "jobs"},
    "cli": {"ui", "providers"},
    "api": {"storage", "providers", "vector_store", "rate_limits", "charts", "jobs"},
    "charts": {"providers", "vector_store", "answering", "retrieval", "ingestion", "indexing"},
}
# Words that say nothing of what a value holds; those of a protocol, a database or stored data are the exceptions.
VAGUE = {
    "told",
    "found",
    "said",
    "kept",
    "alone",
    "ahead",
    "waves",
    "tally",
    "survey",
    "heard",
    "looked",
    "having",
    "seam",
}
GIVEN_NAMES = {
    *("found_by", "how_found"),  # keys of JSON
    "kept_apart",  # a table
    "NOT_FOUND",  # HTTP
}
LONGEST_MODULE, LONGEST_FUNCTION = 400, 60  # lines
MOST_ANY = 200
ENVIRONMENT = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}


@dataclass(frozen=True)
class Import:
    """One imported module in full, the name taken from it, and its line."""

    module: str
    name: str
    line: int


def imports(tree, package):
    """Yield every import of a module, wherever it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, "", node.lineno)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield Import(module, alias.name, node.lineno)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            for part in ast.walk(node):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield Import(part.value, "", node.lineno)


def dotted(path):
    """Return the module that a path relative to the root is."""
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def room_of(module):
    """Return the room of a module: its name below animerag, or `pages` and `app`; "" for the package itself."""
    parts = module.split(".")
    return parts[0] if parts[0] != "animerag" else parts[1] if len(parts) > 1 else ""


def files_of(root):
    return sorted([*root.glob("app.py"), *root.glob("pages/**/*.py"), *root.glob("animerag/**/*.py")])


def targets(found, modules):
    """Return the module of the project that an import reaches, or None."""
    if found.module.split(".")[0] not in ("animerag", "pages", "app"):
        return None
    whole = f"{found.module}.{found.name}"
    return whole if found.name and (whole in modules or found.module == "animerag") else found.module


def wrong_arrows(root):
    """Return a sentence for each forbidden import and each forbidden read of the environment."""
    wrong = []
    files = files_of(root)
    modules = {dotted(file.relative_to(root)) for file in files}
    for file in files:
        path = file.relative_to(root)
        room = room_of(dotted(path))
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for found in imports(tree, list(path.parent.parts)):
            places = VENDORS.get(found.module.split(".")[0])
            outside = places and not any(fnmatch.fnmatch(path.as_posix(), place) for place in places)
            target = targets(found, modules)
            if outside or (target and points_up(room, room_of(target))):
                wrong.append(f"{path.as_posix()}:{found.line} may not import {target or found.module}")
        if path.as_posix() != "animerag/config.py":
            wrong += [f"{path.as_posix()}:{line} reads the environment" for line in environment_lines(tree)]
    return wrong


def points_up(room, target):
    if room == target or not target or target.startswith("__"):
        return False
    if room not in ORDER or target not in ORDER or target in BEHIND_SERVICES.get(room, ()):
        return True
    return ORDER.index(target) > ORDER.index(room)


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


def circle(root):
    """Return the modules of an import circle, TYPE_CHECKING included, or an empty list."""
    files = files_of(root)
    modules = {dotted(file.relative_to(root)) for file in files}
    graph = defaultdict(set)
    for file in files:
        path = file.relative_to(root)
        package = list(path.parent.parts)
        for found in imports(ast.parse(file.read_text(encoding="utf-8")), package):
            target = targets(found, modules)
            if target in modules and target != dotted(path) and target != "animerag":
                graph[dotted(path)].add(target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def class_names(root):
    """Return how often each class name stands in the package, without leading underscores."""
    return Counter(
        node.name.lstrip("_")
        for file in (root / "animerag").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    )


def defined_names(root):
    """Yield the name of every class and function of the package, and `Class.method` for methods."""
    for file in (root / "animerag").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield node.name
            if isinstance(node, ast.ClassDef):
                yield from (f"{node.name}.{part.name}" for part in node.body if hasattr(part, "name"))


def parsed(root):
    """Yield the path below the root and the tree of every file of the project."""
    for file in files_of(root):
        yield file.relative_to(root).as_posix(), ast.parse(file.read_text(encoding="utf-8"))


def names_given(tree):
    """Yield every name that a module gives to a class, function, argument, variable or attribute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def vague_names(root):
    """Return the names that contain a vague word, each with its file."""
    return {
        f"{path}: {name}"
        for path, tree in parsed(root)
        for name in names_given(tree)
        if name not in GIVEN_NAMES and VAGUE & set(name.lower().strip("_").split("_"))
    }


def too_long(root):
    """Return the modules and functions that are longer than the house style allows, with their lines."""
    for path, tree in parsed(root):
        lines = len((root / path).read_text(encoding="utf-8").splitlines())
        if lines > LONGEST_MODULE:
            yield f"{path}: {lines}"
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                if length > LONGEST_FUNCTION:
                    yield f"{path}: {node.name}: {length}"


def test_names_say_what_they_hold():
    assert vague_names(ROOT) == set()


def test_modules_and_functions_stay_short():
    assert list(too_long(ROOT)) == []


def test_few_types_are_any():
    count = sum(
        isinstance(node, ast.Name) and node.id == "Any"
        for path, tree in parsed(ROOT)
        if path.startswith("animerag/")
        for node in ast.walk(tree)
    )

    assert count < MOST_ANY


def test_a_vague_name_and_a_long_function_are_found(tmp_path):
    room = tmp_path / "animerag"
    room.mkdir()
    body = "\n".join(["    one = 1"] * 60)
    (room / "long.py").write_text(f"_FOUND_LATE = 1\ndef f(said, found_by):\n{body}\n" + "\n" * 340, encoding="utf-8")

    assert vague_names(tmp_path) == {"animerag/long.py: _FOUND_LATE", "animerag/long.py: said"}
    assert list(too_long(tmp_path)) == ["animerag/long.py: 402", "animerag/long.py: f: 61"]


def test_every_import_points_down_and_vendors_stay_in_their_packages():
    assert wrong_arrows(ROOT) == []


def foreign_words(root):
    """Return the lines of storage and of what is above it that have words of a dialect outside its package."""
    for file in sorted((root / "animerag").rglob("*.py")):
        path = file.relative_to(root / "animerag")
        if path.parts[0] in ("readers", "vector_store") or path.as_posix() in SPEAK_BOTH:
            continue  # readers and Chroma's room open files of other programs
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            for dialect, words in DIALECTS.items():
                if path.parts[:2] != ("storage", dialect) and words.search(line.split("import ")[0].split("#")[0]):
                    yield f"{path}:{number}: {line.strip()}"


def test_words_of_a_dialect_are_only_in_its_package():
    assert list(foreign_words(ROOT)) == []


def test_a_word_of_a_dialect_elsewhere_is_reported(tmp_path):
    room = tmp_path / "animerag" / "storage"
    (room / "sqlite").mkdir(parents=True)
    (room / "sqlite" / "backend.py").write_text('"PRAGMA x"\nimport tsvector\n', encoding="utf-8")
    (room / "library.py").write_text('"PRAGMA x"\n', encoding="utf-8")

    assert list(foreign_words(tmp_path)) == ['storage/library.py:1: "PRAGMA x"']


def test_there_is_no_import_circle():
    assert circle(ROOT) == []


def test_no_class_name_is_used_twice():
    assert [name for name, count in class_names(ROOT).items() if count > 1] == []


def test_every_file_and_function_that_the_page_names_exists():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    walks = page[page.index("## One question") : page.index("## Decisions")]
    named = set(re.findall(r"`([\w./]+)`", page))
    files = {name for name in named if name.endswith((".py", ".toml", "/"))}
    names = set(re.findall(r"`([A-Za-z_.]+)`", walks)) - files

    assert len(files) > 30
    assert [name for name in files if not any((base / name).exists() for base in (ROOT, ROOT / "animerag"))] == []
    assert len(names) > 25
    assert sorted(names - set(defined_names(ROOT))) == []


def test_the_root_of_the_package_stays_small():
    modules = {file.stem for file in (ROOT / "animerag").glob("*.py")} - {"__init__", "__main__"}

    assert len(modules) <= ROOT_MODULES, sorted(modules)


def test_every_package_is_in_the_order_and_describes_its_job():
    rooms = {room_of(dotted(file.relative_to(ROOT))) for file in files_of(ROOT)} - {""}

    assert rooms <= set(ORDER)
    for package in (ROOT / "animerag").glob("*/__init__.py"):
        text = ast.get_docstring(ast.parse(package.read_text(encoding="utf-8"))) or ""
        assert len(text.splitlines()) > 2, f"{package}: its job, what it does not know, and the way through it"
        assert re.search(r"knows? no|contains neither|never changes", text, re.IGNORECASE), (
            f"{package}: what does it not know?"
        )


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("animerag/retrieval/retriever.py", "from animerag.answering.answering import Answering"),
        ("animerag/batch/runner.py", "def f():\n    from animerag import event_loop"),
        ("animerag/batch/runner.py", "from ..event_loop import Runtime"),
        ("animerag/batch/runner.py", "if TYPE_CHECKING:\n    from animerag.cli import query"),
        ("animerag/vector_store/chroma.py", "import animerag.indexing.indexer"),
        ("animerag/models/shows.py", "from animerag.text.cleaning import clean"),
        ("animerag/newcomer.py", "from animerag.batch.runner import Batch"),
        ("animerag/cli/query.py", "from animerag.providers import openai"),
        ("animerag/composition.py", "import streamlit as st"),
        ("animerag/batch/runner.py", "import importlib\nimportlib.import_module('chromadb')"),
        ("animerag/batch/runner.py", "from openai import AsyncOpenAI"),
        ("animerag/batch/runner.py", "import sqlite3"),
        ("animerag/ui/components.py", "import plotly.graph_objects"),
        ("animerag/storage/upload_files.py", "import os\nos.environ['A'] = 'b'"),
        ("animerag/storage/upload_files.py", "from os import getenv"),
        ("pages/ask.py", "from animerag.storage.library import Library"),
        ("pages/ask.py", "from animerag.rate_limits import Gate"),
    ],
)
def test_an_import_in_the_wrong_direction_is_reported(tmp_path, path, line):
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(line, encoding="utf-8")

    assert len(wrong_arrows(tmp_path)) == 1


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("animerag/comparison/baselines.py", "import openai, chromadb"),
        ("animerag/composition.py", "from animerag.providers.local import LocalEmbedder"),
        ("animerag/batch/runner.py", "from . import estimate\nfrom .estimate import SheetEstimate"),
        ("animerag/cli/doctor.py", "from animerag import __version__"),
        ("animerag/answering/answering.py", "from animerag.retrieval.retriever import Retriever"),
    ],
)
def test_an_import_in_the_right_direction_is_accepted(tmp_path, path, line):
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(line, encoding="utf-8")

    assert wrong_arrows(tmp_path) == []


def test_an_import_circle_is_also_found_behind_type_checking(tmp_path):
    room = tmp_path / "animerag" / "text"
    room.mkdir(parents=True)
    (room / "one.py").write_text("from animerag.text.two import b\n", encoding="utf-8")
    (room / "two.py").write_text("if TYPE_CHECKING:\n    from animerag.text.one import a\n", encoding="utf-8")

    assert set(circle(tmp_path)) == {"animerag.text.one", "animerag.text.two"}

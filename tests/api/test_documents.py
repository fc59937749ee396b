"""Runs the examples of docs/api.md, with another address and token."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import openai
import pytest

from animerag.config import load_settings
from tests.api.conftest import TOKEN

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")


def blocks(language):
    """Return the fenced blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def here(text, api):
    return text.replace("http://127.0.0.1:8501", api.url).replace("YOUR-TOKEN", TOKEN)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("block", range(2))
def test_the_curl_examples_work(api, block):
    environment = {"ANIMERAG_API_TOKEN": TOKEN, "PATH": "/usr/local/bin:/usr/bin:/bin"}
    shell = ["bash", "-euc", here(blocks("bash")[block], api)]

    printed = subprocess.run(shell, env=environment, capture_output=True, text=True, timeout=50, check=True).stdout

    first, _ = json.JSONDecoder().raw_decode(printed)
    assert not first.get("error")
    assert '"result"' in printed
    assert '"message":' not in printed  # a field of errors
    assert ("data: [DONE]" in printed) is (block == 0)


def test_the_python_examples_work(api, capsys):
    (block,) = blocks("python")
    exec(compile(here(block, api), "docs/api.md", "exec"), {})

    printed = capsys.readouterr().out.splitlines()
    assert "mecha" in printed[0]
    assert printed[-1].startswith("['")


def test_the_environment_shown_for_open_webui_reaches_the_model(api):
    shown = dict(line.split("=", 1) for line in here(PAGE, api).splitlines() if re.match(r"[A-Z_]+=\S+$", line))

    with openai.OpenAI(base_url=shown["OPENAI_API_BASE_URL"], api_key=shown["OPENAI_API_KEY"]) as client:
        assert [model.id for model in client.models.list()] == ["animerag"]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_the_token_shown_can_be_used(monkeypatch, settings):
    (shown,) = set(re.findall(r"ANIMERAG_API_TOKEN=\$\((.*)\)", PAGE))
    token = subprocess.run(shown.split(), capture_output=True, text=True, check=True).stdout.strip()
    monkeypatch.setenv("ANIMERAG_API_TOKEN", token)

    assert load_settings().api_token.get_secret_value() == token
    assert len(token) == 64

"""`animerag app`: its data directory, the server that it starts, and unusable ports."""

import socket
import sys
from pathlib import Path

import pytest

from animerag import cli, config
from animerag.cli import app
from animerag.config import load_settings

ROOT = Path(__file__).parents[2]


@pytest.fixture
def started(monkeypatch, settings):
    """The commands that would have replaced this process."""
    commands = []

    def execv(_program, command):
        commands.append(command)
        sys.exit(0)

    monkeypatch.setattr(app.os, "execv", execv)
    return commands


@pytest.fixture
def wheel(monkeypatch, tmp_path):
    """An installed wheel: the app's files are in the package, and the user has a data directory."""
    (tmp_path / "bundle").mkdir()
    monkeypatch.setattr(config, "_BUNDLE", tmp_path / "bundle")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    return tmp_path


def test_no_command_opens_the_app_and_prints_the_data_directory(started, capsys, tmp_path):
    with pytest.raises(SystemExit):
        cli.main([])

    (command,) = started
    assert command[1:5] == ["-m", "streamlit", "run", str(ROOT / "app.py")]
    assert "--server.headless=false" in command
    assert f"Data directory: {tmp_path / '.animerag'}" in capsys.readouterr().out


def test_streamlit_covers_no_page_with_an_offer_of_its_own(monkeypatch):
    from streamlit import config as options
    from streamlit.web import skills

    monkeypatch.chdir(ROOT)
    options.get_config_options(force_reparse=True)  # another test may have read them in another directory
    monkeypatch.setattr(skills, "agent_harness_present", lambda: True)
    read = options.get_option  # `animerag app` starts the server like `streamlit run`
    monkeypatch.setattr(options, "get_option", lambda name: False if name == "server.headless" else read(name))
    assert skills.nudge_suppression_reason(str(ROOT)) == "welcome_hidden"


def test_port_and_no_browser_are_passed_on(started, unused_tcp_port):
    with pytest.raises(SystemExit):
        cli.main(["app", "--port", str(unused_tcp_port), "--no-browser"])

    assert {f"--server.port={unused_tcp_port}", "--server.headless=true"} <= set(started[0])


def test_an_invalid_or_used_port_is_refused(started, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert cli.main(["app", "--port", str(port)]) == 2
    assert cli.main(["app", "--port", "70000"]) == 2

    refusals = capsys.readouterr().err
    assert f"Port {port} is not available" in refusals
    assert "70000 is not a port" in refusals
    assert started == []


def test_a_wheel_stores_data_in_the_users_directory_or_in_an_existing_one(wheel, monkeypatch, settings):
    assert load_settings().data_dir == wheel / "share" / "animerag"
    assert config.app_script() == wheel / "bundle" / "app.py"

    (Path.cwd() / ".animerag").mkdir()
    assert load_settings().data_dir == Path.cwd() / ".animerag"

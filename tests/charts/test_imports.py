"""Figures that are made while another thread still imports what plotly looks for."""

import subprocess
import sys

import pytest

# The import of pandas waits half way until the figure is made, or for a second where the figure waits for pandas.
PROGRAM = """
import sys, threading

begun, made = threading.Event(), threading.Event()


class HalfWay:
    def find_spec(self, name, path=None, target=None):
        if name == "{module}.{part}" and threading.current_thread() is not threading.main_thread():
            begun.set()
            made.wait(1)


sys.meta_path.insert(0, HalfWay())
other = threading.Thread(target=__import__, args=("{module}",))
other.start()
assert begun.wait(30)
from animerag.charts.style import drawn, words_at

figure = drawn([words_at([1.0], [2.0], ["a"], "middle left")], title="A", height=100)
made.set()
other.join()
assert figure.data[0].x == (1.0,)
"""


@pytest.mark.parametrize(("module", "part"), [("numpy", "_core"), ("pandas", "core")])
def test_a_figure_waits_for_an_import_in_another_thread(module, part):
    program = PROGRAM.format(module=module, part=part)
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=False)
    assert ended.returncode == 0, ended.stderr

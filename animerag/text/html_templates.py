"""Loads the package's HTML templates, which escape every value that is put into them."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from jinja2 import Environment, StrictUndefined

if TYPE_CHECKING:
    from jinja2 import Template


@cache
def html_template(package: str, name: str) -> Template:
    """Return the template in a file of a package; a value that is not given is an error when it is rendered."""
    source = files(package).joinpath(name).read_text(encoding="utf-8")
    return Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True).from_string(source)

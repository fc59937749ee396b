"""Draws a distribution as a small picture for a figure on Home.

Streamlit's own small charts take a browser 60 ms each, and half a megabyte of code before the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Sequence

_COLOUR = "#5B5BD6"  # the theme's; 3.5:1 or more on either background
_WIDTH, _HEIGHT = 200.0, 32.0
_GAP = 0.2  # of a bar's place


def bars(values: Sequence[int]) -> str:
    """Return bars as an SVG picture, whose highest bar is as high as the picture."""
    highest = max(values, default=0) or 1
    place = _WIDTH / max(len(values), 1)
    picture = ET.Element("svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {_WIDTH:g} {_HEIGHT:g}")
    for number, value in enumerate(values):
        height = value / highest * _HEIGHT
        size = {"x": number * place, "y": _HEIGHT - height, "width": place * (1 - _GAP), "height": height}
        ET.SubElement(picture, "rect", {name: f"{length:.2f}" for name, length in size.items()}, fill=_COLOUR)
    return ET.tostring(picture, encoding="unicode")

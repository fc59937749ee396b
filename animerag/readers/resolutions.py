"""Names the resolutions of videos."""

from __future__ import annotations

import re

_HEIGHTS = (2160, 1440, 1080, 720, 576, 480, 360, 240)
_SIZE = re.compile(r"(\d{2,5})\s*[xX×]\s*(\d{2,5})")


def resolution_of(text: str) -> str | None:
    """Return the usual name of a resolution: "1920x800" is "1080p"; None for any other text."""
    match = _SIZE.search(text)
    if match is None:
        return None
    height = max(int(match[2]), int(match[1]) * 9 / 16)  # of a picture without the bars above and below
    return f"{min(_HEIGHTS, key=lambda one: abs(one - height))}p"

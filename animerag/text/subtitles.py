"""Finds where a title ends and its subtitle begins: "Mob Psycho 100: Reigen", "Fate/Zero - Remix"."""

from __future__ import annotations

import re

SUBTITLE = re.compile(r":\s|\s[-–~～]\s?")

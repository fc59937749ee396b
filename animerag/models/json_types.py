"""What JSON and rows decode to, before a reader has checked them: one name for what nothing is known of yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

JsonObject: TypeAlias = dict[str, Any]
JsonMapping: TypeAlias = Mapping[str, Any]  # the same where it is only read

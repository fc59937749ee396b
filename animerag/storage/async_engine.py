"""SQLAlchemy's asynchronous engine without its ORM, which `sqlalchemy.ext.asyncio` imports as well.

The ORM takes a fifth of the time in which a command starts, and nothing here uses it.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec, module_from_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

_PACKAGE = "sqlalchemy.ext.asyncio"


def _defer(name: str) -> None:
    """Register a package whose own code runs when one of its names is first used; its modules can be imported."""
    spec = find_spec(name)
    if name in sys.modules or spec is None or spec.loader is None:
        return
    loader = spec.loader
    package: ModuleType = module_from_spec(spec)

    def complete(attribute: str) -> object:
        if attribute.startswith("__") or find_spec(f"{name}.{attribute}"):
            raise AttributeError(attribute)  # a module is imported by the import system, which asks first
        package.__dict__.pop("__getattr__", None)
        loader.exec_module(package)
        return getattr(package, attribute)

    package.__dict__["__getattr__"] = complete
    sys.modules[name] = package


_defer(_PACKAGE)

from sqlalchemy.ext.asyncio.engine import AsyncConnection, AsyncEngine, create_async_engine  # noqa: E402

__all__ = ["AsyncConnection", "AsyncEngine", "create_async_engine"]

"""The secret of a local Chroma server: the tenant's name, which is generated at each start.

Chroma's server has no authentication and listens on TCP, which every user of the machine can reach. But it does not
list tenants, and finds databases and collections only by the tenant's name. A random name is therefore a token in the
path of every request: without it, the index cannot be listed, read or changed.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from contextlib import closing, suppress
from http.client import HTTPConnection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from pathlib import Path

DATABASE = "default_database"  # Chroma's name for the database that every client opens
_DEFAULT = "default_tenant"
_EXISTS = 409
_LIMIT_S = 10.0


def rename_tenant(data: Path, record: Path) -> str:
    """Rename the tenant in the data directory of a stopped server, and return the new name.

    `record` stores the new and the previous name: after a crash, the database has one of them.
    """
    earlier = _recorded(record)
    token = secrets.token_urlsafe(32)
    draft = record.with_suffix(".new")
    draft.write_text(json.dumps([token, *earlier[:2]]), "utf-8")
    draft.replace(record)
    # No database yet, or one that only Chroma can read: the tenant is created once the server answers.
    with suppress(sqlite3.Error):
        _move(data / "chroma.sqlite3", [*earlier, _DEFAULT], token)
    return token


def create_tenant(url: str, tenant: str) -> bool:
    """Create the tenant and its database on a running server if they are missing; tell whether they exist."""
    return _posted(url, "/api/v2/tenants", tenant) and _posted(url, f"/api/v2/tenants/{tenant}/databases", DATABASE)


def _recorded(record: Path) -> list[str]:
    with suppress(OSError, ValueError):
        return [str(name) for name in json.loads(record.read_text("utf-8"))]
    return []


def _move(path: Path, names: list[str], token: str) -> None:
    if not path.exists():
        return
    with closing(sqlite3.connect(path)) as database, database:
        known = {name for (name,) in database.execute("SELECT tenant_id FROM databases WHERE name = ?", (DATABASE,))}
        current = next((name for name in names if name in known), None)
        if current is None:
            return
        database.execute("INSERT INTO tenants (id) VALUES (?)", (token,))
        database.execute(
            "UPDATE databases SET tenant_id = ? WHERE tenant_id = ? AND name = ?", (token, current, DATABASE)
        )
        if current != _DEFAULT:  # Chroma recreates the default tenant
            database.execute("DELETE FROM tenants WHERE id = ?", (current,))


def _posted(url: str, path: str, name: str) -> bool:
    connection = HTTPConnection(urlsplit(url).netloc, timeout=_LIMIT_S)
    try:
        body = json.dumps({"name": name})
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        return connection.getresponse().status in {200, _EXISTS}
    except OSError:
        return False
    finally:
        connection.close()

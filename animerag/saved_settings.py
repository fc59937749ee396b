"""Settings that are saved in the app: checked, stored in the library, and overridden by the environment."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from animerag.config import SAVABLE, variable
from animerag.errors import AnimeRAGError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from animerag.config import Settings
    from animerag.models.providers import ModelServer
    from animerag.storage.library import Library

SETTING = "setting "  # prefix of the keys in the library's metadata
_DECLINED = "declined "
# A change of one of these is tested on the provider before it is saved.
_PROVIDER = {"embedding_provider", "chat_provider", "openai_base_url", "chat_model", "embedding_model"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionCheck:
    """The result of testing one of the two models, as a sentence."""

    role: str  # "Vectors" or "Answers"
    ok: bool
    message: str


async def saved_settings(library: Library) -> dict[str, object]:
    """Return the saved settings by name. Raises LibraryError."""
    return from_facts(await library.facts(SETTING))


def from_facts(facts: Mapping[str, str]) -> dict[str, object]:
    """Return the settings that are stored as metadata, by name; the keys come without `SETTING`."""
    settings = {}
    for name, value in facts.items():
        try:
            settings[name] = json.loads(value)
        except ValueError:  # the value was edited outside the app
            continue
    return settings


class Preferences:
    """Reads and saves settings. A change takes effect when the services are opened again."""

    def __init__(
        self,
        library: Library,
        settings: Settings,
        *,
        try_out: Callable[[Settings], Awaitable[Sequence[ConnectionCheck]]],
        find: Callable[[], Awaitable[Sequence[ModelServer]]],
    ) -> None:
        """`try_out` tests the models of some settings, `find` looks for model servers on this machine."""
        self._library = library
        self._settings = settings
        self.try_out = try_out
        self._find = find

    @property
    def fixed(self) -> dict[str, str]:
        """Return the variable of each setting that is fixed by an option, the environment or `.env`."""
        return {name: variable(name) for name in SAVABLE if name in self._settings.fixed}

    async def current(self) -> Settings:
        """Return the settings with all saved values, including a level that Compare has saved since the start."""
        return self._settings.with_saved(await saved_settings(self._library))

    async def check(self) -> Sequence[ConnectionCheck]:
        """Test the models in use; this embeds one word."""
        return await self.try_out(self._settings)

    async def save(self, changes: Mapping[str, object]) -> Settings:
        """Save changed settings, None for the default; return the settings that apply from the next start.

        Raises SettingsError, and saves nothing, if a value cannot be used or the provider rejects it.
        """
        for name in changes:
            if name not in SAVABLE:
                raise SettingsError(f"{variable(name)} can only be set in the environment: set it there.")
            if name in self.fixed:
                raise SettingsError(f"{variable(name)} is set in the environment: change it there.")
        saved = {**await saved_settings(self._library), **changes}
        fresh = self._settings.with_saved({n: v for n, v in saved.items() if v is not None}, strict=True)
        fresh = _without(fresh, [name for name, value in saved.items() if value is None])
        _check_address(fresh.openai_base_url)
        if _PROVIDER & changes.keys():
            for checked in await self.try_out(fresh):
                if not checked.ok:
                    raise SettingsError(f"Your settings were not changed. {checked.role}: {checked.message}")
        texts = {
            name: "" if value is None else json.dumps(value, ensure_ascii=False) for name, value in changes.items()
        }
        await self._library.set_meta_all({f"{SETTING}{name}": text for name, text in texts.items()})
        return fresh

    async def offers(self, *, declined: bool = False) -> list[ModelServer]:
        """Return model servers on this machine that could write answers.

        None are offered while a chat model is in use or the environment fixes one. Servers that were declined are left
        out unless `declined` is set.
        """
        needed = {"chat_provider", "embedding_provider", "openai_base_url", "chat_model"}
        if self._settings.provider_for(self._settings.chat_provider) != "local" or needed & self.fixed.keys():
            return []
        known = {} if declined else await self._library.facts(_DECLINED)
        return [server for server in await self._find() if server.url not in known]

    async def decline(self, server: ModelServer) -> None:
        """Do not offer this server again."""
        await self._library.set_meta(f"{_DECLINED}{server.url}", "yes")

    async def use(self, server: ModelServer, model: str) -> Settings:
        """Let a server on this machine write the answers; the vectors do not change. Raises SettingsError."""
        embeds = self._settings.provider_for(self._settings.embedding_provider)
        chat = {"chat_provider": "openai", "openai_base_url": server.url, "chat_model": model}
        return await self.save({**chat, "embedding_provider": embeds})


async def tried(role: str, attempt: Callable[[], Awaitable[str]]) -> ConnectionCheck:
    """Return the message of a successful or failed attempt."""
    try:
        return ConnectionCheck(role=role, ok=True, message=await attempt())
    except AnimeRAGError as error:
        return ConnectionCheck(role=role, ok=False, message=str(error))


def _without(settings: Settings, names: Sequence[str]) -> Settings:
    """Return settings with these names set to their defaults."""
    defaults = {name: type(settings).model_fields[name].get_default(call_default_factory=True) for name in names}
    return settings.model_copy(update=defaults)


def _check_address(address: str | None) -> None:
    if address is not None and not address.startswith(("http://", "https://")):
        raise SettingsError(f"The address must begin with http:// or https://, not {address[:40]!r}.")

"""Settings that were chosen in the app: checked before they count, kept in the library, weaker than the environment."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from animerag.config import SAVABLE, variable
from animerag.errors import AnimeRAGError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from animerag.config import Settings
    from animerag.models.providers import ModelServer
    from animerag.storage.library import Library

SETTING = "setting "  # how the keys of the library's facts begin
_DECLINED = "declined "
# A change of one of these is tried on the provider before it is kept.
_PROVIDER = {"embedding_provider", "chat_provider", "openai_base_url", "chat_model", "embedding_model"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionCheck:
    """What a try of one of the two models found, in a sentence."""

    role: str  # "Vectors" or "Answers"
    ok: bool
    told: str


async def saved_settings(library: Library) -> dict[str, Any]:
    """Return what was saved, by name. Raises LibraryError."""
    return from_facts(await library.facts(SETTING))


def from_facts(facts: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings that facts hold, by name; the facts' keys come without `SETTING`."""
    found = {}
    for name, value in facts.items():
        try:
            found[name] = json.loads(value)
        except ValueError:  # somebody's own edit
            continue
    return found


class Preferences:
    """What can be changed in the app. A change counts for services that are opened after it."""

    def __init__(
        self,
        library: Library,
        settings: Settings,
        *,
        try_out: Callable[[Settings], Awaitable[Sequence[ConnectionCheck]]],
        find: Callable[[], Awaitable[Sequence[ModelServer]]],
    ) -> None:
        """`try_out` tries the models of settings on their providers, `find` looks for servers on this machine."""
        self._library = library
        self._settings = settings
        self.try_out = try_out
        self._find = find

    @property
    def fixed(self) -> dict[str, str]:
        """Name the variable of each setting that an option, the environment or `.env` decides."""
        return {name: variable(name) for name in SAVABLE if name in self._settings.fixed}

    async def current(self) -> Settings:
        """Return the settings with what is saved by now; a level taken over in Compare counts without a restart."""
        return self._settings.with_saved(await saved_settings(self._library))

    async def check(self) -> Sequence[ConnectionCheck]:
        """Test the models in use; one embedded word is all that is spent."""
        return await self.try_out(self._settings)

    async def save(self, changes: Mapping[str, Any]) -> Settings:
        """Keep changed settings, None for the default, and return the settings that count from the next start on.

        Raises SettingsError where a value cannot be used or the provider does not take it; then nothing is kept.
        """
        for name in changes:
            if name not in SAVABLE:
                raise SettingsError(f"{variable(name)} can only be set in the environment.")
            if name in self.fixed:
                raise SettingsError(f"{variable(name)} is set in the environment: change it there.")
        saved = {**await saved_settings(self._library), **changes}
        fresh = self._settings.with_saved({n: v for n, v in saved.items() if v is not None}, strict=True)
        fresh = _without(fresh, [name for name, value in saved.items() if value is None])
        _check_address(fresh.openai_base_url)
        if _PROVIDER & changes.keys():
            for checked in await self.try_out(fresh):
                if not checked.ok:
                    raise SettingsError(f"Nothing was changed. {checked.role}: {checked.told}")
        told = {name: "" if value is None else json.dumps(value, ensure_ascii=False) for name, value in changes.items()}
        await self._library.set_meta_all({f"{SETTING}{name}": value for name, value in told.items()})
        return fresh

    async def offers(self, *, declined: bool = False) -> list[ModelServer]:
        """Return servers on this machine that could write answers, where nobody does and nothing forbids it.

        Those that were declined are left out, unless `declined` asks for them.
        """
        needed = {"chat_provider", "embedding_provider", "openai_base_url", "chat_model"}
        if self._settings.provider_for(self._settings.chat_provider) != "local" or needed & self.fixed.keys():
            return []
        known = {} if declined else await self._library.facts(_DECLINED)
        return [server for server in await self._find() if server.url not in known]

    async def decline(self, server: ModelServer) -> None:
        """Never offer this server again."""
        await self._library.set_meta(f"{_DECLINED}{server.url}", "yes")

    async def use(self, server: ModelServer, model: str) -> Settings:
        """Let a server on this machine write the answers; vectors stay as they are. Raises SettingsError."""
        embeds = self._settings.provider_for(self._settings.embedding_provider)
        return await self.save(
            {
                "chat_provider": "openai",
                "embedding_provider": embeds,
                "openai_base_url": server.url,
                "chat_model": model,
            }
        )


async def tried(role: str, attempt: Callable[[], Awaitable[str]]) -> ConnectionCheck:
    """Return what `attempt` says, or the sentence that it fails with."""
    try:
        return ConnectionCheck(role=role, ok=True, told=await attempt())
    except AnimeRAGError as error:
        return ConnectionCheck(role=role, ok=False, told=str(error))


def _without(settings: Settings, names: Sequence[str]) -> Settings:
    """Return settings in which what was saved under these names is at its default again."""
    defaults = {name: type(settings).model_fields[name].get_default(call_default_factory=True) for name in names}
    return settings.model_copy(update=defaults)


def _check_address(address: str | None) -> None:
    if address is not None and not address.startswith(("http://", "https://")):
        raise SettingsError(f"The address must begin with http:// or https://, not {address[:40]!r}.")

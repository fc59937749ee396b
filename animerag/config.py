"""Settings: the only reader of the environment.

The order of precedence is: option, environment, `.env`, value saved in the app, default.
"""

from __future__ import annotations

import logging
import os
import re
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, PrivateAttr, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from animerag.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

    from animerag.models.providers import ProviderName

_HOST = re.compile(r"[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?")  # host names as browsers send them: punycode, lower case

_TOKEN = re.compile(r"[!-~]+")  # characters that an Authorization header can contain

log = logging.getLogger(__name__)

_POSTGRESQL = ("postgresql", "postgres", "postgresql+psycopg")

ProviderChoice = Literal["auto", "openai", "local"]
Level = Annotated[int, Field(ge=1, le=256)] | Literal["auto"]

_PACKAGE = Path(__file__).parent
_BUNDLE = _PACKAGE / "bundle"  # setup.py puts the app's files there in a wheel; it does not exist in a checkout


def app_script() -> Path:
    """Return the script that `streamlit run` starts: the one in the wheel, or the one in the checkout."""
    return (_BUNDLE if _BUNDLE.is_dir() else _PACKAGE.parent) / "app.py"


def _default_data_dir() -> Path:
    """Return `.animerag` in the working directory if it exists or in a checkout, else the user's data directory."""
    here = Path(".animerag")
    if here.is_dir() or not _BUNDLE.is_dir():
        return here
    from platformdirs import user_data_path

    return user_data_path("animerag", appauthor=False)


def cache_dir() -> Path:
    """Return the user's directory for files that can be derived again, in all catalogues."""
    from platformdirs import user_cache_path

    return user_cache_path("animerag", appauthor=False)


# Settings that can be saved in the app, with their labels. Secrets and paths are missing here: anyone who can open the
# page could otherwise read a key or move the data.
SAVABLE = {
    "chat_provider": "Answers",
    "embedding_provider": "Vectors",
    "chat_model": "Model for answers",
    "embedding_model": "Model for vectors",
    "openai_base_url": "Address of the provider",
    "answer_language": "Language of answers",
    "sources": "Sources per question",
    "early_start": "Answer a named show at once",
    "show_restricted": "Suggest shows for adults only",
    "fold_synopsis": "Fold the synopsis of unseen shows",
    "ingest_concurrency": "Imports, requests in flight",
    "query_concurrency": "Batch, questions in flight",
    "batch_size": "Batch size, shows per request",
    "max_rpm": "Requests per minute at most",
    "max_tpm": "Tokens per minute at most",
    "max_cost_usd": "Cost cap per job, USD",
    "reasoning_effort": "Reasoning",
    "verbosity": "Length of answers",
    "prices": "Prices, USD per million tokens",
}


class Settings(BaseSettings):
    """The user's configuration. Secrets never appear in `repr`."""

    model_config = SettingsConfigDict(
        env_prefix="ANIMERAG_",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    openai_api_key: SecretStr | None = Field(None, validation_alias="OPENAI_API_KEY")
    openai_base_url: str | None = Field(None, validation_alias="OPENAI_BASE_URL")
    embedding_provider: ProviderChoice = "auto"
    chat_provider: ProviderChoice = "auto"
    chat_model: str = "gpt-5-nano"  # the cheapest current model that follows citation rules
    embedding_model: str = "text-embedding-3-small"
    embedding_dimensions: int | None = Field(None, ge=1, le=16_384)  # requested from servers that support it
    api: Literal["auto", "responses", "chat"] = "auto"
    reasoning_effort: str = "low"  # the facts are in the sources; long reasoning only delays the first word
    verbosity: str = "low"
    answer_language: str = Field("auto", max_length=40)  # language of a model's answers; `auto`: that of the question
    sources: int = Field(8, ge=1, le=50)  # shows per answer
    fold_synopsis: bool = False  # on a show's page, until you have started the show
    show_restricted: bool = False  # in recommendations and on Home; lists and searches always include them
    early_start: bool = False  # if a question names one show, answer from it without waiting for the searches
    data_dir: Path = Field(default_factory=_default_data_dir)
    database_url: SecretStr | None = None  # secret because a PostgreSQL URL may contain the password
    titles_in_memory: int = Field(100_000, ge=0)  # shows; above that, titles are looked up in the database
    shoko_key: SecretStr | None = None  # a user's key for Shoko Server, for `animerag sync shoko`
    covers: Path | None = None  # a folder of covers, or of Shoko's images, besides `covers` in the data directory
    chroma_url: str | None = None
    chroma_api_key: SecretStr | None = None
    chroma_tenant: str | None = None
    chroma_database: str | None = None
    engine: Literal["local", "queue"] = "local"  # `queue`: imports and sheets as tasks for workers on any machine
    ingest_concurrency: Level = "auto"
    query_concurrency: Level = "auto"
    batch_size: int = Field(100, ge=1, le=2048)  # the API allows 2048 inputs per request
    max_rpm: int | None = Field(None, ge=1)
    max_tpm: int | None = Field(None, ge=1)
    max_cost_usd: float | None = Field(None, ge=0)
    prices: dict[str, float] = Field(default_factory=dict)  # USD per million tokens, by model
    hosts: Annotated[tuple[str, ...], NoDecode] = ()  # host names of the app besides loopback
    api_token: SecretStr | None = None  # opens /mcp, /v1 and /api on the app's port
    otlp_endpoint: str | None = None
    debug: bool = False
    demo: bool = False  # for public hosting: only the sample, read-only, without a provider
    _saved: frozenset[str] = PrivateAttr(frozenset())

    @field_validator("data_dir", "covers")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return value and value.expanduser().absolute()

    @field_validator("hosts", mode="before")
    @classmethod
    def _host_names(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        hosts = tuple(host.strip().strip("[]").rstrip(".").lower() for host in value.split(",") if host.strip())
        for host in hosts:
            if not _HOST.fullmatch(host) and not _is_ipv6(host):
                raise ValueError(
                    f"{host!r} is not the name of a host: write names without scheme, port or path, "
                    "separated by commas, such as anime.example,192.168.1.5"
                )
        return hosts

    @field_validator("api_token")
    @classmethod
    def _fit_for_a_header(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _TOKEN.fullmatch(value.get_secret_value()):
            raise ValueError("use only ASCII letters, digits and punctuation, without spaces")
        return value

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: SecretStr | None) -> SecretStr | None:
        scheme = value.get_secret_value().split(":", 1)[0] if value is not None else "sqlite"
        if scheme.startswith("sqlite") or scheme in _POSTGRESQL:
            return value
        raise ValueError(
            "write a URL such as postgresql://user@host/database or sqlite:///path/to/library.db;"
            f" {scheme!r} is neither"
        )

    @field_validator("engine")
    @classmethod
    def _with_shared_stores(cls, value: str, info: ValidationInfo) -> str:
        """Refuse a queue whose workers on other machines could not reach the catalogue or the index."""
        if value == "queue" and not _is_postgresql(info.data.get("database_url")):
            raise ValueError(
                "workers share a catalogue in PostgreSQL: set ANIMERAG_DATABASE_URL=postgresql://user@host/database,"
                " or leave ANIMERAG_ENGINE at local"
            )
        if value == "queue" and not info.data.get("chroma_url"):
            raise ValueError(
                "workers share one Chroma server: set ANIMERAG_CHROMA_URL=http://host:port,"
                " or leave ANIMERAG_ENGINE at local"
            )
        return value

    def provider_for(self, choice: ProviderChoice) -> ProviderName:
        """Resolve `auto`: `openai` with a key or a base URL, otherwise `local`."""
        if choice != "auto":
            return choice
        return "openai" if self.openai_api_key or self.openai_base_url else "local"

    @property
    def fixed(self) -> frozenset[str]:
        """Return the settings that an option, the environment or `.env` sets, without saved ones."""
        return frozenset(self.model_fields_set) - self._saved

    @property
    def saved(self) -> frozenset[str]:
        """Return the settings whose saved values are in use."""
        return self._saved

    @property
    def provider_key(self) -> str | None:
        """Return the API key for calls to the provider.

        An address saved in the app gets none: anyone who can open the page could otherwise send the key anywhere.
        """
        if self.openai_api_key is None or "openai_base_url" in self._saved:
            return None
        return self.openai_api_key.get_secret_value()

    @property
    def import_batch_size(self) -> int | Literal["auto"]:
        """Return the configured batch size; without one, it is automatic if the concurrency of imports is."""
        given = "batch_size" in self.model_fields_set
        return self.batch_size if given or self.ingest_concurrency != "auto" else "auto"

    def with_saved(self, saved: Mapping[str, Any], *, strict: bool = False) -> Settings:
        """Return these settings with the values saved in the app, where nothing else sets them.

        An invalid saved value is left out; with `strict`, it raises SettingsError.
        """
        wanted = {name: value for name, value in saved.items() if name in SAVABLE and name not in self.fixed}
        if not wanted and not self._saved:
            return self
        try:
            checked = Settings(**wanted)
        except ValidationError as error:
            if strict:
                raise SettingsError(" ".join(_saved_sentence(problem) for problem in error.errors())) from None
            bad = {_name(problem) for problem in error.errors()}
            if not bad & wanted.keys():  # the environment itself has become invalid
                raise SettingsError(" ".join(_sentence(problem) for problem in error.errors())) from None
            log.warning("invalid saved settings are ignored: %s", ", ".join(sorted(bad)))
            return self.with_saved({name: value for name, value in wanted.items() if name not in bad})
        merged = self.model_copy(update={name: getattr(checked, name) for name in wanted})
        merged._saved = frozenset(wanted)  # noqa: SLF001 - same class
        return merged

    @property
    def database(self) -> Path | str:
        """Return the place of the library: a SQLite file, or the URL of PostgreSQL, with its password."""
        if self.database_url is None:
            return self.data_dir / "library.db"
        url = self.database_url.get_secret_value()
        if not url.startswith("sqlite"):
            return url
        return Path(url.split("///", 1)[-1]).expanduser().absolute()

    @property
    def database_path(self) -> Path | None:
        """Return the SQLite file; None if the library is in PostgreSQL."""
        return self.database if isinstance(self.database, Path) else None


def load_settings(**options: Any) -> Settings:
    """Read the environment and `.env`; `options` that are not None take precedence.

    Raises SettingsError with the name of the setting and the reason.
    """
    _exclude_loopback_from_proxies()
    given = {name: value for name, value in options.items() if value is not None}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        raise SettingsError(" ".join(_sentence(problem) for problem in error.errors())) from None
    return _as_demo(settings) if settings.demo else settings


def _as_demo(settings: Settings) -> Settings:
    """Separate a demo from the owner's catalogue and key: give it its own data and no provider."""
    own = {"data_dir": settings.data_dir / "demo", "database_url": None, "engine": "local"}
    closed = {"covers": None, "api_token": None}
    local = {"embedding_provider": "local", "chat_provider": "local", "openai_api_key": None, "openai_base_url": None}
    return settings.model_copy(update={**own, **closed, **local})


def _is_postgresql(url: SecretStr | None) -> bool:
    return url is not None and url.get_secret_value().split(":", 1)[0] in _POSTGRESQL


def _is_ipv6(host: str) -> bool:
    try:
        return ip_address(host).version == 6
    except ValueError:
        return False


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return name.upper() if name.startswith("openai") else f"ANIMERAG_{name.upper()}"


def _sentence(problem: ErrorDetails) -> str:
    name = str(problem["loc"][0]) if problem["loc"] else "settings"
    return f"{name if name.startswith('OPENAI') else variable(name)} cannot be used: {_complaint_of(problem)}."


def _saved_sentence(problem: ErrorDetails) -> str:
    return (
        f"{SAVABLE.get(_name(problem), _name(problem))}: {problem['input']!r} cannot be used: {_complaint_of(problem)}."
    )


def _name(problem: ErrorDetails) -> str:
    """Return the field's own name; OpenAI's variables are aliases in capitals."""
    return str(problem["loc"][0]).lower() if problem["loc"] else "settings"


def _complaint_of(problem: ErrorDetails) -> str:
    return str(problem["msg"]).removeprefix("Value error, ").rstrip(".")


def _exclude_loopback_from_proxies() -> None:
    """Exclude loopback addresses from a proxy: the app's own servers are there."""
    for name in ("NO_PROXY", "no_proxy"):
        hosts = [host for host in os.environ.get(name, "").split(",") if host]
        os.environ[name] = ",".join(dict.fromkeys([*hosts, "127.0.0.1", "localhost"]))

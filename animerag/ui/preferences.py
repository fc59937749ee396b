"""The form of Settings: what can be changed in the app, what the environment has fixed, and what a change does."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from animerag.config import SAVABLE
from animerag.errors import AnimeRAGError, SettingsError
from animerag.providers.pricing import AS_OF
from animerag.ui import session
from animerag.ui.components import show_error
from animerag.ui.text import counted, escape, label

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from animerag.config import Settings
    from animerag.models import ModelServer

_TRY_S = 180.0
_FORM = "settings_form"
_SAVED = "settings_saved"

_PROVIDERS = {
    "auto": "Auto: by key or address, else embedded",
    "openai": "OpenAI, or a server that speaks its protocol",
    "local": "Embedded, offline",
}
_EFFORTS = ("low", "none", "minimal", "medium", "high")
_LEVEL = "1 to 256, or auto"
_VERBOSITIES = ("low", "medium", "high")


def form() -> None:
    """Draw what can be changed; a change is tried, kept, and counts at once for every tab."""
    settings = session.runtime().call(session.services().preferences.current())
    fixed = session.services().preferences.fixed
    if note := st.session_state.pop(_SAVED, None):
        st.success(label(note), icon=":material/check:")
    fields = _Fields(settings, fixed)
    about = "A provider is tried with one word before it counts. Questions under way in other tabs end."
    _draw(fields, _common, "Try and save", about)
    more = st.expander("More", icon=":material/tune:", key="settings_more", on_change="rerun")
    if more.open:  # a dozen controls that most never need take as long to draw as the rest of the page
        with more:
            _draw(fields, _more, "Save", "It counts at once. Questions under way in other tabs end.")
    if fixed:
        st.caption(label(f"Fixed by the environment: {', '.join(sorted(set(fixed.values())))}."))
    _saved(settings, busy=bool(_running()))


def _draw(fields: _Fields, draw: Callable[[_Fields], dict[str, Any]], action: str, about: str) -> None:
    """Draw some of the settings with a button of their own, and what happens when it is pressed."""
    key, busy = f"settings_save{draw.__name__}", _running()
    with st.form(f"{session.fresh_key(_FORM)}_{key}", border=True, enter_to_submit=False):
        wanted = draw(fields)
        pressed = st.form_submit_button(
            label(action), type="primary", icon=":material/save:", disabled=bool(busy), key=key
        )
        st.caption(f"{counted(busy, 'job')} running: save when it has ended." if busy else about)
    if pressed:
        _save(fields.settings, wanted)


def _running() -> int:
    return sum(job.running for job in session.all_jobs())


class _Fields:
    """Draws one setting each: its value, locked and named where the environment decides it."""

    def __init__(self, settings: Settings, fixed: Mapping[str, str]) -> None:
        self.settings = settings
        self._fixed = fixed

    def _asked(self, name: str, about: str = "") -> dict[str, Any]:
        fixed = name in self._fixed
        told = f"{about} Fixed by {self._fixed[name]}: change it there." if fixed else about
        return {"key": f"{session.fresh_key(_FORM)}_{name}", "disabled": fixed, "help": told.strip() or None}

    def choice(self, name: str, options: Sequence[str], told: Callable[[str], str] = str) -> str:
        now = str(getattr(self.settings, name))
        options = options if now in options else [now, *options]
        chosen: str = st.selectbox(SAVABLE[name], options, options.index(now), format_func=told, **self._asked(name))
        return chosen

    def switch(self, name: str, about: str) -> bool:
        now: bool = getattr(self.settings, name)
        return st.toggle(SAVABLE[name], now, **self._asked(name, about))

    def text(self, name: str, about: str = "") -> str | None:
        now = getattr(self.settings, name)
        value = st.text_input(SAVABLE[name], "" if now is None else str(now), **self._asked(name, about))
        return value.strip() or None

    def number(self, name: str, about: str = "", *, whole: bool = True) -> Any:
        """Return a number, `auto`, None for nothing, or what was typed, for the check to name."""
        told = self.text(name, about)
        try:
            return told if told in (None, "auto") else int(told) if whole else float(told)
        except ValueError:
            return told

    def prices(self) -> Callable[[], dict[str, Any]]:
        """Return what reads the prices, which raises SettingsError."""
        now = "\n".join(f"{model} = {price:g}" for model, price in self.settings.prices.items())
        about = f"A line a model, such as: my-model = 0.05. OpenAI's defaults are known, as of {AS_OF}."
        typed = st.text_area(SAVABLE["prices"], now, height=90, **self._asked("prices", about))
        return partial(_prices, typed)


def _prices(typed: str) -> dict[str, Any]:
    prices: dict[str, Any] = {}
    for line in filter(str.strip, typed.splitlines()):
        model, equals, price = line.rpartition("=")
        try:
            prices[model.strip()] = float(price)
        except ValueError:
            equals = ""
        if not equals or not model.strip():
            raise SettingsError(f"A price is written as: model = 0.05. This line is not: {line.strip()[:60]}")
    return prices


def _common(fields: _Fields) -> dict[str, Any]:
    left, right = st.columns(2)
    with left:
        wanted: dict[str, Any] = {
            "chat_provider": fields.choice("chat_provider", list(_PROVIDERS), _PROVIDERS.__getitem__),
            "chat_model": fields.text("chat_model", "Needs a provider."),
            "openai_base_url": fields.text(
                "openai_base_url",
                "Empty is OpenAI. No key is sent to an address that is saved here: set both in the environment.",
            ),
        }
    with right:
        wanted |= {
            "embedding_provider": fields.choice("embedding_provider", list(_PROVIDERS), _PROVIDERS.__getitem__),
            "embedding_model": fields.text("embedding_model", "Another one means a new index."),
            "answer_language": fields.text("answer_language", "`auto` is the question's; a model follows it."),
        }
    return wanted


def _more(fields: _Fields) -> dict[str, Any]:
    left, middle, right = st.columns(3)
    with left:
        wanted: dict[str, Any] = {
            "sources": fields.number("sources"),
            "ingest_concurrency": fields.number("ingest_concurrency", _LEVEL),
            "query_concurrency": fields.number("query_concurrency", _LEVEL),
        }
    with middle:
        wanted |= {
            "batch_size": fields.number("batch_size", "1 to 2048"),
            "max_rpm": fields.number("max_rpm", "Empty: what the provider says"),
            "max_tpm": fields.number("max_tpm", "Empty: what the provider says"),
        }
    with right:
        wanted |= {
            "max_cost_usd": fields.number("max_cost_usd", "Empty: none", whole=False),
            "reasoning_effort": fields.choice("reasoning_effort", _EFFORTS),
            "verbosity": fields.choice("verbosity", _VERBOSITIES),
        }
    about = "A question that names one show is answered from that show alone, while the searches still run."
    return {**wanted, "early_start": fields.switch("early_start", about), "prices": fields.prices()}


def _save(settings: Settings, wanted: Mapping[str, Any]) -> None:
    try:
        told = {name: value() if callable(value) else value for name, value in wanted.items()}
    except SettingsError as error:
        show_error(str(error))
        return
    fixed, defaults = settings.fixed, type(settings).model_fields
    changes = {
        name: None if value == defaults[name].get_default(call_default_factory=True) else value
        for name, value in told.items()
        if name not in fixed and value != getattr(settings, name)
    }
    if not changes:
        st.info("Nothing was changed.", icon=":material/info:")
        return
    try:
        with st.spinner("Trying it"):
            session.save_settings(changes, _TRY_S)
    except AnimeRAGError as error:
        show_error(str(error))
        return
    _done(f"Saved: {_named(changes)}.")


def _saved(settings: Settings, *, busy: bool) -> None:
    if not settings.saved:
        return
    line, action = st.columns([4, 1], vertical_alignment="center")
    line.caption(label(f"Saved here: {_named(settings.saved)}."))
    if action.button("Back to defaults", key="settings_defaults", disabled=busy, width="stretch"):
        session.save_settings(dict.fromkeys(settings.saved), _TRY_S)
        _done("Everything that was saved here is at its default again.")


def _named(names: Collection[str]) -> str:
    return "; ".join(shown for name, shown in SAVABLE.items() if name in names)


def _done(note: str) -> None:
    session.renew(_FORM)
    st.session_state[_SAVED] = note
    st.rerun()


def offer(servers: Sequence[ModelServer], *, page: str, declinable: bool) -> None:
    """Offer servers on this machine that could write answers; nothing is used before it is chosen."""
    for server in servers:
        with st.container(border=True, key=f"{page}_offer_{server.name}_{server.url[-8:-3]}".replace(" ", "_")):
            _offered(server, page=page, declinable=declinable)


def _offered(server: ModelServer, *, page: str, declinable: bool) -> None:
    first, many = server.models[0], len(server.models) > 1
    line, models, use, decline = st.columns(
        [4, 3, 1.4, 1.4] if many else [7, 0.1, 1.4, 1.4], vertical_alignment="center"
    )
    name = label(f"{server.name} found on this machine" + ("." if many else f": {first}. Let it write the answers?"))
    line.markdown(name, help=escape(server.url))
    key = f"{page}_{server.url}"
    model = first
    if many:
        model = models.selectbox("Model", server.models, key=f"{key}_model", label_visibility="collapsed")
    if use.button("Use it", key=f"{key}_use", type="primary", width="stretch"):
        try:
            with st.spinner("Trying it"):
                session.use_server(server, model, _TRY_S)
        except AnimeRAGError as error:
            show_error(str(error))
            return
        st.rerun()
    if declinable and decline.button("Not now", key=f"{key}_decline", width="stretch"):
        session.decline_server(server)
        st.rerun()

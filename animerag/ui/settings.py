"""Draws the form of Settings: the settings to change, those that the environment fixes, and the test of the models."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import streamlit as st

from animerag.config import SAVABLE
from animerag.errors import AnimeRAGError, SettingsError
from animerag.providers.pricing import AS_OF
from animerag.text.counting import counted
from animerag.ui import session
from animerag.ui.components import show_error
from animerag.ui.text import label

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from animerag.config import Settings

_TEST_S = 180.0
_FORM = "settings_form"
_SAVED = "settings_saved"

_PROVIDERS = {
    "auto": "Automatic",
    "openai": "OpenAI or a compatible server",
    "local": "Embedded, offline",
}
_AUTOMATIC = "Automatic uses the provider if a key or an address is set, otherwise the embedded model."
_EFFORTS = ("low", "none", "minimal", "medium", "high")
_LEVEL = "1 to 256, or auto"
_VERBOSITIES = ("low", "medium", "high")

Values: TypeAlias = dict[str, Any]  # settings by their names


def form() -> None:
    """Draw the settings; a change is tested, saved, and applied to every tab at once."""
    settings = session.runtime().call(session.services().preferences.current())
    fixed = session.services().preferences.fixed
    if note := st.session_state.pop(_SAVED, None):
        st.success(label(note), icon=":material/check:")
    fields = _Fields(settings, fixed)
    about = "The provider is tested with one word first. Running questions in other tabs are stopped."
    _draw(fields, _common, "Test and save", about)
    more = st.expander("More settings", icon=":material/tune:", key="settings_more", on_change="rerun")
    if more.open:  # a dozen rarely used controls take as long to draw as the rest of the page
        with more:
            _draw(fields, _more, "Save", "The change applies at once. Running questions in other tabs are stopped.")
    if fixed:
        st.caption(label(f"Set by the environment: {', '.join(sorted(set(fixed.values())))}."))
    _saved(settings, busy=bool(_running()))


def _draw(fields: _Fields, draw: Callable[[_Fields], Values], action: str, about: str) -> None:
    """Draw some of the settings with their own button, and save them when it is pressed."""
    key, busy = f"settings_save{draw.__name__}", _running()
    with st.form(f"{session.fresh_key(_FORM)}_{key}", border=draw is _common, enter_to_submit=False):
        wanted = draw(fields)
        pressed = st.form_submit_button(
            label(action), type="primary", icon=":material/save:", disabled=bool(busy), key=key
        )
        st.caption(f"{counted(busy, 'job')} running: save when it has finished." if busy else about)
    if pressed:
        _save(fields.settings, wanted)


def _running() -> int:
    return sum(job.running and job.here for job in session.services().jobs.all())


class _Fields:
    """Draws one setting each: its value, locked if the environment sets it, with the name of the variable."""

    def __init__(self, settings: Settings, fixed: Mapping[str, str]) -> None:
        self.settings = settings
        self._fixed = fixed

    def _asked(self, name: str, about: str = "") -> Values:
        fixed = name in self._fixed
        text = f"{about} Set by {self._fixed[name]}: change it there." if fixed else about
        return {"key": f"{session.fresh_key(_FORM)}_{name}", "disabled": fixed, "help": text.strip() or None}

    def choice(self, name: str, options: Sequence[str], shown: Callable[[str], str] = str, about: str = "") -> str:
        now = str(getattr(self.settings, name))
        options = options if now in options else [now, *options]
        chosen: str = st.selectbox(
            SAVABLE[name], options, options.index(now), format_func=shown, **self._asked(name, about)
        )
        return chosen

    def switch(self, name: str, about: str) -> bool:
        now: bool = getattr(self.settings, name)
        return st.toggle(SAVABLE[name], now, **self._asked(name, about))

    def text(self, name: str, about: str = "", *, empty: str | None = None) -> str | None:
        now = getattr(self.settings, name)
        shown = "" if now is None else str(now)
        value = st.text_input(SAVABLE[name], shown, placeholder=empty, **self._asked(name, about))
        return value.strip() or None

    def number(self, name: str, about: str = "", *, whole: bool = True, empty: str | None = None) -> Any:
        """Return a number, `auto`, None for an empty field, or the typed text, which the check then rejects."""
        typed = self.text(name, about, empty=empty)
        try:
            return typed if typed in (None, "auto") else int(typed) if whole else float(typed)
        except ValueError:
            return typed

    def prices(self) -> Callable[[], Values]:
        """Return a function that reads the prices and raises SettingsError."""
        now = "\n".join(f"{model} = {price:g}" for model, price in self.settings.prices.items())
        about = f"One line per model, such as: my-model = 0.05. OpenAI's default models have prices of {AS_OF}."
        typed = st.text_area(SAVABLE["prices"], now, height=90, **self._asked("prices", about))
        return partial(_prices, typed)


def _prices(typed: str) -> Values:
    prices: Values = {}
    for line in filter(str.strip, typed.splitlines()):
        model, equals, price = line.rpartition("=")
        try:
            prices[model.strip()] = float(price)
        except ValueError:
            equals = ""
        if not equals or not model.strip():
            raise SettingsError(f"This line is not a price: {line.strip()[:60]}. Write it like: model = 0.05")
    return prices


def _common(fields: _Fields) -> Values:
    left, right = st.columns(2)
    with left:
        wanted: Values = {
            "chat_provider": fields.choice("chat_provider", list(_PROVIDERS), _PROVIDERS.__getitem__, _AUTOMATIC),
            "chat_model": fields.text("chat_model", "Needs a provider."),
            "openai_base_url": fields.text(
                "openai_base_url",
                "Empty means OpenAI. No key is sent to an address saved here: set both in the environment.",
                empty="OpenAI",
            ),
        }
    with right:
        wanted |= {
            "embedding_provider": fields.choice(
                "embedding_provider", list(_PROVIDERS), _PROVIDERS.__getitem__, _AUTOMATIC
            ),
            "embedding_model": fields.text("embedding_model", "Another model needs a new index."),
        }
    return wanted


def _more(fields: _Fields) -> Values:
    left, middle, right = st.columns(3)
    with left:
        wanted: Values = {
            "sources": fields.number("sources"),
            "ingest_concurrency": fields.number("ingest_concurrency", _LEVEL),
            "query_concurrency": fields.number("query_concurrency", _LEVEL),
        }
    with middle:
        wanted |= {
            "batch_size": fields.number("batch_size", "1 to 2048"),
            "max_rpm": fields.number("max_rpm", "Empty: as the provider reports", empty="no limit"),
            "max_tpm": fields.number("max_tpm", "Empty: as the provider reports", empty="no limit"),
        }
    with right:
        wanted |= {
            "max_cost_usd": fields.number("max_cost_usd", "Empty: no cap", whole=False, empty="no cap"),
            "reasoning_effort": fields.choice("reasoning_effort", _EFFORTS),
            "verbosity": fields.choice("verbosity", _VERBOSITIES),
            "answer_language": fields.text("answer_language", "`auto` is the language of the question."),
        }
    about = "If a question names one show, answers from that show without waiting for the searches."
    wanted["early_start"] = fields.switch("early_start", about)
    about = "If off, recommendations and Home leave them out. Lists and searches always include them."
    wanted["show_restricted"] = fields.switch("show_restricted", about)
    wanted["fold_synopsis"] = fields.switch("fold_synopsis", "A show's page hides it until you open it.")
    return {**wanted, "prices": fields.prices()}


def _save(settings: Settings, wanted: Mapping[str, object]) -> None:
    try:
        values = {name: value() if callable(value) else value for name, value in wanted.items()}
    except SettingsError as error:
        show_error(str(error))
        return
    fixed, defaults = settings.fixed, type(settings).model_fields
    changes = {
        name: None if value == defaults[name].get_default(call_default_factory=True) else value
        for name, value in values.items()
        if name not in fixed and value != getattr(settings, name)
    }
    if not changes:
        st.info("Nothing has changed.", icon=":material/info:")
        return
    try:
        with st.spinner("Testing"):
            session.save_settings(changes, _TEST_S)
    except AnimeRAGError as error:
        show_error(str(error))
        return
    _done(f"Saved: {_named(changes)}.")


def _saved(settings: Settings, *, busy: bool) -> None:
    if not settings.saved:
        return
    line, action = st.columns([4, 1], vertical_alignment="center")
    line.caption(label(f"Saved in the app: {_named(settings.saved)}."))
    if action.button("Reset to defaults", key="settings_defaults", disabled=busy, width="stretch"):
        session.save_settings(dict.fromkeys(settings.saved), _TEST_S)
        _done("All settings saved in the app are back to their defaults.")


def _named(names: Collection[str]) -> str:
    return "; ".join(shown for name, shown in SAVABLE.items() if name in names)


def _done(note: str) -> None:
    session.renew(_FORM)
    st.session_state[_SAVED] = note
    st.rerun()


def connection_test() -> None:
    """Draw the button that tests the models in use, and its result."""
    if not st.button("Test the models", icon=":material/network_check:", key="settings_try"):
        return
    with st.spinner("Testing the models"):
        checks = session.runtime().call(session.services().preferences.check(), timeout_s=120)
    for check in checks:
        draw, icon = (st.success, ":material/check:") if check.ok else (st.error, ":material/error:")
        draw(label(f"{check.role}: {check.message}"), icon=icon)

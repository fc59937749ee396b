"""Returns the English names of languages from the codes and names in files."""

from __future__ import annotations

import re

# By name: the codes of ISO 639 (two letters, then three), and other names in use.
_NAMES = {
    "Japanese": "ja jpn jp",
    "English": "en eng",
    "German": "de deu ger deutsch",
    "French": "fr fra fre français",
    "Spanish": "es spa español castilian latin-american-spanish",
    "Italian": "it ita italiano",
    "Portuguese": "pt por português brazilian brazilian-portuguese",
    "Dutch": "nl nld dut",
    "Polish": "pl pol",
    "Russian": "ru rus",
    "Ukrainian": "uk ukr",
    "Czech": "cs ces cze",
    "Slovak": "sk slk slo",
    "Hungarian": "hu hun",
    "Romanian": "ro ron rum",
    "Bulgarian": "bg bul",
    "Serbian": "sr srp",
    "Croatian": "hr hrv",
    "Slovenian": "sl slv",
    "Greek": "el ell gre gr",
    "Turkish": "tr tur",
    "Swedish": "sv swe",
    "Norwegian": "no nor nb nob nn nno",
    "Danish": "da dan",
    "Finnish": "fi fin",
    "Estonian": "et est",
    "Lithuanian": "lt lit",
    "Latvian": "lv lav",
    "Catalan": "ca cat",
    "Galician": "gl glg",
    "Basque": "eu eus baq",
    "Hebrew": "he heb iw",
    "Arabic": "ar ara",
    "Persian": "fa fas per farsi",
    "Hindi": "hi hin",
    "Bengali": "bn ben",
    "Tamil": "ta tam",
    "Telugu": "te tel",
    "Thai": "th tha",
    "Vietnamese": "vi vie",
    "Indonesian": "id ind",
    "Malay": "ms msa may malaysian",
    "Tagalog": "tl tgl fil filipino",
    "Mongolian": "mn mon",
    "Korean": "ko kor",
    "Chinese": "zh zho chi cmn mandarin cantonese yue nan",
    "Latin": "la lat",
}
_NAME_OF = {word: name for name, words in _NAMES.items() for word in (name.casefold(), *words.split())}
NAMES = tuple(_NAMES)
_BESIDES = re.compile(r"[\s_(]+|-(?!american|portuguese)")


def name_of(value: object) -> str | None:
    """Return the English name of a language from a code or a name ("de", "ger", "pt-BR"); None for anything else."""
    if not isinstance(value, str):
        return None
    plain = value[:60].strip().casefold()
    known = _NAME_OF.get(plain) or _NAME_OF.get(re.sub(r"[\s_(]+", "-", plain).strip(")-"))
    return known or _NAME_OF.get(_BESIDES.split(plain, maxsplit=1)[0])


def names_of(values: object) -> tuple[str, ...]:
    """Return the languages in a list, or in text that separates them by commas, once each and in order."""
    parts = values.split(",") if isinstance(values, str) else values if isinstance(values, list | tuple | set) else ()
    return tuple(dict.fromkeys(name for part in parts if (name := name_of(part))))

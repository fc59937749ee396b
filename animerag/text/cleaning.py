"""Text as search and embedding see it: cleaned, normalised, hashed. Display uses the original."""

from __future__ import annotations

import html
import re
import unicodedata

_BBCODE = re.compile(r"\[/?(?:i|b|u|s|url|quote|spoiler|code|size|color)(?:=[^\]]*)?\]", re.IGNORECASE)
_ANIDB_LINK = re.compile(r"https?://anidb\.net/\S+ \[([^\]]*)\]")
_SCRIPT = re.compile(r"<(script|style)\b[^>]*>.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_INLINE_TAG = re.compile(r"</?(?:a|abbr|b|em|font|i|mark|s|small|span|strong|sub|sup|u)\b[^<>]*>", re.IGNORECASE)
# By name, so that "<Infinite Dendrogram>" stays: synopses write names of games and skills like that.
_HTML_TAG = re.compile(
    r"</?(?:article|audio|blockquote|body|br|button|center|code|dd|details|div|dl|dt|embed|form|h[1-6]|head|hr|html"
    r"|iframe|img|input|li|link|meta|object|ol|p|picture|pre|section|source|svg|table|tbody|td|th|thead|tr|ul|video)"
    r"\b[^<>]*>",
    re.IGNORECASE,
)
_CREDITS = re.compile(
    r"\[Written by [^\]]*\]|\(Source:[^)]*\)|^\s*(?:\* Based on|Source:|Note:).*$", re.IGNORECASE | re.MULTILINE
)
_NOTE = re.compile(
    r"[(\[*~–—-]*\s*(?:source|notes?|n\.b\.|credits?|synopsis|description)(?: (?:from|by))?\s*[:：]"
    r"|[(\[*~–—-]+\s*(?:edited|taken|adapted|translated|summari[sz]ed|from|via)\b[^.!?]{1,60}[)\]]?\.?$"
    r"|[(\[*]*(?:pre-?)?(?:aired|streamed|screened|broadcast|premiered|bundled|included|released)\b"
    r"|welcome to [^.!?]{1,40}[.!]?$"
    r"|(?:(?:this|the) (?:anime|series|show|film|movie|ova) (?:is|was) )?(?:based on|adapted from) [^.]{0,80}"
    r"\b(?:manga|novels?|games?|webtoon|comics?|visual novel|manhwa|story by|series by)\b[^!?]{0,80}$"
    r"|.*\b(?:was|were|will be) (?:later |also )?(?:pre-?)?"
    r"(?:aired|streamed|screened|broadcast|bundled|shown|included on)\b.*"
    r"\b(?:early|prior|advance|ahead|before|theaters?|theatres?|cinemas?|blu-?rays?|dvds?|volumes?|events?|channels?)\b"
    r"|.*\b(?:anime|series|show|film|movie) (?:debuted|premiered|aired) in\b",
    re.IGNORECASE,
)
# Words that refer to an earlier sentence: a quote that starts with one cannot be understood.
_LEANING = re.compile(
    r"[\"'“‘(]*(?:(?:he|she|they|it|this|these|those|that|his|her|hers|their|its|him|them|but|and|however|meanwhile"
    r"|instead|then|thus|therefore|so|yet|also|moreover|furthermore|afterwards?|consequently|nevertheless|unfortunately"
    r"|fortunately|both|another|such|there|here|now|soon|later|eventually|as a result|even (?:more|worse|so|though)"
    r"|as an? (?:response|consequence|answer)|somehow|surprisingly|suddenly|finally|additionally|likewise|similarly"
    r"|otherwise|nonetheless|still"
    r"|in (?:response|addition|turn|the end|return|doing so|the process|spite of this)|on top of that"
    r"|(?:years?|months?|weeks?|days?|hours?) later|luckily|in reality|included|to (?:his|her|their|its)"
    r"|at (?:first|last|the same time)|to make matters worse|from then on|since then|until then|after all)\b)"
    r"|[^,.;:]{0,40}\b(?:despite|because of|with|after|due to|through|from|for|by|to|of|on|in|at|around|during)"
    r" (?:this|that|these|those|such|him|them)\b(?! (?:time|world|day) )"
    r"|[^,.;:]{0,50},? (?:however|though|therefore|meanwhile|nonetheless|nevertheless|thus|as well|instead),"
    r"|[（「『]?(?:しかし|だが|そして|そこで|彼は|彼女は|彼らは|それは|その|この|ところが)",
    re.IGNORECASE,
)
# A pronoun as subject without an earlier noun that it may refer to: "Since he was a child, the girl ...".
_PRONOUN = re.compile(r"\b(?:he|she|they|him|them)\b")
_POSSESSIVE = re.compile(r"\b(?:his|her|their)\b")
# A thing that the reader has to know: "The entity reveals ...", "While the restaurant is closed, ...".
_DEFINITE = re.compile(
    r"[\"'“‘(]*(?:(?:While|When|As|Although|Though|After|Before|Since|If|Because|In|At) the|The)"
    r" (?!world|story|series|first|last|next|same|only|young|other)([a-z]{3,})\b"
)
_NAME = re.compile(r"(?<![\"'“‘(])\b[A-Z][a-z]")
_SOMEBODY = re.compile(
    r"\b(?:boys?|girls?|m[ae]n|wom[ae]n|teenagers?|teens?|youths?|child(?:ren)?|kids?|students?|schoolers?|teachers?"
    r"|people|humans?|human beings|everyone|everybody|someone|somebody|nobody|siblings|brothers?|sisters?|friends?"
    r"|mothers?|fathers?|parents?|daughters?|sons?|couple|pair|group|team|band|crew|class|members?|hero(?:es|ine)?s?"
    r"|princes?s?|kings?|queens?|knights?|soldiers?|warriors?|wizards?|witch(?:es)?|demons?|vampires?|robots?|aliens?"
    r"|gods?|goddess(?:es)?|detectives?|doctors?|pilots?|players?|gamers?|artists?|cats?|dogs?|monsters?|dragons?"
    r"|creatures?|beings?|travell?ers?|villagers?|citizens|residents|two|three|four|five|six|seven)\b",
    re.IGNORECASE,
)
_LEANING_CASE = re.compile(r"[\"'“‘(]*[a-z]")
_SPACE = re.compile(r"\s+")
_INITIAL = (
    r"(?<!\b[A-Z]\.)(?<!\bMr\.)(?<!\bMrs\.)(?<!\bMs\.)(?<!\bDr\.)(?<!\bSt\.)(?<!\bJr\.)(?<!\bvs\.)"  # "Gol D. Roger"
)
_SENTENCE_END = re.compile(rf"(?<=[.!?。！？]){_INITIAL}[\"'”’)\]」』]*\s+|(?<=[。！？])(?=[^\s」』])|\n+")
# A mark within a sentence, which goes on in lower case ("Soul Eater NOT! takes place"), and the number of an item.
_GOES_ON = re.compile(r"[.!?][\"'”’)\]]*\s+[a-z]\Z|\A\s*\d{1,2}\.\s+\S\Z")
_KANA = re.compile(r"[ぁ-ヿ]")
_NOT_WORD = re.compile(r"[^\w]+")


def clean(text: str) -> str:
    """Drop markup, AniDB link addresses, credits and notes; keep every sentence of the synopsis as written.

    The result is text, not HTML: it may contain `<` and `&` from the original.
    """
    text = _INLINE_TAG.sub("", _SCRIPT.sub(" ", _unescaped(text)))
    text = _ANIDB_LINK.sub(r"\1", text)
    text = _CREDITS.sub(" ", _HTML_TAG.sub(" ", _BBCODE.sub("", text)))
    lines = (_SPACE.sub(" ", line).strip() for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


def _unescaped(text: str) -> str:
    """Entities are often escaped twice, by one tool after another."""
    for _ in range(3):
        plain = html.unescape(text) if "&" in text else text
        if plain == text:
            break
        text = plain
    return text.replace("\xa0", " ")


def sentences(text: str) -> list[str]:
    """Split cleaned text into sentences, each verbatim."""
    pieces = []
    start = 0
    for mark in _SENTENCE_END.finditer(text):
        if "\n" not in mark.group() and _GOES_ON.search(text[start : mark.end() + 1]):
            continue
        end = mark.start() + len(mark.group().rstrip())
        pieces.append(text[start:end].strip())
        start = mark.end()
    pieces.append(text[start:].strip())
    return [sentence for sentence in pieces if sentence]


def plot(text: str) -> list[str]:
    """Return the sentences of cleaned text without notes at either end; all of them if nothing else is left.

    Notes name the source of the text or the first showing, or greet the reader: none of that is plot.
    """
    all_sentences = sentences(text)
    telling = [place for place, sentence in enumerate(all_sentences) if not _NOTE.match(sentence)]
    return all_sentences[telling[0] : telling[-1] + 1] if telling else all_sentences


def story(text: str) -> str:
    """Return cleaned text from the first to the last sentence of its plot: without greetings, notes and taglines."""
    telling = plot(text)
    if not telling:
        return text
    return text[text.index(telling[0]) : text.rindex(telling[-1]) + len(telling[-1])]


def stands_by_itself(sentence: str, before: str = "") -> bool:
    """Return whether a sentence can be understood without the text before it, which may introduce its subject."""
    if _LEANING.match(sentence) or _LEANING_CASE.match(sentence):
        return False
    definite = _DEFINITE.match(sentence)
    if definite and re.search(rf"\b{definite[1]}\b", before, re.IGNORECASE):
        return False
    if _POSSESSIVE.search(sentence) and not (_NAME.search(sentence, 1) or _SOMEBODY.search(sentence)):
        return False
    pronoun = _PRONOUN.search(sentence)
    if pronoun is None:
        return True
    at = pronoun.start()
    return bool(_NAME.search(sentence[1:at]) or _SOMEBODY.search(sentence[:at]))


def is_japanese(text: str) -> bool:
    """Return whether a question should be answered in Japanese."""
    return bool(_KANA.search(text))


def normalise(text: str) -> str:
    """Fold width, case, composed accents and punctuation, so that spellings of one title compare equal."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _NOT_WORD.sub(" ", folded).replace("_", " ").strip()

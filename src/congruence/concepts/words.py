"""Words as they stand in a text: where each starts and ends, and the form under which two are equal."""

import functools
import re
import unicodedata
from collections.abc import Iterator

CLITICS = ("s", "ll", "d", "re", "ve", "m")
"""What may follow an apostrophe without being part of the word before it: "king's" holds the word "king"."""

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\uff66-\uff9f\U00020000-\U0003ffff"
)
"""Thai, Lao, Burmese, Khmer, kana and Han: written without spaces, so spaces tell nothing about words."""

_JOINERS = "\u00ad\u200c\u200d"
"""Soft hyphen, zero-width non-joiner and joiner: inside a word, but no letter of it."""


def fold(word: str) -> str:
    """The form under which words are compared: composed, case-folded, one kind of apostrophe, no joiners.

    >>> fold("O\\u2019Clock"), fold("STRASSE") == fold("Straße")
    ("o'clock", True)
    """
    plain = word.replace("\u2019", "'").translate({ord(joiner): None for joiner in _JOINERS})
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", plain).casefold())


def word_spans(text: str) -> Iterator[tuple[int, int]]:
    """Start and end (in characters) of each word, in order.

    A word is a run of letters, marks and digits. Brackets, quotes and hyphens end it; an underscore or an
    apostrophe between two letters doesn't ("my_king", "o'clock", "don't"), unless a clitic follows the
    apostrophe ("king's" is the word "king" and the word "s").

    >>> text = "(king's) o'clock, king-size _king_"
    >>> [text[start:end] for start, end in word_spans(text)]
    ['king', 's', "o'clock", 'king', 'size', 'king']
    """
    return (match.span() for match in _word_pattern().finditer(text))


def split_words(text: str) -> tuple[str, ...]:
    """The folded words of a text: one for "joy", two for "New York".

    >>> split_words("New York")
    ('new', 'york')
    """
    return tuple(fold(text[start:end]) for start, end in word_spans(text))


def is_unspaced(text: str) -> bool:
    """Whether a word found by :func:`word_spans` is of a script that is written without spaces."""
    return _unspaced_pattern().match(text) is not None


def joins(gap: str) -> bool:
    """Whether two words with `gap` between them may be parts of one phrase: a space, a line end, a hyphen.

    >>> joins(" "), joins("-"), joins(", "), joins("\\n\\n")
    (True, True, False, False)
    """
    return gap == " " or _GAP.fullmatch(gap) is not None


_GAP = re.compile(r"[^\S\n]{0,3}\n?[^\S\n]{0,3}|[^\S\n]?[-\u2010\u2011'\u2019][^\S\n]?")


@functools.cache
def _word_pattern() -> re.Pattern[str]:
    marks = "".join(chr(code) for code in range(0x20000) if unicodedata.category(chr(code))[0] == "M")
    letter = f"[^\\W_{_UNSPACED}]"
    run = f"(?:{letter}++[{marks}]*+)++"
    clitic = f"(?:{'|'.join((*CLITICS, *map(str.upper, CLITICS)))})(?!{letter})"
    inside = f"(?:_++|[{_JOINERS}]++|['\u2019](?!{clitic}))"
    return re.compile(f"{run}(?:{inside}{run})*+|[{_UNSPACED}]++")


@functools.cache
def _unspaced_pattern() -> re.Pattern[str]:
    return re.compile(f"[{_UNSPACED}]")

"""Keyword lists from a language model behind any endpoint that speaks the OpenAI protocol."""

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from congruence.concepts.words import fold, split_words
from congruence.errors import InputError
from congruence.wording import install
from congruence.wordlists.build import KeywordList

PROMPT = (
    "List {count} common English words that belong to the concept {concept!r}{description}. Prefer single, "
    "unambiguous words in their base form. Answer with a JSON array of strings and nothing else."
)
LONGEST = 4
"""Entries of a reply with more words than this are sentences, not keywords."""

_ARRAY = re.compile(r"\[[^\[\]]*\]", re.DOTALL)
_BULLET = re.compile(r"^\s*(?:[-*•]|\d+[.):]|\[\d+\])\s*")


@dataclass(frozen=True)
class Endpoint:
    """Where to ask, and how.

    Attributes:
        model: name of the model at the endpoint.
        base_url: e.g. "http://localhost:8000/v1"; None: the client library's default.
        api_key: None: the client library's own variable, OPENAI_API_KEY. Local servers need none.
        temperature: of sampling; lists are independent only above 0.
        max_tokens: longest reply.
        timeout: seconds to wait for a reply.
    """

    model: str
    base_url: str | None = None
    api_key: str | None = None
    temperature: float = 1.0
    max_tokens: int = 1024
    timeout: float = 120.0


def ask_for_lists(
    concept: str, endpoint: Endpoint, *, lists: int = 3, count: int = 60, description: str = "", seed: int = 0
) -> list[KeywordList]:
    """Ask a language model for independent keyword lists of a concept, one request (and seed) each.

    Args:
        concept: its name, e.g. "Emotions".
        endpoint: where.
        lists: how many.
        count: keywords asked for in each.
        description: what the concept covers, where the name doesn't say.
        seed: of the first request; the others count up.

    Raises:
        InputError: the client library isn't installed, the endpoint can't be reached or refuses, or a reply
            holds no keyword.
    """
    about = f" ({description})" if description else ""
    prompt = PROMPT.format(count=count, concept=concept, description=about)
    client = _client(endpoint)
    return [_ask(client, endpoint, concept, prompt, seed + index) for index in range(lists)]


def parse_keywords(reply: str) -> list[str]:
    """The keywords in a reply: a JSON array if there is one, else its lines or what commas part.

    >>> parse_keywords('Sure! ["joy", "Fear", "joy"]')
    ['joy', 'Fear']
    >>> parse_keywords("1. joy\\n2. fear, hope")
    ['joy', 'fear', 'hope']
    """
    entries = _json_entries(reply)
    if entries is None:
        entries = [part for line in reply.splitlines() for part in re.split(r"[,;]", _BULLET.sub("", line))]
    kept: dict[str, str] = {}
    for entry in entries:
        keyword = " ".join(_BULLET.sub("", entry).strip(" \t.\"'`*").split())
        if 1 <= len(split_words(keyword)) <= LONGEST:
            kept.setdefault(fold(keyword), keyword)
    return list(kept.values())


def _json_entries(reply: str) -> list[str] | None:
    for match in _ARRAY.finditer(reply):
        try:
            entries = json.loads(match.group())
        except ValueError:
            continue
        if entries and all(isinstance(entry, str) for entry in entries):
            return entries
    return None


def _client(endpoint: Endpoint) -> Any:
    try:
        import openai
    except ImportError:
        raise InputError(f"asking a language model needs the openai client: {install('llm')}") from None
    # a local server asks for no key, but the client won't start without one
    key = endpoint.api_key or (None if endpoint.base_url is None else "none")
    try:
        return openai.OpenAI(base_url=endpoint.base_url, api_key=key, timeout=endpoint.timeout, max_retries=2)
    except openai.OpenAIError as error:
        raise InputError(
            f"no client for {endpoint.base_url or 'the default endpoint'}: {_line(error)}"
        ) from None


def _ask(client: Any, endpoint: Endpoint, concept: str, prompt: str, seed: int) -> KeywordList:
    import openai

    where = _without_credentials(str(client.base_url))
    try:
        answer = client.chat.completions.create(
            model=endpoint.model,
            messages=[{"role": "user", "content": prompt}],
            temperature=endpoint.temperature,
            max_tokens=endpoint.max_tokens,
            seed=seed,
        )
    except openai.OpenAIError as error:
        raise InputError(
            f"{where} gave no list for {concept!r} ({_line(error)}): is the server up?"
        ) from None
    reply = (answer.choices[0].message.content or "") if answer.choices else ""
    keywords = parse_keywords(reply)
    if not keywords:
        raise InputError(f"{endpoint.model} at {where} gave no keyword for {concept!r}, but {reply[:80]!r}")
    details = {"prompt": prompt, "seed": seed, "temperature": endpoint.temperature, "reply": reply}
    return KeywordList(keywords, f"{endpoint.model} at {where}", {**details, "answered_by": answer.model})


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]

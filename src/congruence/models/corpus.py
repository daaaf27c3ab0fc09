"""A corpus: the documents of a file, a folder or a `datasets` name, in order."""

import itertools
import logging
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from congruence.errors import CorpusError
from congruence.models.corpus_files import corpus_files
from congruence.models.corpus_text import known_encoding
from congruence.models.readers import ReadOptions, documents_of, text_field
from congruence.storage import content_key
from congruence.wording import install

log = logging.getLogger(__name__)

_SURROGATES = re.compile("[\ud800-\udfff]")
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class Corpus:
    """Documents of text.

    Attributes:
        name: where they come from.
        texts: the documents, none of them blank.
    """

    name: str
    texts: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def key(self) -> str:
        """Content key of the texts alone, so that a moved file is the same corpus."""
        return content_key(list(self.texts))


def load_corpus(
    path: str | Path,
    *,
    documents: int | None = None,
    skip: int = 0,
    text_column: str = "text",
    separator: str | None = None,
    encoding: str | None = None,
    split: str | None = None,
) -> Corpus:
    """Read documents from a file or folder.

    A text file is split at `separator`; without one at `<|endoftext|>` if that occurs in it, else at blank
    lines. In a folder of text files each file is one document, unless it holds a separator. `.jsonl`,
    `.json`, `.csv`, `.tsv`, `.parquet` and `.arrow` give one document a row. All but the last two may be
    packed (.gz, .bz2, .xz, .zst). Null and blank texts are left out; halves of UTF-16 pairs become U+FFFD.

    Args:
        path: a file, or a folder of files, read in the order of their names; of a data set's folder the data
            files, and of several splits one.
        documents: how many to read; None for all.
        skip: how many of those with text to pass over first.
        text_column: the field of a row that holds the text.
        separator: text that stands between documents.
        encoding: of files that aren't UTF-8, e.g. latin-1; None to refuse them.
        split: which split of a folder that has several; None for train.

    Raises:
        CorpusError: nothing is there, it can't be read, or it holds no text.
    """
    known_encoding(encoding)
    path = Path(path).expanduser()
    if not path.exists():
        raise CorpusError(_absent(path))
    options = ReadOptions(text_column, separator, path.is_dir(), encoding)
    files = corpus_files(path, options, split)
    texts = itertools.chain.from_iterable(documents_of(file, options) for file in files)
    return _corpus(str(path), texts, documents, skip)


def load_dataset_corpus(
    name: str,
    *,
    documents: int,
    skip: int = 0,
    text_column: str = "text",
    split: str = "train",
    config: str | None = None,
    revision: str | None = None,
) -> Corpus:
    """`documents` documents with text of a dataset on the Hub after the first `skip`, streamed.

    It needs the extra `datasets`.

    Raises:
        CorpusError: `datasets` isn't installed, the dataset can't be read, or it has no such column.
    """
    try:
        import datasets
    except ImportError:
        raise CorpusError(f"dataset {name!r} needs the package datasets: {install('datasets')}") from None
    try:
        rows = datasets.load_dataset(name, config, split=split, streaming=True, revision=revision)
        texts = (text_field(row, text_column, name) for row in rows)
        return _corpus(name, texts, documents, skip)
    except CorpusError:
        raise
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CorpusError(f"dataset {name!r} can't be read: {reason[:300]}") from error


def corpus_of(texts: Iterable[str], name: str = "texts") -> Corpus:
    """A corpus of documents that are already in memory; blank ones are left out."""
    return _corpus(name, texts, None)


def _corpus(name: str, texts: Iterable[str | None], documents: int | None, skip: int = 0) -> Corpus:
    if documents is not None and documents < 1:
        raise CorpusError(f"documents is {documents}: ask for at least 1")
    present = (text for text in texts if text and text.strip())
    end = None if documents is None else skip + documents
    chosen = tuple(_whole_characters(name, itertools.islice(present, skip, end)))
    if not chosen and skip:
        raise CorpusError(f"corpus {name!r} has no text after its first {skip:,} documents: skip fewer")
    if not chosen:
        raise CorpusError(f"corpus {name!r} is empty: it holds no text")
    return Corpus(name, chosen)


def _whole_characters(name: str, texts: Iterable[str]) -> Iterator[str]:
    """Texts with U+FFFD for every half of a UTF-16 pair, which no tokenizer takes."""
    replaced = 0
    for text in texts:
        whole, here = (text, 0) if text.isascii() else _SURROGATES.subn("\ufffd", text)
        replaced += here
        yield whole
    if replaced:
        log.warning("corpus %s: %d broken character(s) (lone surrogates) became U+FFFD", name, replaced)


def _absent(path: Path) -> str:
    where = "" if path.is_absolute() else f" in {os.getcwd()}"
    hub = not path.is_absolute() and _HUB_NAME.fullmatch(str(path)) is not None
    advice = (
        f"check the path, or write `dataset: {path}` for a data set on the Hub" if hub else "check the path"
    )
    return f"corpus {str(path)!r} doesn't exist{where}: {advice}"

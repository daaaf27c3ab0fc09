"""A corpus: the documents of a file, a folder or a `datasets` name, in order."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from congruence.errors import CorpusError
from congruence.models.readers import READERS, SUFFIXES, ReadOptions, text_field
from congruence.storage import content_key


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
    text_column: str = "text",
    separator: str | None = None,
) -> Corpus:
    """Read documents from a file or folder.

    A text file is split at `separator`; without one at `<|endoftext|>` if that occurs in it, else at blank
    lines. In a folder of text files each file is one document, unless it holds a separator. `.jsonl` and
    `.parquet` give one document a row.

    Args:
        path: a text, .jsonl or .parquet file, or a folder of such files, read in the order of their names.
        documents: how many to read; None for all.
        text_column: the field of a .jsonl or .parquet row that holds the text.
        separator: text that stands between documents.

    Raises:
        CorpusError: nothing is there, it can't be read, or it holds no text.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise CorpusError(f"corpus {str(path)!r} doesn't exist: check the path")
    files = _files(path)
    texts = itertools.chain.from_iterable(
        READERS.get(_reader(file))(file, ReadOptions(text_column, separator, path.is_dir())) for file in files
    )
    return _corpus(str(path), texts, documents)


def load_dataset_corpus(
    name: str,
    *,
    documents: int,
    text_column: str = "text",
    split: str = "train",
    config: str | None = None,
    revision: str | None = None,
) -> Corpus:
    """The first `documents` documents of a dataset on the Hub, streamed (needs the extra `datasets`).

    Raises:
        CorpusError: `datasets` isn't installed, the dataset can't be read, or it has no such column.
    """
    try:
        import datasets
    except ImportError:
        raise CorpusError(f"dataset {name!r} needs `pip install 'congruence[datasets]'`") from None
    try:
        rows = datasets.load_dataset(name, config, split=split, streaming=True, revision=revision)
        texts = [text_field(row, text_column, name) for row in itertools.islice(rows, documents)]
    except CorpusError:
        raise
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CorpusError(f"dataset {name!r} can't be read: {reason[:300]}") from error
    return _corpus(name, texts, documents)


def corpus_of(texts: Iterable[str], name: str = "texts") -> Corpus:
    """A corpus of documents that are already in memory; blank ones are left out."""
    return _corpus(name, texts, None)


def _corpus(name: str, texts: Iterable[str], documents: int | None) -> Corpus:
    if documents is not None and documents < 1:
        raise CorpusError(f"documents is {documents}: ask for at least 1")
    present = (text for text in texts if text.strip())
    chosen = tuple(itertools.islice(present, documents))
    if not chosen:
        raise CorpusError(f"corpus {name!r} is empty: it holds no text")
    return Corpus(name, chosen)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    visible = (p for p in path.rglob("*") if not any(q.startswith(".") for q in p.relative_to(path).parts))
    files = sorted(p for p in visible if p.is_file() and p.suffix.lower() in SUFFIXES)
    if not files:
        raise CorpusError(f"corpus folder {str(path)!r} holds no {', '.join(SUFFIXES)} file")
    return files


def _reader(file: Path) -> str:
    return SUFFIXES.get(file.suffix.lower(), "text")

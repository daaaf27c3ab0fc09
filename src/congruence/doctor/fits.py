"""How well SAEs fit the model that they name: the doctor's figures without a configuration."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from congruence.config.sections import SideConfig
from congruence.doctor.records import Record
from congruence.doctor.saes import Patient, examine
from congruence.errors import CongruenceError, InputError, ModelError
from congruence.models import LanguageModel, load_corpus, tokenize
from congruence.saes.entry import SaeEntry
from congruence.sides.sample import Sample
from congruence.sides.side import Side, open_model

DOCUMENTS, MAX_TOKENS, SAMPLE_TOKENS = 200, 128, 2048
_TEXT = Path(__file__).parents[1] / "assets" / "demo" / "text" / "comparison.jsonl"


def check_saes(
    entries: Sequence[SaeEntry], *, model: str | None = None, text: Path | None = None
) -> dict[str, Record]:
    """A record of each SAE's fit on a little text.

    Args:
        entries: of one listing; those that tell no layer or hook are left out.
        model: folder or Hub id; by default the one that the SAEs name.
        text: a file or folder of text; by default the simple stories that come with the package.

    Returns:
        Records by sae_id.

    Raises:
        InputError: no model is named, or several are. ModelError, CorpusError: one line each.
    """
    named = list(dict.fromkeys(entry.model for entry in entries if entry.model))
    if model is None and len(named) != 1:
        said = f"they name {', '.join(named)}" if named else "they name none"
        raise InputError(f"--check needs the model of these SAEs, and {said}: add --model")
    name = model or named[0]
    records: dict[str, Record] = {}
    loaded: LanguageModel | None = None
    sample: Sample | None = None
    by_hook: dict[str, list[SaeEntry]] = defaultdict(list)
    for entry in entries:
        if entry.layer is not None and entry.hook_name is not None:
            point = entry.hook_point
            by_hook[point.kind if point else entry.hook_name.replace(f".{entry.layer}.", ".{layer}.")].append(
                entry
            )
    for hook, found in by_hook.items():
        config = SideConfig(model=name, saes=found[0].path, hook=hook)
        if loaded is None or sample is None:
            try:
                loaded = open_model(config)
                sample = _sample(loaded, text)
            except ModelError as error:
                hint = "" if model else ", which the SAEs name: --model names another"
                raise ModelError(f"{str(error).rstrip('.')}{hint}") from error
        for entry in found:
            records[entry.sae_id] = _record(entry, config, loaded, sample)
    return records


def _sample(model: LanguageModel, text: Path | None) -> Sample:
    corpus = load_corpus(text or _TEXT, documents=DOCUMENTS)
    length = min(MAX_TOKENS, model.context or MAX_TOKENS)
    return Sample.of(model, tokenize(corpus, model.tokenizer, max_tokens=length), SAMPLE_TOKENS)


def _record(entry: SaeEntry, config: SideConfig, model: LanguageModel, sample: Sample) -> Record:
    assert entry.layer is not None
    try:
        sae = entry.load()
        side = Side("", config, model, {entry.layer: sae}, {}, (entry.layer,))
        return examine(Patient(side, entry.layer, "saes", sae), sample)
    except CongruenceError as error:
        return Record("fit", "error", str(error), layer=entry.layer)

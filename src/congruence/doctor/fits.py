"""How well SAEs fit the model that they name: the doctor's figures without a configuration."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from congruence.activations import stated
from congruence.config.sections import SideConfig
from congruence.doctor.crosscoders import Seat, examine_crosscoder
from congruence.doctor.records import STATUSES, Record
from congruence.doctor.saes import Patient, examine
from congruence.errors import CongruenceError, InputError, ModelError
from congruence.hook_names import parse_hook_name
from congruence.models import LanguageModel, load_corpus, tokenize
from congruence.saes import find_crosscoder
from congruence.saes.entry import SaeEntry
from congruence.saes.formats.crosscoders import ARCHITECTURE
from congruence.sides.crosscoder import OTHER_TOKENS
from congruence.sides.sample import Sample
from congruence.sides.side import Side, open_model

DOCUMENTS, MAX_TOKENS, SAMPLE_TOKENS = 200, 128, 2048
_TEXT = Path(__file__).parents[1] / "assets" / "demo" / "text" / "comparison.jsonl"


def check_saes(
    entries: Sequence[SaeEntry], *, model: str | Sequence[str] | None = None, text: Path | None = None
) -> dict[str, Record]:
    """A record of each SAE's fit on a little text, whose rows begin with BOS as the SAE's file says.

    Args:
        entries: of one listing; those that tell no layer or hook are left out.
        model: folder or Hub id; by default the one that the SAEs name. Of a crosscoder of two models both, in
            its order.
        text: a file or folder of text; by default the simple stories that come with the package.

    Returns:
        Records by sae_id.

    Raises:
        InputError: no model is named, or several are. ModelError, CorpusError: one line each.
    """
    given = [model] if isinstance(model, str) else list(model or ())
    named = list(dict.fromkeys(entry.model for entry in entries if entry.model))
    if not given and len(named) != 1:
        said = f"they name {', '.join(named)}" if named else "they name none"
        raise InputError(f"--check needs the model of these SAEs, and {said}: add --model")
    bench = _Bench(given or named, bool(given), text)
    if len(bench.names) > 1 and any(entry.architecture != ARCHITECTURE for entry in entries):
        raise InputError(f"SAEs are of one model, and --model names {', '.join(given)}: name one")
    told = [entry for entry in entries if entry.layer is not None and entry.hook_name is not None]
    return {entry.sae_id: bench.record(entry) for entry in told}


class _Bench:
    """Models and samples, each made once.

    Args:
        names: of the models; given: whether the user named them.
        text: to measure on.
    """

    def __init__(self, names: Sequence[str], given: bool, text: Path | None) -> None:
        self.names, self._given = names, given
        self._corpus = load_corpus(text or _TEXT, documents=DOCUMENTS)
        self._models = {name: self._opened(name) for name in dict.fromkeys(names)}
        self._samples: dict[tuple[str, bool | None], Sample] = {}

    def record(self, entry: SaeEntry) -> Record:
        """What is found of one SAE or crosscoder."""
        try:
            return self._crosscoder(entry) if entry.architecture == ARCHITECTURE else self._sae(entry)
        except CongruenceError as error:
            return Record("fit", "error", str(error), layer=entry.layer)

    def _sae(self, entry: SaeEntry) -> Record:
        sae = entry.load()
        side = self._side(self.names[0], entry, str(entry.hook_name), {entry.layer: sae})
        bos = stated(sae.metadata, "prepend_bos")
        return examine(Patient(side, side.layers[0], "saes", sae), self._sample(self.names[0], bos))

    def _crosscoder(self, entry: SaeEntry) -> Record:
        crosscoder = find_crosscoder(entry.path, sae_id=entry.sae_id).load()
        points = [parse_hook_name(name) if name else None for name in crosscoder.hook_names]
        of_layers = len({point.layer for point in points if point}) > 1
        names = list(self.names) if len(self.names) > 1 else list(self.names) * crosscoder.n_places
        if len(names) != crosscoder.n_places or (len(self.names) == 1) != of_layers:
            need = "one --model" if of_layers else f"--model {crosscoder.n_places} times, in its order"
            message = f"{crosscoder.what} isn't measured with {len(self.names)}: give {need}"
            return Record("fit", "warning", message, layer=entry.layer)
        bos = stated(crosscoder.metadata, "prepend_bos")
        seats = [
            Seat(self._side(name, entry, str(hook), {}), str(hook), self._sample(name, bos))
            for name, hook in zip(names, crosscoder.hook_names, strict=True)
        ]
        first = seats[0].sample.tokens.input_ids
        if any(
            seat.sample.tokens.input_ids.shape != first.shape or (seat.sample.tokens.input_ids != first).any()
            for seat in seats
        ):
            return Record("fit", "error", OTHER_TOKENS, layer=entry.layer)
        records = examine_crosscoder(
            crosscoder, seats, {(str(place), place): place for place in range(len(seats))}
        )
        worst = max(records, key=lambda r: (STATUSES.index(r.status), r.figures.get("fvu", 0.0)))
        return replace(worst, side="", layer=entry.layer)

    def _side(self, name: str, entry: SaeEntry, hook: str, saes: dict[Any, Any]) -> Side:
        point = parse_hook_name(hook)
        layer = point.layer if point else entry.layer
        assert layer is not None
        kind = point.kind if point else hook.replace(f".{layer}.", ".{layer}.")
        config = SideConfig(model=name, saes=entry.path, hook=kind)
        return Side("", config, self._models[name], saes, {}, (layer,))

    def _opened(self, name: str) -> LanguageModel:
        try:
            model = open_model(SideConfig(model=name, features="neurons"))
            _ = model.blocks
        except ModelError as error:
            hint = "" if self._given else ", which the SAEs name: --model names another"
            raise ModelError(f"{str(error).rstrip('.')}{hint}") from error
        return model

    def _sample(self, name: str, bos: object) -> Sample:
        model = self._models[name]
        begins = bos if isinstance(bos, bool) and model.tokenizer.bos_token_id is not None else None
        if (name, begins) not in self._samples:
            length = min(MAX_TOKENS, model.context or MAX_TOKENS)
            tokens = tokenize(self._corpus, model.tokenizer, max_tokens=length, prepend_bos=begins)
            self._samples[name, begins] = Sample.of(model, tokens, SAMPLE_TOKENS)
        return self._samples[name, begins]

"""What run.json says of every SAE of a run: where it lies, what it is, and how it did on this text."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from congruence.run.captures import Captures
from congruence.run.grid import REAL, Source
from congruence.sides.side import Side, known_saes

if TYPE_CHECKING:
    from congruence.doctor import Record

FVU_DIGITS = 6


def fvus_of(records: "Iterable[Record]") -> list[list[Any]]:
    """[side, seed, layer, FVU, tokens] of every SAE that the preflight measured."""
    return [
        [
            record.side,
            record.seed,
            record.layer,
            round(record.figures["fvu"], FVU_DIGITS),
            int(record.figures.get("tokens", 0)),
        ]
        for record in records
        if record.layer is not None and record.figures.get("fvu") == record.figures.get("fvu", "")
    ]


def sae_records(side: Side, captures: Captures, fvus: Iterable[Iterable[Any]]) -> dict[str, dict[str, Any]]:
    """`saes` and `other_seed` of a side by layer, as run.json has them.

    Args:
        side: the side.
        captures: where its features are stored.
        fvus: what `fvus_of` gave.

    Returns:
        For each layer: source, sae_id, files, format, hook_name, model (as its files say), architecture,
        d_in, d_sae, l0 (features that fire on a token of this text), fvu (on the preflight's sample; None
        where it wasn't measured) and key (hash of its bytes and how they are read).
    """
    measured = {(name, seed, layer): (fvu, tokens) for name, seed, layer, fvu, tokens in fvus}
    found: dict[str, dict[str, Any]] = {}
    for seed, variant in (("saes", REAL), ("other_seed", "other_seed")):
        saes: Mapping[int, Any] = known_saes(getattr(side, seed))
        found[seed] = {
            str(layer): {
                **sae.about,
                "d_in": sae.d_in,
                "d_sae": sae.d_sae,
                "l0": captures.l0(Source(side.name, variant, layer)),
                "fvu": measured.get((side.name, seed, layer), (None, 0))[0],
                "fvu_tokens": measured.get((side.name, seed, layer), (None, 0))[1],
                "key": sae.key,
            }
            for layer, sae in saes.items()
        }
    return found

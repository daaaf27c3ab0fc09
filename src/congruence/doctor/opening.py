"""Opening a side piece by piece, so that one broken file doesn't hide what is wrong with the others."""

from collections.abc import Iterator

from congruence.config.sections import SideConfig
from congruence.doctor.records import Record
from congruence.doctor.saes import Patient
from congruence.errors import CongruenceError
from congruence.saes import Sae
from congruence.sides.side import Side, layers_of, open_model, other_seed_layers, sae_of_layer


def open_tolerantly(name: str, config: SideConfig) -> tuple[Side | None, list[Record]]:
    """A side with those of its SAEs that can be read, and an error for everything else.

    Returns:
        The side, None where not even its model opens; and the errors.
    """
    try:
        model = open_model(config)
        layers = layers_of(config, model)
    except CongruenceError as error:
        return None, [Record("model", "error", str(error), side=name)]
    records: list[Record] = []
    saes = {} if config.features == "neurons" else _readable(name, config, "saes", layers, records)
    try:
        other_layers = other_seed_layers(config, layers)
    except CongruenceError as error:
        records.append(Record("sae", "error", str(error), side=name, seed="other_seed"))
        other_layers = ()
    other = _readable(name, config, "other_seed", other_layers, records)
    return Side(name, config, model, saes, other, layers), records


def patients(side: Side) -> Iterator[Patient]:
    """Every SAE of a side."""
    for seed in ("saes", "other_seed"):
        for layer, sae in getattr(side, seed).items():
            yield Patient(side, layer, seed, sae)


def _readable(
    name: str, config: SideConfig, seed: str, layers: tuple[int, ...], records: list[Record]
) -> dict[int, Sae]:
    """The SAEs that can be read; for each of the others an error is added to `records`."""
    found = {}
    for layer in layers:
        try:
            found[layer] = sae_of_layer(getattr(config, seed), layer, config)
        except CongruenceError as error:
            records.append(Record("sae", "error", str(error), side=name, layer=layer, seed=seed))
    return found

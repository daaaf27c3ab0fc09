"""The crosscoder of a configuration: which of its places each layer of each side is."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from congruence.config.run import RunConfig
from congruence.errors import ConfigError, SaeError
from congruence.hook_names import parse_hook_name

if TYPE_CHECKING:
    from congruence.saes.find_crosscoder import CrosscoderFiles


def files_of(config: RunConfig) -> "CrosscoderFiles":
    """The files of the crosscoder that `pairing.path` names.

    Raises:
        SaeError: there is none.
    """
    from congruence.saes import find_crosscoder

    return find_crosscoder(str(config.pairing.options["path"]))


def is_by_crosscoder(config: RunConfig) -> bool:
    """Whether features are paired by a crosscoder."""
    return config.pairing.method == "crosscoder"


def with_its_layers(config: RunConfig) -> RunConfig:
    """The configuration with the layers that a crosscoder names where it says `all`; others as they are.

    Raises:
        SaeError: the crosscoder doesn't name any.
    """
    sides = {"a": config.a, "b": config.b}
    if not is_by_crosscoder(config) or all(side.layers != "all" for side in sides.values()):
        return config
    files = files_of(config)
    named = layers_of_places(files.format.hook_names(files.found.files))
    if not named and (entry := files.found.describe()).layer is not None:
        named = [entry.layer]
    if not named:
        raise SaeError(
            f"{files.found.files.label} doesn't say which layers it reads: name layers of both sides"
        )
    update = {
        name: side.model_copy(update={"layers": sorted(set(named))})
        for name, side in sides.items()
        if side.layers == "all"
    }
    return config.model_copy(update=update)


def layers_of_places(hook_names: Sequence[str | None]) -> list[int]:
    """The layer of each place that is named; empty where one isn't."""
    points = [parse_hook_name(name) if name else None for name in hook_names]
    return [point.layer for point in points if point is not None] if all(points) else []


def places_of(
    config: RunConfig, hook_names: Sequence[str | None], layers: Mapping[str, Sequence[int]], n_places: int
) -> dict[tuple[str, int], int]:
    """(side, layer) -> the place of a crosscoder that it is.

    Of layers of one model, the place that reads the layer; of two models, the first is a and the second b
    unless `pairing.places` says otherwise.

    Args:
        config: the run's configuration.
        hook_names: where the places are, as far as the file says.
        layers: side -> its layers.
        n_places: how many places there are.

    Raises:
        ConfigError: a layer isn't one of its places, or several layers of a model are asked for.
    """
    from congruence.saes.crosscoder import in_words

    named = layers_of_places(hook_names)
    what, path = in_words(n_places, tuple(hook_names)), config.pairing.options["path"]
    if len(set(named)) > 1:
        if config.a.model != config.b.model:
            raise ConfigError(f"{path} is {what} of one model: a and b must name the same model")
        wanted = {(side, layer) for side, of in layers.items() for layer in of}
        if missing := sorted({layer for _, layer in wanted} - set(named)):
            raise ConfigError(f"{path} reads layers {sorted(set(named))}, not {missing[0]}: correct layers")
        return {(side, layer): named.index(layer) for side, layer in wanted}
    if n_places != 2:
        raise ConfigError(f"{path} is {what}: two models, or layers of one, are compared by a crosscoder")
    places = list(config.pairing.options.get("places") or (0, 1))
    if sorted(places) != [0, 1]:
        raise ConfigError(f"pairing.places is {places!r}: write [0, 1], or [1, 0] where its first model is b")
    found: dict[tuple[str, int], int] = {}
    for (side, of), place in zip(layers.items(), places, strict=True):
        if len(of) != 1 or (named and of[0] != named[0]):
            right = f"[{named[0]}]" if named else "the one that it was trained on"
            raise ConfigError(
                f"{path} reads one layer of each model: {side}.layers is {list(of)}, write {right}"
            )
        found[side, of[0]] = place
    return found


def hook_at(hook_names: Sequence[str | None], place: int, fallback: str) -> Any:
    """Where a place is read: as the file names it, else as the side does."""
    name = hook_names[place] if place < len(hook_names) else None
    return name if name and parse_hook_name(name) else fallback

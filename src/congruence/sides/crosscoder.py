"""The crosscoder of a configuration: which place each layer of each side is, and where it is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from congruence.activations import stated
from congruence.config.run import RunConfig
from congruence.config.saes import hook_of_side
from congruence.errors import ConfigError, ModelError, SaeError
from congruence.hook_names import parse_hook_name
from congruence.sides.devices import device_of
from congruence.sides.side import Side, fed_place
from congruence.storage import Memo

if TYPE_CHECKING:
    from congruence.saes.crosscoder import Crosscoder
    from congruence.saes.find_crosscoder import CrosscoderFiles

OTHER_TOKENS = (
    "a crosscoder reads both models at the same tokens, but their tokenizers differ: compare models that "
    "have one tokenizer"
)


def is_by_crosscoder(config: RunConfig) -> bool:
    """Whether features are paired by a crosscoder."""
    return config.pairing.method == "crosscoder"


def joint_reading(config: RunConfig, memo: Memo | None = None) -> "JointReading | None":
    """The crosscoder that pairs the features of a run; None where another method does.

    Args:
        config: the run's configuration.
        memo: keeps its sizes and hooks, so that it isn't loaded for them a second time.

    Raises:
        SaeError: there is none at `pairing.path`, or it doesn't say what the configuration leaves open.
        ConfigError: layers or hooks of the sides aren't the crosscoder's.
    """
    return JointReading.of(config, memo or Memo()) if is_by_crosscoder(config) else None


@dataclass(frozen=True, eq=False)
class JointReading:
    """A crosscoder, and what of it the sides of a run are.

    Attributes:
        files: of the crosscoder.
        config: the run's, with layers and hooks as the crosscoder names them where it left them open.
        hook_names: where each place is, as the crosscoder's files name it; None where they don't.
        d_in, d_sae: width of each place, and number of features.
        prepend_bos: whether it was trained on rows that begin with BOS; None where its files don't say.
        place_at: (side, layer) -> number of the place.
    """

    files: "CrosscoderFiles"
    config: RunConfig
    hook_names: tuple[str | None, ...]
    d_in: int
    d_sae: int
    prepend_bos: bool | None
    place_at: Mapping[tuple[str, int], int]

    @classmethod
    def of(cls, config: RunConfig, memo: Memo) -> "JointReading":
        """Read what its files say; arguments and errors are those of `joint_reading`."""
        from congruence.saes import find_crosscoder

        files = find_crosscoder(str(config.pairing.options["path"]))
        facts = memo.value("crosscoder", files.key(), lambda: _facts(files))
        names = tuple(facts["hook_names"])
        config = _with_its_layers(config, files, names)
        layers: dict[str, Sequence[int]] = {
            name: [] if side.layers == "all" else side.layers for name, side in _sides(config).items()
        }
        place_at = places_of(config, names, layers, len(names))
        hooks = {name: _hook(config, name, names, place_at) for name in layers}
        update = {
            name: side.model_copy(update={"hook": hooks[name]})
            for name, side in _sides(config).items()
            if hooks[name] != side.hook
        }
        config = config.model_copy(update=update)
        return cls(files, config, names, facts["d_in"], facts["d_sae"], facts["prepend_bos"], place_at)

    @cached_property
    def crosscoder(self) -> "Crosscoder":
        """It, loaded."""
        return self.files.load(device=device_of(self.config.a.device))

    @property
    def label(self) -> str:
        """Where it lies."""
        return self.files.found.files.label

    def read_at(self, sides: Mapping[str, Side]) -> list[tuple[str, str]]:
        """For each place the side whose model is read there, and the hook point.

        Args:
            sides: side -> the side, open.

        Raises:
            ConfigError: a place is nowhere in its model, or nothing says where it is.
            SaeError: the model's vectors are of another width.
        """
        reading = {place: at for at, place in sorted(self.place_at.items(), reverse=True)}
        found = []
        for place, name in enumerate(self.hook_names):
            side, layer = reading.get(place, ("a", None))
            hook = self._hook_at(sides[side], name, layer, place)
            point, width = parse_hook_name(hook), sides[side].model.d_model
            if point is not None and point.kind in ("resid_post", "resid_pre") and width != self.d_in:
                raise SaeError(
                    f"the crosscoder {self.label} reads vectors of {self.d_in}, but "
                    f"{sides[side].config.label} has d_model {width}: it is of other models"
                )
            found.append((side, hook))
        return found

    def _hook_at(self, side: Side, name: str | None, layer: int | None, place: int) -> str:
        """Where a place is read: as its file names it, else as the side does."""
        point = parse_hook_name(name) if name else None
        if point is not None:
            if point.layer >= side.model.n_layers:
                raise ConfigError(
                    f"{self.label} reads {name}, and {side.config.label} has {side.model.n_layers} blocks: "
                    "it is of another model"
                )
            return str(name)
        told = name is not None and "hook" not in side.config.model_fields_set
        if told and _is_module(side, str(name)):
            return str(name)
        if told:
            raise ConfigError(
                f"{self.label} names hook {name!r}, which is no kind of hook point and no module of "
                f"{side.config.label}: set hook and layers of both sides to where it was trained"
            )
        if layer is None:
            raise ConfigError(f"{self.label} doesn't say where its place {place} is: name layers")
        return fed_place(side, layer)


def _facts(files: "CrosscoderFiles") -> dict[str, Any]:
    """Widths and places from the tensors, as a config may be wrong; and whether it was trained with BOS."""
    crosscoder = files.load()
    told = files.format.hook_names(files.found.files)
    if told and len(told) != crosscoder.n_places:
        raise SaeError(
            f"{files.found.files.label} names {len(told)} places ({', '.join(map(str, told))}) and holds "
            f"{crosscoder.n_places}: is it whole?"
        )
    bos = stated(crosscoder.metadata, "prepend_bos")
    return {
        "hook_names": list(crosscoder.hook_names or (None,) * crosscoder.n_places),
        "d_in": crosscoder.d_in,
        "d_sae": crosscoder.d_sae,
        "prepend_bos": bos if isinstance(bos, bool) else None,
    }


def _sides(config: RunConfig) -> dict[str, Any]:
    return {"a": config.a, "b": config.b}


def _is_module(side: Side, name: str) -> bool:
    try:
        side.model.taps(name)
    except ModelError:
        return False
    return True


def _with_its_layers(
    config: RunConfig, files: "CrosscoderFiles", hook_names: Sequence[str | None]
) -> RunConfig:
    """The configuration with the layers that a crosscoder names where it says `all`; others as they are."""
    if all(side.layers != "all" for side in _sides(config).values()):
        return config
    named = layers_of_places(hook_names)
    if not named and (entry := files.found.describe()).layer is not None:
        named = [entry.layer]
    if not named:
        unread = next((name for name in hook_names if name is not None), None)
        told = "" if unread is None else f" (it names hook {unread!r}, which is no kind of hook point)"
        raise SaeError(
            f"{files.found.files.label} doesn't say which layers it reads{told}: name layers of both sides"
        )
    update = {
        name: side.model_copy(update={"layers": sorted(set(named))})
        for name, side in _sides(config).items()
        if side.layers == "all"
    }
    return config.model_copy(update=update)


def _hook(
    config: RunConfig,
    side: str,
    hook_names: Sequence[str | None],
    place_at: Mapping[tuple[str, int], int],
) -> str:
    """The kind of hook of a side: as the crosscoder names it, which the side must not contradict."""
    section = _sides(config)[side]
    named = [hook_names[place] for (of, _), place in place_at.items() if of == side]
    points = [(name, point) for name in named if name and (point := parse_hook_name(name))]
    if len(points) < len(named) or len({point.kind for _, point in points}) > 1:
        return section.hook
    name, point = points[0]
    if "hook" in section.model_fields_set and hook_of_side(section.hook) != point.kind:
        raise ConfigError(
            f"{config.pairing.options['path']} reads {name}, and {side}.hook is {section.hook}: leave hook "
            "out, or name a crosscoder that was trained there"
        )
    return point.kind


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
        return {(side, layer): named.index(layer) for side, layer in sorted(wanted)}
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

"""What a recipe is: a function that gives a full configuration, with what it shows and what it takes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from congruence.config import RunConfig
from congruence.config.quirks import as_published as quirks_of
from congruence.errors import ConfigError
from congruence.registry import Registry

PAPERS = {"lan2024": "Lan et al. 2024", "son2025": "Son et al. 2025", "extension": "an extension"}
WHOLE = ""
"""The name of a recipe's only part."""
Section = Mapping[str, Any]


@dataclass(frozen=True)
class Recipe:
    """One experiment, ready to run.

    Attributes:
        name: as the command line names it.
        title: what is compared, in a line.
        paper: lan2024, son2025 or extension.
        shows: the paper's figure or table.
        make: () -> the configuration as a mapping.
        published: the experiment in the published numbers that this one repeats; "" where there is none.
        widths: (d_model, d_sae) of a and of b in the paper; anything else is a stand-in.
        gpu_gb, disk_gb, minutes: estimates from the sizes of models, SAEs and stored activations; minutes on
            one GPU of the A100 class, downloads left out.
        note: what to know before it is run.
        parts: name -> changes of the configuration, where it takes several runs; empty for one.
        training: configuration of `congruence train-sae`, where the SAEs have to be trained first.
        beside: recipe whose run some claims need as well, "" for none.
        topk: whether the SAEs are sparsify's, which the published code read without their TopK step.
        gemma: whether these are Gemma's grids, of which the notebooks hold ten null scores.
        training_of_parts: part -> changes of `training`, where a part has SAEs of its own.
        printed: part -> what the paper prints of its SVCCA, in words.
    """

    name: str
    title: str
    paper: str
    shows: str
    make: Callable[[], Section]
    published: str = ""
    widths: tuple[tuple[int, int], tuple[int, int]] | None = None
    gpu_gb: float = 0.0
    disk_gb: float = 0.0
    minutes: float = 0.0
    note: str = ""
    parts: Mapping[str, Section] = field(default_factory=dict)
    training: Section | None = None
    beside: str = ""
    topk: bool = False
    gemma: bool = False
    training_of_parts: Mapping[str, Section] = field(default_factory=dict)
    printed: Mapping[str, str] = field(default_factory=dict)

    def build(
        self, *, part: str = WHOLE, as_published: bool = False, draws: int | None = None, run: int = 0
    ) -> RunConfig:
        """The configuration: right by default.

        Args:
            part: one of `parts`; the first where none is named.
            as_published: with every quirk that the published numbers depend on.
            draws: null scores of each test in place of the recipe's.
            run: number of a repeated run, from 0: another sample of the text and another seed.

        Raises:
            ConfigError: there is no such part.
        """
        chosen = self._part(part)
        sections = {**self.make(), **self.parts.get(chosen, {})}
        if as_published:
            paper = "son2025" if self.paper == "son2025" else "lan2024"
            bounded = sections.get("pairing", {}).get("measure") != "euclidean"  # of which none is above .1
            quirks = quirks_of(paper, topk=self.topk, gemma=self.gemma)
            sections["quirks"] = [name for name in quirks if bounded or name != "min_r_only"]
        if draws is not None:
            sections["null"] = {**sections.get("null", {}), "draws": draws}
        return repeated(RunConfig.model_validate(sections), run)

    def train(self, part: str = WHOLE) -> dict[str, Any]:
        """The configuration of `congruence train-sae` for the SAEs of a part, the first where none is named.

        Raises:
            ConfigError: there is no such part, or its SAEs aren't trained.
        """
        chosen = self._part(part)
        if self.training is None:
            raise ConfigError(f"recipe {self.name} trains no SAEs: leave --training out")
        return {**self.training, **self.training_of_parts.get(chosen, {})}

    def _part(self, part: str) -> str:
        if part != WHOLE and part not in self.parts:
            raise ConfigError(
                f"recipe {self.name} has no part {part!r}: {', '.join(self.parts) or 'it is one'}"
            )
        return part or next(iter(self.parts), WHOLE)

    @property
    def facts(self) -> dict[str, str]:
        """Models, SAEs, layers and tokens, read off the configuration."""
        config = self.build()
        sides = (config.a, config.b)
        corpus = config.corpus
        length = f"{corpus.documents:,} documents × {corpus.max_tokens} tokens" if corpus.documents else "all"
        return {
            "models": " × ".join(str(side.model) for side in sides),
            "saes": " × ".join(_saes(side) for side in sides),
            "layers": " × ".join(_layers(side.layers) for side in sides),
            "tokens": f"{corpus.dataset or corpus.path}, {length}",
            "gpu": f"{self.gpu_gb:g} GB",
            "disk": f"{self.disk_gb:g} GB",
            "time": _time(self.minutes),
        }


RECIPES: Registry[Recipe] = Registry("recipe", "recipes")


def add(recipe: Recipe) -> Recipe:
    """Put a recipe on the list."""
    return RECIPES.register(recipe.name)(recipe)


def repeated(config: RunConfig, run: int) -> RunConfig:
    """The same comparison on the next sample of its text, with the next seed.

    Raises:
        ConfigError: the corpus says no number of documents, so that there is no next sample.
    """
    if run == 0:
        return config
    if config.corpus.documents is None:
        raise ConfigError("repeated runs need other text: set corpus.documents, so that a next sample exists")
    skip = config.corpus.skip_documents + run * config.corpus.documents
    corpus = config.corpus.model_copy(update={"skip_documents": skip})
    return config.model_copy(update={"corpus": corpus, "seed": config.seed + run})


def _saes(side: Any) -> str:
    if side.features == "neurons":
        return "none (neurons)"
    if isinstance(side.saes, dict):
        return ", ".join(str(getattr(one, "path", one)) for one in side.saes.values())
    return str(getattr(side.saes, "path", side.saes))


def _layers(layers: Any) -> str:
    return layers if isinstance(layers, str) else ",".join(map(str, layers))


def _time(minutes: float) -> str:
    return f"{minutes / 60:.0f} h" if minutes >= 90 else f"{minutes:.0f} min"

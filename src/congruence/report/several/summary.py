"""The summary of a run of several models in the terminal: the answer, the matrix, and where the rest lies."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from congruence.config.models import pair_name
from congruence.report.lines import Lines
from congruence.report.several.words import sentences, title_of
from congruence.report.terminal import REPORT
from congruence.run.several.results import ModelsRun
from congruence.storage import generations
from congruence.storage.run_folder import PAIRS
from congruence.wording import format_score

if TYPE_CHECKING:
    from rich.text import Text

_NAME, _CELL = 16, 8


def summary_of_models(run: ModelsRun) -> "ModelsSummary":
    """What a person wants to know at the end of a run of several models, for `Console.print` of rich."""
    return ModelsSummary(run)


@dataclass(frozen=True, repr=False)
class ModelsSummary(Lines):
    """A rich renderable; see :func:`summary_of_models`."""

    run: ModelsRun

    def _lines(self, width: int) -> Iterator["Text"]:
        from rich.text import Text

        run = self.run
        yield Text(f"{' × '.join(run.models)}", style="bold")
        for number, sentence in enumerate(sentences(run)):
            yield Text(sentence, style="bold" if number == 0 else "")
        yield Text("")
        yield Text(f"{title_of(run.info['lead'])}, best layer pair of every two models", style="dim")
        yield Text("")
        yield from self._matrix(width)
        yield Text("")
        yield from self._places()

    def _matrix(self, width: int) -> Iterator["Text"]:
        """Rows of models; as many columns as fit, numbered where their names are long."""
        from rich.text import Text

        run, values = self.run, self.run.matrix()
        fitting = max(1, (width - _NAME - 4) // _CELL)
        shown = run.models[:fitting]
        heads = [str(number + 1) for number in range(len(shown))]
        yield Text(
            f"{'':<{_NAME + 3}} " + "".join(f"{head:>{_CELL}}" for head in heads), style="bold", no_wrap=True
        )
        for number, name in enumerate(run.models):
            told = name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"
            cells = "".join(f"{format_score(float(values.loc[name, other])):>{_CELL}}" for other in shown)
            yield Text.assemble((f"{number + 1:>2} {told:<{_NAME}} ", "bold"), cells, no_wrap=True)
        if len(shown) < len(run.models):
            yield Text(
                f"the first {len(shown)} of {len(run.models)} columns; the report has all", style="dim"
            )

    def _places(self) -> Iterator["Text"]:
        from rich.text import Text

        shown = generations.public(self.run.folder)
        places = [("report", shown / REPORT), ("figures", shown / "figures")]
        places += [("pairs", self.run.path / PAIRS / pair_name(self.run.pairs[0]))]
        for name, path in places:
            if path.exists():
                more = f"  and {len(self.run.pairs) - 1} more" if name == "pairs" else ""
                yield Text.assemble((f"{name:<8}", "bold"), f"{path}{more}", no_wrap=True, overflow="ignore")

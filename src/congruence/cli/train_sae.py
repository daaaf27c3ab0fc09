"""`congruence train-sae`: SAEs for the layers of a language model."""

from pathlib import Path

import click

from congruence.cli.places import Folder
from congruence.cli.run import log_to_terminal


@click.command("train-sae")
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--out", type=Folder(), help="Folder of the results; default: NAME-saes.")
@click.option("--model", help="Hub id or folder of the language model, instead of the configuration's.")
@click.option("--corpus", help="Text file or folder, instead of the configuration's.")
@click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), multiple=True, help="Only these seeds; may be repeated."
)
@click.option(
    "--frozen-decoder",
    is_flag=True,
    help="Leave decoders at their random start: SAEs for the control frozen_decoder.",
)
@click.option("-v", "--verbose", count=True, help="Show what is done; -vv shows everything.")
def command(
    config: Path,
    *,
    out: Path | None,
    model: str | None,
    corpus: str | None,
    seed: tuple[int, ...],
    frozen_decoder: bool,
    verbose: int,
) -> None:
    """Train SAEs as the YAML file CONFIG says.

    A killed training goes on from its last checkpoint when the same command is given again, and ends with the
    same SAEs. Finished ones are left as they are. Needs sae-lens: pip install '.[train]' in a checkout.
    """
    from congruence.training.config import load_training_config

    log_to_terminal(verbose)
    settings = load_training_config(
        config, model=model, corpus=corpus, seeds=seed, frozen_decoder=frozen_decoder
    )
    out = out or Path(f"{config.stem}-{'frozen-' if frozen_decoder else ''}saes")

    from congruence.progress import shown
    from congruence.training.sessions import train_saes

    with shown(True) as progress:
        trained = train_saes(settings, out, progress=progress)
    _show(trained, out)


def _show(trained: list, out: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"SAEs in {out}")
    for name in ("hook", "seed", "FVU", "L0", "dead", "tokens", ""):
        table.add_column(name, justify="left" if name in ("hook", "") else "right")
    for sae in trained:
        quality = sae.quality
        table.add_row(
            str(sae.hook),
            str(sae.seed),
            f"{quality.fvu:.3f}",
            f"{quality.l0:.1f}",
            f"{quality.dead_share:.1%}",
            f"{quality.tokens:,}",
            "found" if sae.reused else "trained",
        )
    Console().print(table)

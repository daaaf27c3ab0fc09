"""`congruence figures DIR`."""

from pathlib import Path

import click

from congruence.cli.places import Folder, RunDir


@click.command()
@click.argument("run_dir", metavar="DIR", type=RunDir())
@click.option("--style", type=click.Choice(["paper"]), default="paper", show_default=True)
@click.option("--width", type=click.Choice(["column", "page"]), default="column", show_default=True)
@click.option("--font-size", type=float, default=8.0, show_default=True, help="Points.")
@click.option(
    "--format", "formats", type=click.Choice(["pdf", "svg", "png"]), multiple=True, default=("pdf",),
    show_default=True, help="May be given several times.",
)  # fmt: skip
@click.option("--title", is_flag=True, help="Put a title above each figure.")
@click.option("--out", type=Folder(), help="Folder; default: DIR/paper.")
@click.option("--beside", type=click.Path(path_type=Path), help="Another run, drawn beside in one scale.")
@click.option("--only", multiple=True, metavar="NAME", help="Just this figure; may be given several times.")
def command(
    *,
    run_dir: Path,
    style: str,
    width: str,
    font_size: float,
    formats: tuple[str, ...],
    title: bool,
    out: Path | None,
    beside: Path | None,
    only: tuple[str, ...],
) -> None:
    """Draw the figures of the finished run in DIR as papers print them, and their captions.

    PDF and SVG keep text as text, PNG has 300 dots an inch. Nothing is computed anew.
    """
    from congruence.report.paper.plot import write_paper_figures
    from congruence.report.paper.style import Style

    asked = Style(width, font_size, title)
    formats = tuple(dict.fromkeys(formats))
    paths = list(write_paper_figures(run_dir, out, formats=formats, style=asked, beside=beside, only=only))
    click.echo(f"{len(paths) - 1} figures and their captions: {paths[-1].parent}")

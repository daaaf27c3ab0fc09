"""The `congruence` command: one file per subcommand, loaded when it is called."""

import gc
import importlib
import importlib.util
import logging
import os
import sys

import click

from congruence import __version__
from congruence.cli.stopping import AGAIN, ending, stopping_on_signals
from congruence.cli.streams import forgiving_streams, lost_output
from congruence.errors import Stopped, StorageError, shortened

WAITING = "OMP_WAIT_POLICY"
"""How torch's threads wait for work: asleep. By default they spin, and where anything else runs, threads that
work wait for such as wait: a capture beside one busy process took four times as long."""
RUBBISH = (50_000, 50, 100)
"""How many objects may come into being before Python looks for circles among them that nobody holds. At its
own 700 it looks through millions of objects of torch and transformers while they load; circles that hold
arrays are few, and a run looks for them itself where it lets a model go."""
COMMANDS = {
    "run": ("congruence.cli.run", "Compare two language models as a config file says."),
    "status": ("congruence.cli.status", "Say how far the run in a folder or bucket is."),
    "init": ("congruence.cli.init", "Write a commented configuration for two models."),
    "validate": ("congruence.cli.validate", "Check a config file without loading a model."),
    "plan": ("congruence.cli.plan", "Say what a run will take: hours, bytes, money, how many workers."),
    "demo": ("congruence.cli.demo", "Compare the two embedded models: a first result in a minute."),
    "recipe": ("congruence.cli.recipe", "List, show, run and audit the two papers' experiments."),
    "report": ("congruence.cli.report", "Redraw the figures and report of a finished run."),
    "explore": ("congruence.cli.explore", "Look into a finished run in the browser."),
    "figures": ("congruence.cli.figures", "Draw a finished run's figures as papers print them."),
    "tables": ("congruence.cli.tables", "Write a finished run's tables for a paper."),
    "compare-runs": ("congruence.cli.compare_runs", "Put several finished runs side by side."),
    "diff": ("congruence.cli.compare_runs", "The same as compare-runs."),
    "export": ("congruence.cli.export", "Write a finished run's tables for other programs."),
    "prune": (
        "congruence.cli.prune",
        "List what a run's folder holds, and remove what no configuration uses.",
    ),
    "saes": ("congruence.cli.saes", "List the SAEs in a folder or Hub repository."),
    "train-sae": ("congruence.cli.train_sae", "Train SAEs on a model's activations."),
    "concepts": ("congruence.cli.concepts", "List, show, build and check concept keyword lists."),
    "list": ("congruence.cli.list", "List measures, nulls, matchers, filters, controls, formats or recipes."),
    "truth": ("congruence.cli.truth", "Show what is recovered of made-up models whose truth is known."),
    "doctor": ("congruence.cli.doctor", "Check that every SAE fits its model and hook."),
}


class LazyCommands(click.Group):
    """A group that imports a subcommand's module only when it is used or its own help is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name, (module, _) in COMMANDS.items() if importlib.util.find_spec(module)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _ = COMMANDS[cmd_name]
        return importlib.import_module(module).command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if rows := [(name, COMMANDS[name][1]) for name in self.list_commands(ctx)]:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


@click.group(cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="congruence")
def commands() -> None:
    """How alike are the features that two language models have learned, and is that more than chance?"""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line.

    An error the user can mend is one line and exit code 2; what nobody foresaw is one line and 1, with its
    traceback in the run's log or in a file that the line names. Ctrl-C, SIGTERM and SIGHUP end in 130, 143
    and 129 after everything half-written is removed. Output that nobody takes any more doesn't end a run; a
    file that it goes to and that is cut short by a full disk is told when the work is done.
    """
    os.environ.setdefault(WAITING, "PASSIVE")
    gc.set_threshold(*RUBBISH)
    with forgiving_streams(), stopping_on_signals():
        try:
            commands.main(args=arguments, standalone_mode=False)
            if why := lost_output():
                raise StorageError(f"standard output can't be written ({why}): make room, and {AGAIN}")
        except click.ClickException as error:
            click.echo(_one_line(error), err=True)
            sys.exit(error.exit_code)
        except (Exception, KeyboardInterrupt, Stopped) as error:
            logging.getLogger("congruence").debug("traceback", exc_info=True)
            message, code = ending(error)
            click.echo(message, err=True)
            sys.exit(code)


def _one_line(error: click.ClickException) -> str:
    """What click found wrong with the arguments, and where they are explained."""
    told = shortened(" ".join(error.format_message().split()).rstrip("."))
    context = getattr(error, "ctx", None)
    return f"error: {told}: see `{context.command_path} --help`" if context else f"error: {told}"


if __name__ == "__main__":
    main()

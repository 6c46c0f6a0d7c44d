"""The command group `ptb` and its commands."""

import inspect
import re
import sys
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from typer.core import TyperCommand, TyperGroup
from typing_extensions import override

from posttrainbench import __version__
from posttrainbench.cli import (
    agents,
    audit,
    bundles,
    catalog,
    cleanup,
    data,
    demo,
    doctor,
    evaluations,
    harbor,
    image,
    import_results,
    judge,
    launch,
    leaderboard,
    lineage,
    logs,
    plot,
    publish,
    published,
    report,
    reproduce,
    review,
    runs,
    sandbox,
    scan,
    status,
    submission,
    trace,
    view,
)
from posttrainbench.cli.console import outlive_reader
from posttrainbench.cli.usage import NO_INPUT, is_request_for_help, is_usage_error, usage_sentence
from posttrainbench.errors import InfrastructureError, InputError

VERDICT_COMMANDS = ("audit", "scan", "check-submission", "lineage", "judge", "verify", "reproduce")
"""Commands whose exit code 1 means that something is flagged."""

KEY_COMMANDS = (
    "run",
    "launch",
    "reproduce",
    "job",
    "check-node",
    "resume",
    "stop",
    "evaluate",
    "baseline",
    "judge",
    "agents",
    "data",
    "doctor",
    "publish",
)
"""Commands that may use API keys; they read them from `.env` too."""

STREAMS = ("logs", "trace", "status")
"""Commands that a reader who leaves ends, since they may print for long. Others go on, and their exit code is right."""

VALUES = {bool: "", str: "TEXT", Path: "PATH", int: "N", float: "NUMBER"}
"""Text that the help shows beside an option, by the type of its value. Flags have no value."""


class PlainHelp:
    """Mixin for commands and groups: help that shows `TEXT` for `<str>` and `<list[str]>`, and nothing for `<bool>`.

    Arguments are shown without types, because their names say what they are.
    """

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help."""
        for param in self.get_params(ctx):  # type: ignore[attr-defined]
            if param.param_type_name == "option" and param.metavar is None:
                annotation = param.type_descriptor.annotation
                param.metavar = VALUES.get(next(iter(get_args(annotation)), annotation))
            elif param.param_type_name == "argument":
                param.display_type_rich = lambda ctx: None
        super().format_help(ctx, formatter)  # type: ignore[misc]


class Command(PlainHelp, TyperCommand):
    """A command."""


def _plain_group(cls: Any) -> type[TyperGroup]:
    """Return a class of groups with `PlainHelp`."""
    base = cls if isinstance(cls, type) else TyperGroup
    return type(base.__name__, (PlainHelp, base), {})


class Commands(PlainHelp, TyperGroup):
    """The commands. Usage errors, questions without input, and failures of verdict commands exit with 2."""

    @override
    def main(self, *args: Any, **extra: Any) -> Any:
        try:
            code = super().main(*args, **{**extra, "standalone_mode": False})
            sys.stdout.flush()
        except (BrokenPipeError, SystemExit) as error:  # for a lost reader, Typer and Rich exit with 1
            if isinstance(error, SystemExit) and not isinstance(error.__context__, BrokenPipeError):
                raise
            from posttrainbench.cli.console import discard

            discard(sys.stdout)
            sys.exit(0)
        except typer.Abort:  # Ctrl-C at a question
            sys.exit(130)
        except Exception as error:
            if is_request_for_help(error):
                sys.exit(2)
            if not is_usage_error(error):
                raise
            raise InputError(usage_sentence(error)) from None
        sys.exit(code if isinstance(code, int) else 0)

    @override
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except InfrastructureError as error:
            if ctx.invoked_subcommand not in VERDICT_COMMANDS:
                raise
            print(f"ptb: {error}", file=sys.stderr)
            raise typer.Exit(2) from None
        except (EOFError, typer.Abort) as error:  # Typer exits with 1 for both
            if not isinstance(error, EOFError) and not isinstance(error.__context__, EOFError):
                raise
            raise InputError(NO_INPUT) from error


app = typer.Typer(
    name="ptb",
    cls=Commands,
    help="Measure whether AI agents can post-train language models, and whether they cheat.",
    epilog="Start here:  ptb doctor,  then  ptb demo --quick",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(requested: bool) -> None:
    if requested:
        print(__version__)
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    catalogs: Annotated[
        list[Path] | None,
        typer.Option(
            "--catalog",
            envvar="PTB_CATALOG",
            metavar="DIR",
            help="Directory with additional catalog entries. Repeatable.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Measure whether AI agents can post-train language models, and whether they cheat."""
    if context.invoked_subcommand not in STREAMS:
        outlive_reader("stdout")
    if catalogs:
        from posttrainbench.catalog import use_catalogs

        use_catalogs(catalogs)
    if context.invoked_subcommand in KEY_COMMANDS:
        from posttrainbench.cli.keys import announce_keys

        announce_keys(Path(".env"))


RUN, LOOK, AUDIT, EVALUATE, SET_UP = "Run", "Look", "Audit", "Evaluate", "Set up"
"""Panels of `ptb --help`."""

app.command(rich_help_panel=RUN)(demo.demo)
app.command(rich_help_panel=RUN)(runs.run)
app.command(rich_help_panel=RUN)(launch.launch)
app.command(hidden=True)(launch.job)
app.command("check-node", hidden=True)(launch.check_node)
app.command(rich_help_panel=RUN)(runs.resume)
app.command(rich_help_panel=RUN)(runs.stop)
app.command("list", rich_help_panel=LOOK)(status.list_experiments)
app.command(rich_help_panel=LOOK)(status.status)
app.command(rich_help_panel=LOOK)(logs.logs)
app.command(rich_help_panel=LOOK)(trace.trace)
app.command(rich_help_panel=LOOK)(leaderboard.leaderboard)
app.command(rich_help_panel=LOOK)(leaderboard.compare)
app.command(rich_help_panel=LOOK)(report.report)
app.command(rich_help_panel=LOOK)(view.view)
app.command(rich_help_panel=LOOK)(plot.plot)
app.command(rich_help_panel=LOOK)(bundles.export)
app.command(rich_help_panel=LOOK)(publish.publish)
app.command("import", rich_help_panel=LOOK)(import_results.import_results)
app.command(rich_help_panel=AUDIT)(audit.audit)
app.command(rich_help_panel=AUDIT)(audit.adjudicate)
app.command(rich_help_panel=AUDIT)(review.review)
app.command(rich_help_panel=AUDIT)(scan.scan)
app.command(rich_help_panel=AUDIT)(submission.check_submission)
app.command(rich_help_panel=AUDIT)(bundles.verify)
app.command(rich_help_panel=AUDIT)(reproduce.reproduce)
app.add_typer(judge.app, name="judge", rich_help_panel=AUDIT)
app.add_typer(lineage.app, name="lineage", rich_help_panel=AUDIT)
app.command(rich_help_panel=EVALUATE)(evaluations.evaluate)
app.command(rich_help_panel=EVALUATE)(evaluations.baseline)
app.command(rich_help_panel=EVALUATE)(published.published)
app.command(rich_help_panel=EVALUATE)(published.score)
app.command(rich_help_panel=SET_UP)(doctor.doctor)
app.command(rich_help_panel=SET_UP)(catalog.catalog)
app.command(rich_help_panel=SET_UP)(cleanup.cleanup)
app.add_typer(agents.app, rich_help_panel=SET_UP)
app.add_typer(data.app, rich_help_panel=SET_UP)
app.add_typer(sandbox.app, rich_help_panel=SET_UP)
app.add_typer(image.app, rich_help_panel=SET_UP)
app.add_typer(harbor.app, rich_help_panel=RUN)


def _prepare_help(group: typer.Typer) -> None:
    """Join the lines of each paragraph in the help texts, so that they wrap at the width of the terminal.

    Also makes all commands print help without the types of flags.
    """
    for command in group.registered_commands:
        text = inspect.cleandoc(command.help or getattr(command.callback, "__doc__", None) or "")
        command.help = re.sub(r"(?<!\n)\n(?!\n)", " ", text)
        command.cls = Command
    for subgroup in group.registered_groups:
        if subgroup.typer_instance is not None:
            subgroup.typer_instance.info.cls = _plain_group(subgroup.typer_instance.info.cls)
            _prepare_help(subgroup.typer_instance)


_prepare_help(app)

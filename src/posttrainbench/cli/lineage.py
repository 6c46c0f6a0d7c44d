"""`ptb lineage`: decide from weights alone which checkpoint a model was derived from."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from posttrainbench.cli.options import Json, print_json
from posttrainbench.errors import InputError
from posttrainbench.files import require_directory, require_existing

if TYPE_CHECKING:
    from posttrainbench.audit.lineage import Checkpoint, Lineage


class _Group(TyperGroup):
    """`ptb lineage CHECKPOINT` is short for `ptb lineage check CHECKPOINT`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert the default command `check`."""
        if args and args[0] not in {*self.commands, "--help", "-h"}:
            args = ["check", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=_Group, no_args_is_help=True, rich_markup_mode="rich")

Base = Annotated[str, typer.Option(metavar="X", help="The base model: a catalog id or a directory.")]


@app.callback()
def lineage() -> None:
    """Decide from a model's weights alone which checkpoint it was derived from.

    Example:  [bold]ptb lineage final_model --base micro-base[/bold]
    """


@app.command()
def check(
    checkpoint: Annotated[Path, typer.Argument(help="Directory of the model to check, in safetensors format.")],
    base: Annotated[str | None, typer.Option(metavar="X", help="The base model: a catalog id or a directory.")] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(metavar="Y", help="A forbidden checkpoint. Repeatable. Default: the instruct counterpart of X."),
    ] = None,
    pack: Annotated[
        list[Path] | None,
        typer.Option(help="A reference pack that replaces base model and forbidden checkpoint. Repeatable."),
    ] = None,
    json: Json = False,
) -> None:
    """Compare a checkpoint's weights with its base model and with forbidden checkpoints.

    Exit codes: 0 clean or the unchanged base model, 1 any other verdict, 2 it could not be checked.

    Example:  [bold]ptb lineage final_model --base micro-base --against micro-instruct[/bold]
    """
    from posttrainbench.audit.lineage import compare, worst
    from posttrainbench.audit.lineage.pack import Pack
    from posttrainbench.audit.lineage.pair import CheckpointPair, Pair
    from posttrainbench.untrusted import UnreadableError

    others = [] if base is None else against or _siblings(base)
    candidate = _open(str(checkpoint), directory=checkpoint)
    pairs: list[Pair] = []
    for path in pack or []:
        require_existing(path, "a reference pack written by `ptb lineage pack`")
        try:
            pairs.append(Pack.open(path))
        except UnreadableError as error:
            raise InputError(f"{path} cannot be used: {error}; write it again with `ptb lineage pack`.") from None
    if base is not None:
        pairs += [CheckpointPair(_open(base), _open(other)) for other in others]
    elif against:
        raise InputError("--against needs --base.")
    if not pairs:
        raise InputError("Give the checkpoints to compare with: --base X --against Y, or --pack FILE.")
    comparisons = []
    for pair in pairs:
        try:
            comparisons.append(compare(candidate, pair))
        except UnreadableError as error:
            raise InputError(f"{checkpoint} cannot be compared with {pair.forbidden}: {error}.") from None
    result = worst(comparisons)
    if json:
        data = result.model_dump(mode="json")
        if len(comparisons) > 1:
            data["comparisons"] = [
                {"against": other.forbidden, "verdict": other.verdict.value, "reasons": other.reasons}
                for other in comparisons
            ]
        print_json(data)
    else:
        _show(comparisons)
    raise typer.Exit(0 if result.verdict in ("clean", "base_unchanged") else 1)


@app.command()
def pack(
    base: Base,
    against: Annotated[str, typer.Option(metavar="Y", help="The forbidden checkpoint: a catalog id or a directory.")],
    out: Annotated[Path, typer.Option(help="The file to write.")],
) -> None:
    """Write a reference pack: rows and hashes that replace a base model and a forbidden checkpoint.

    Example:  [bold]ptb lineage pack --base micro-base --against micro-instruct --out micro.safetensors[/bold]
    """
    from posttrainbench.audit.lineage.pack import write_pack
    from posttrainbench.cli.console import Console

    if not out.parent.is_dir():
        raise InputError(f"{out.parent} is not a directory; choose another path for --out.")
    facts = write_pack(_open(base), _open(against), out)
    Console(highlight=False).print(
        f"{out}: {len(facts.tensors)} tensors, {out.stat().st_size / 1e6:.1f} MB", markup=False, soft_wrap=True
    )


def _open(name: str, directory: Path | None = None) -> "Checkpoint":
    """Open a checkpoint by its catalog id or directory."""
    from posttrainbench import catalog
    from posttrainbench.audit.lineage import Checkpoint
    from posttrainbench.untrusted import UnreadableError

    if directory is None:
        directory = Path(name)
        if not directory.is_dir() and "/" not in name:
            directory = catalog.find(catalog.models(), name, "model").directory
    require_directory(directory, "the directory of a saved model")
    try:
        return Checkpoint.open(directory, name)
    except (UnreadableError, OSError) as error:
        raise InputError(f"{name} cannot be read as a checkpoint: {error}.") from None


def _siblings(base: str) -> list[str]:
    """Return the forbidden checkpoints of a base model in the catalog."""
    from posttrainbench import catalog

    if Path(base).is_dir():
        raise InputError(f"The catalog has no instruct counterpart of the directory {base}; give --against Y.")
    model = catalog.find(catalog.models(), base, "model")
    if model.instruct is None:
        raise InputError(f"{base} is not a base model of the catalog; give --against Y.")
    return [model.instruct]


def _show(comparisons: "list[Lineage]") -> None:
    from rich.text import Text

    from posttrainbench.cli.console import Console
    from posttrainbench.report.layout import Paragraph, columns
    from posttrainbench.report.text import plain

    console = Console(highlight=False)
    header = ("verdict", "equal base", "equal it", "rho", "slope", "spread", "against")
    table = [[Text(name, style="bold") for name in header]]
    for comparison in comparisons:
        facts = comparison.statistics
        cells = (
            comparison.verdict.value.replace("_", " "),
            f"{facts.share_base:.1%}",
            f"{facts.share_forbidden:.1%}",
            f"{facts.rho:.2f}",
            f"{facts.slope:.3f}",
            f"{facts.slope_spread:.1%}" if facts.slope_spread < 10 else "-",
            plain(comparison.forbidden, 1000),
        )
        table.append([Text(cell) for cell in cells])
    for line in columns(table, right=range(1, 6)):
        console.print(line, soft_wrap=True)
    for comparison in comparisons:
        for reason in comparison.reasons:
            text = f"{plain(comparison.forbidden, 1000)}: {plain(reason, 400)}"
            console.print(Paragraph(Text(text), 0), soft_wrap=True)

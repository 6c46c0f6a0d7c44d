"""`ptb publish`: runs as a data set of the Hugging Face Hub."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import Annotated

import typer

from posttrainbench.cli.options import Json, print_json
from posttrainbench.cli.places import RunsPath
from posttrainbench.errors import InputError


def publish(
    path: RunsPath,
    repository: Annotated[str, typer.Option("--repo", metavar="OWNER/NAME", help="Data set on the Hub.")],
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep the prepared files in this new directory.", show_default=False),
    ] = None,
    upload: Annotated[
        bool, typer.Option("--upload", help="Upload. Without it, only print what would go where.")
    ] = False,
    public: Annotated[bool, typer.Option("--public", help="Make a new data set public. Default: private.")] = False,
    json: Json = False,
) -> None:
    """Prepare a data set for the Hugging Face Hub from a run or an experiment, and upload it on request.

    It contains a bundle, the leaderboard as JSON and CSV, and a card. For each run that counts with its own score, a
    model card with the result is prepared, which you can add to the card of the model. The bundle contains the
    benchmark's test items: check that their licenses allow to publish them.

    Example:  [bold]ptb publish runs/demo --repo me/demo --out prepared[/bold]
    """
    import os
    import tempfile
    from contextlib import ExitStack

    from posttrainbench.cli.console import Console
    from posttrainbench.hub.upload import upload as upload_files
    from posttrainbench.report.exchange.publication import describe, prepare, require_repository
    from posttrainbench.report.text import plain
    from posttrainbench.run.recorder import host_secrets

    require_repository(repository)
    token = os.environ.get("HF_TOKEN", "")
    if upload and not token:
        raise InputError("HF_TOKEN is not set; set it to a token of the Hub that may write.")
    with ExitStack() as stack:
        if out is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ptb-publish-")))
        else:
            folder = stack.enter_context(_new_directory(out))
        publication = prepare(path, repository, folder, host_secrets(os.environ))
        files = describe(publication)
        url = ""
        if upload:
            message = f"Add {path.resolve().name}"
            url = upload_files(
                repository, publication.files, kind="dataset", message=message, public=public, token=token
            )
    if json:
        print_json(
            {
                "repository": repository,
                "files": [{"path": name, "size": size, "sha256": digest} for name, size, digest in files],
                "model_cards": sorted(publication.cards),
                "without_card": publication.without_card,
                "directory": str(out) if out is not None else None,
                "commit": url or None,
            }
        )
        return
    lines = [
        f"datasets/{repository}: {'uploaded' if upload else 'nothing was uploaded; with --upload, these files are'}"
    ]
    lines += [f"  {name}: {size:,} bytes, SHA-256 {digest}" for name, size, digest in files]
    kept = f" in {out / 'model-cards'}" if out and publication.cards else "" if out else "; --out DIR keeps them"
    lines.append(f"Model cards: {len(publication.cards)}{kept}")
    lines += [f"  no card for {run}: {reason}" for run, reason in list(publication.without_card.items())[:10]]
    if url:
        lines.append(f"Commit: {url}")
    console = Console()
    for line in lines:
        console.print(plain(line, 1000) if not line.startswith("  ") else f"  {plain(line, 1000)}", markup=False,
                      highlight=False, soft_wrap=True)  # fmt: skip


@contextmanager
def _new_directory(out: Path) -> Iterator[Path]:
    """Make a directory, which an error removes again."""
    if out.exists() or out.is_symlink():
        raise InputError(f"{out} already exists; give a new directory with --out.")
    if not out.absolute().parent.is_dir():
        raise InputError(f"{out.absolute().parent} is not a directory; give another one with --out.")
    out.mkdir()
    try:
        yield out
    except BaseException:
        rmtree(out)
        raise

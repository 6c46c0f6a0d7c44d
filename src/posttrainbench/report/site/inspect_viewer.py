"""Inspect's own log viewer in the site, with the evaluation logs of all runs.

The viewer is Inspect's program and takes about 11 MB, so it is written only on request. It loads its data with
requests, which browsers refuse for files: it needs a web server. Its pages follow Inspect's security policy, not that
of the site.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from urllib.parse import quote

from posttrainbench.errors import InputError, one_line
from posttrainbench.records import Stage
from posttrainbench.report.site.runs import SiteRun
from posttrainbench.untrusted import UnreadableError, names_below, open_below

FOLDER = "inspect"
MAX_LOG = 2**30
"""Bytes of a log; larger ones are left out."""
NAME = re.compile(r"[A-Za-z0-9._-]+\.eval")
"""Names of logs; Inspect fails on some others, which evaluations do not write."""


def write_inspect_viewer(runs: Sequence[SiteRun], out: Path) -> dict[str, set[str]]:
    """Write `inspect/` below the top of a site; return place of a run -> names of its logs in the viewer.

    Links are not followed, and logs that Inspect cannot read are left out.

    Raises:
        InputError: no run has a log, or Inspect cannot make the viewer.
    """
    from inspect_ai.log import bundle_log_dir

    with tempfile.TemporaryDirectory(prefix="ptb-inspect-") as scratch:
        logs, viewer = Path(scratch, "logs"), Path(scratch, "viewer")
        logs.mkdir()
        shown = {run.place: names for run in runs if (names := _copy_logs(run, logs / run.place))}
        if not shown:
            raise InputError("No run has an evaluation log for Inspect's viewer; leave out --inspect-viewer.")
        try:
            with redirect_stdout(StringIO()):
                bundle_log_dir(str(logs), str(viewer))
        except Exception as error:  # of Inspect and of its file systems
            raise InputError(
                f"Inspect's viewer cannot be made: {one_line(error)} Leave out --inspect-viewer."
            ) from None
        shutil.copytree(viewer, out / FOLDER)
    return shown


def sample_link(place: str, log: str, sample: str, epoch: int) -> str:
    """Return the fragment of the viewer's URL that opens a sample of a log.

    Args:
        place: the run's place on the site.
        log: name of the log.
        sample: id of the sample.
        epoch: its epoch, from 1.
    """
    return f"#/logs/{place}/{quote(log, safe='')}/samples/sample/{quote(sample, safe='')}/{epoch}/"


def _copy_logs(run: SiteRun, folder: Path) -> set[str]:
    """Copy the readable logs of a run; return their names."""
    from inspect_ai.log import read_eval_log

    source, copied = run.run.root / Stage.EVALUATE.folder / "logs", set[str]()
    for name in names_below(run.run.root, source):
        if not NAME.fullmatch(name):
            continue
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with open_below(run.run.root, source / name) as file, (folder / name).open("wb") as copy:
                if file.seek(0, 2) > MAX_LOG:
                    raise UnreadableError("it is too large")
                file.seek(0)
                shutil.copyfileobj(file, copy, 2**20)
            read_eval_log(str(folder / name), header_only=True)
        except Exception:  # of Inspect: a damaged log must not prevent the others
            (folder / name).unlink(missing_ok=True)
            continue
        copied.add(name)
    return copied

"""Takes over what the agent submitted, as data only."""

from pathlib import Path

from posttrainbench import catalog
from posttrainbench.audit.submission import sanitise
from posttrainbench.files import write_json
from posttrainbench.records import Stage
from posttrainbench.run.directory import Run
from posttrainbench.run.watch import Watch


def collect(run: Run, out: Path, watch: Watch) -> None:
    """The stage `collect`: the sanitised files and `manifest.json`."""
    watch.say("taking over the submission")
    base = catalog.find(catalog.models(), run.spec.model, "model")
    manifest = sanitise(run.stage(Stage.SOLVE) / "final_model", out, base.directory)
    write_json(out / "manifest.json", manifest)

"""The collect stage: copy the agent's submission, restricted to data files."""

from pathlib import Path

from posttrainbench import catalog
from posttrainbench.evaluation.limited_check import check_submission
from posttrainbench.files import write_json
from posttrainbench.records import Stage, SubmissionManifest
from posttrainbench.records.submission import FINAL, KEPT
from posttrainbench.run.directory import Run
from posttrainbench.run.elsewhere import checkpoints_elsewhere
from posttrainbench.run.progress import ProgressListener


def collect(run: Run, out: Path, listener: ProgressListener) -> None:
    """Run the stage `collect`: write the canonical checkpoint and `manifest.json`."""
    listener.on_message("checking the submission")
    base = catalog.find(catalog.models(), run.spec.model, "model")

    def check(folder: str) -> SubmissionManifest:
        return check_submission(run.spec, run.stage(Stage.SOLVE) / folder, out)

    manifest = check(FINAL)
    kept = run.stage(Stage.SOLVE) / KEPT
    if manifest.state in ("missing", "broken") and kept.is_dir() and (earlier := check(KEPT)).state == "accepted":
        note = (
            f"At the end, final_model was not a complete model: {manifest.problems[0]} The last complete one that was "
            "there when the agent used evaluate.py is evaluated, as the suite allows."
        )
        manifest = earlier.model_copy(update={"kept": note})
    if manifest.state in ("missing", "broken"):
        named = checkpoints_elsewhere(run.workspace, base.directory)
        manifest = manifest.model_copy(update={"problems": [*manifest.problems, *named]})
    write_json(out / "manifest.json", manifest)

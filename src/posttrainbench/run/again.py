"""Does one stage of a finished run again, and settles the run anew; what was there before is kept."""

from posttrainbench.records import Result, Stage
from posttrainbench.run.directory import Run
from posttrainbench.run.pipeline import advance
from posttrainbench.run.watch import Watch


def repeat(run: Run, stage: Stage) -> Result:
    """Repeat `stage` alone, then settle.

    Raises:
        InputError: another process works on the run.
    """
    with run.lock():
        if run.is_done(stage):
            run.again(stage)
    return advance(run, Watch())

"""Execute a part of a run in a job of HTCondor. See `job_process` for what this module may load.

python -m posttrainbench.launch.htcondor_job RUN PART RETRIES JOB [BENCHMARK ...]
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from posttrainbench.launch.job_process import EXIT_CODES, ending_of, start_job

NAME = "htcondor"


def main(words: Sequence[str]) -> int:
    """Execute a part of a run. Return the exit code of the job."""
    root, part, retries, job, *off_target = words
    process = start_job(Path(root), part, int(retries), NAME, job, off_target)
    return EXIT_CODES[ending_of(Path(root), process.wait())]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

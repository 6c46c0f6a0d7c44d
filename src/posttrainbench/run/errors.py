"""The failure policy: one table with the effect of each cause of failure and its remedy."""

import errno
from dataclasses import dataclass
from typing import Literal

from posttrainbench.errors import InfrastructureError

Effect = Literal["fall_back", "exclude"]


@dataclass(frozen=True)
class Policy:
    """The consequence of a cause of failure.

    Attributes:
        effect: `fall_back`: the agent's fault, so the run gets the base score; `exclude`: not the agent's fault, so
            the run does not count and should be repeated.
        retries: number of immediate retries of the stage.
        remedy: advice to the user.
    """

    effect: Effect
    retries: int
    remedy: str


POLICIES: dict[str, Policy] = {
    # caused by the submission
    "submission_missing": Policy("fall_back", 0, "The agent must leave a model in final_model."),
    "submission_refused": Policy("fall_back", 0, "Submit safetensors, JSON and tokenizer files only."),
    "submission_broken": Policy("fall_back", 0, "Submit a complete checkpoint of the base model's architecture."),
    # caused by the machine
    "not_ready": Policy("exclude", 0, "Resume the run when this is fixed; none of its time was used."),
    "sandbox_failed": Policy("exclude", 1, "See `ptb doctor`."),
    "recorder_failed": Policy("exclude", 1, "See provenance-errors.txt in the run, if it exists, and the kernel log."),
    "solve_killed": Policy("exclude", 0, "See process.log in the run and the kernel log; then resume the run."),
    "gpu_busy": Policy("exclude", 0, "See `nvidia-smi`; resume the run when the GPU is free."),
    "engine_failed": Policy(
        "exclude", 1, "See the engine's log; `ptb resume RUN --engine NAME` evaluates with another engine."
    ),
    "provider_failed": Policy("exclude", 0, "Check key, credit and limits (see usage.jsonl in the run), then resume."),
    "agent_not_started": Policy("exclude", 0, "See output.jsonl in the run and `ptb agents check`, then resume."),
    "install_failed": Policy("exclude", 0, "Try again when the npm registry is reachable."),
    "egress_failed": Policy("exclude", 1, "See egress.log in the run."),
    "gateway_failed": Policy("exclude", 1, "See gateway.log in the run."),
    "grader_failed": Policy("exclude", 1, "Check that the grader is reachable and its key is valid and has credit."),
    "service_failed": Policy("exclude", 1, "See grading.log or evaluator.log in the run, and `ptb doctor`."),
    "hub_failed": Policy("exclude", 0, "Try again when the Hugging Face Hub is reachable."),
    "baseline_failed": Policy(
        "exclude", 0, "See the engine's log; `ptb resume RUN --engine NAME` evaluates with another engine."
    ),
    "check_failed": Policy("exclude", 0, "See `ptb doctor`, and whether the base model's files are whole."),
    "data_changed": Policy(
        "exclude", 0, "Restore the file, or install the version of posttrainbench that created the run."
    ),
    "kit_changed": Policy("exclude", 0, "Install the version of posttrainbench that created the run."),
    "audit_failed": Policy("exclude", 0, "Fix the problem, then run `ptb audit RUN`."),
    "out_of_memory": Policy("exclude", 0, "Run fewer runs at a time, or use a machine with more memory."),
    "unexpected": Policy("exclude", 0, "Please report this with the run's journal.jsonl."),
}


def cause_of(error: Exception) -> str:
    """Return the cause of an exception raised by a stage, a key of `POLICIES`."""
    if isinstance(error, InfrastructureError) and error.cause in POLICIES:
        return error.cause
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return "out_of_memory"
    return "unexpected"


def is_disk_full(error: Exception) -> bool:
    """Return True if the disk or the user's quota is full, so that not even the failure can be recorded."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)

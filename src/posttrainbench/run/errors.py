"""The one table of failures: what each cause means for the run, and what a person can do about it."""

import errno
from dataclasses import dataclass
from typing import Literal

from posttrainbench.errors import InfrastructureError

Effect = Literal["fall_back", "exclude"]


@dataclass(frozen=True)
class Policy:
    """What follows from a cause.

    Attributes:
        effect: `fall_back`: the agent's doing, so the run gets the base score; `exclude`: not the agent's doing, so
            the run counts as nothing and is to be run again.
        retries: how often the stage is tried again at once.
        mend: what a person can do.
    """

    effect: Effect
    retries: int
    mend: str


POLICIES: dict[str, Policy] = {
    # the submission's own
    "submission_missing": Policy("fall_back", 0, "The agent must leave a model in final_model."),
    "submission_refused": Policy("fall_back", 0, "Submit safetensors, JSON and tokenizer files only."),
    "submission_broken": Policy("fall_back", 0, "Submit a complete checkpoint of the base model's architecture."),
    # the machine's
    "sandbox_failed": Policy("exclude", 1, "See `ptb doctor`."),
    "solve_killed": Policy("exclude", 0, "See process.log in the run and the kernel's log; then resume."),
    "gpu_busy": Policy("exclude", 0, "See `nvidia-smi`; resume when the GPU is free."),
    "engine_failed": Policy("exclude", 1, "See the engine's log, and `ptb doctor`."),
    "provider_failed": Policy("exclude", 0, "See usage.jsonl in the run: key, credit, limits; then resume."),
    "install_failed": Policy("exclude", 0, "Try again when npm's registry can be reached."),
    "egress_failed": Policy("exclude", 1, "See egress.log in the run."),
    "gateway_failed": Policy("exclude", 1, "See gateway.log in the run."),
    "grader_failed": Policy("exclude", 1, "See that the grader can be reached and its key is valid and has credit."),
    "service_failed": Policy("exclude", 1, "See grading.log or evaluator.log in the run, and `ptb doctor`."),
    "hub_failed": Policy("exclude", 0, "Try again when the Hub can be reached."),
    "baseline_failed": Policy("exclude", 0, "See `ptb doctor`."),
    "data_changed": Policy("exclude", 0, "Install the version of posttrainbench that made the run."),
    "kit_changed": Policy("exclude", 0, "Install the version of posttrainbench that made the run."),
    "audit_failed": Policy("exclude", 0, "Type `ptb audit RUN` after mending what the message says."),
    "out_of_memory": Policy("exclude", 0, "Run fewer at a time, or on a machine with more memory."),
    "unexpected": Policy("exclude", 0, "Please report it, with the run's journal.jsonl."),
}


def cause_of(error: Exception) -> str:
    """The cause of an exception that left a stage."""
    if isinstance(error, InfrastructureError) and error.cause in POLICIES:
        return error.cause
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return "out_of_memory"
    return "unexpected"


def is_disk_full(error: Exception) -> bool:
    """Whether the disk, or the user's share of it, is full: then nothing can be recorded, not even the failure."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)

"""Errors of Slurm's commands are explained in one sentence, before Slurm's own last message."""

import pytest

from posttrainbench.launch.slurm_messages import LONGEST, explain

NO_CONFIGURATION = """sinfo: error: resolve_ctls_from_dns_srv: res_nsearch error: Unknown host
sinfo: error: fetch_config: DNS SRV lookup failed
sinfo: error: _establish_config_source: failed to fetch config
sinfo: fatal: Could not establish a configuration source
"""
MESSAGES = {
    NO_CONFIGURATION: "This machine has no configuration of a Slurm cluster; launch from a login node",
    "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified": (
        "--account"
    ),
    "sbatch: error: invalid partition specified: gpuu\nsbatch: error: Batch job submission failed: Invalid partition "
    "name specified": "choose --partition",
    "squeue: error: Unable to contact slurm controller (connect failure)": "`scontrol ping`",
    'sbatch: error: Munge encode failed: Failed to access "/run/munge/munge.socket.2"': "munged runs",
    "sbatch: error: Batch job submission failed: Invalid feature specification": "--constraint",
    "sbatch: error: Batch job submission failed: Invalid qos specification": "QOS",
    "sbatch: error: Batch job submission failed: Requested time limit is invalid (missing or exceeds some limit)": (
        "lower --budget"
    ),
    "sbatch: error: Batch job submission failed: Requested node configuration is not available": "--job-gpus",
    "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed: Job violates "
    "accounting/QOS policy (job submit limit, user's size and/or time limits)": "limit",
    "sbatch: unrecognized option '--nope=1'": "--scheduler-option",
    "sbatch: error: something new": "Slurm refuses the command",
    "": "printed no reason",
}


@pytest.mark.parametrize(("stderr", "meaning"), MESSAGES.items(), ids=[text[:30] for text in MESSAGES.values()])
def test_the_meaning_comes_before_the_last_message(stderr: str, meaning: str) -> None:
    text = explain("sbatch", stderr)
    assert meaning in text.partition(" `sbatch` printed")[0] or not stderr
    assert "error: " not in text
    assert "fatal: " not in text
    assert "\n" not in text
    if stderr:
        assert text.endswith(f"{stderr.split(': ')[-1].strip()}.")


def test_a_long_message_is_cut() -> None:
    assert len(explain("sbatch", "sbatch: error: " + "x" * 5000)) < LONGEST + 200

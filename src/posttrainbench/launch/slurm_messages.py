"""Say in one sentence what an error of Slurm's commands means, and what to do about it."""

import re

KNOWN = (
    (
        r"Could not establish a configuration source|fetch_config|DNS SRV|slurm\.conf",
        "This machine has no configuration of a Slurm cluster; launch from a login node of the cluster, or set "
        "SLURM_CONF to the path of its slurm.conf.",
    ),
    (
        r"munge|auth plugin|[Aa]uthentication|credential",
        "Slurm's authentication does not work on this machine; check that munged runs (`munge -n | unmunge`).",
    ),
    (
        r"[Uu]nable to contact slurm|slurm_load_\w+ error|[Cc]onnection refused|[Cc]onnect failure|timed out",
        "Slurm's controller does not answer; try again when `scontrol ping` says that it is UP.",
    ),
    (
        r"[Ii]nvalid partition",
        "The cluster has no such partition, or you may not use it; choose --partition from those that `sinfo -s` "
        "lists.",
    ),
    (
        r"[Ii]nvalid account|[Aa]ccount/partition",
        "You may not use this account with this partition; choose --account from those that `sacctmgr show "
        "associations user=$USER` lists.",
    ),
    (
        r"[Ii]nvalid feature|[Ii]nvalid constraint",
        "No node has the feature of --constraint; `sinfo -o '%N %f'` lists the features.",
    ),
    (
        r"[Ii]nvalid qos|QOS specification",
        "You may not use this QOS; choose --scheduler-option qos=NAME from those that `sacctmgr show qos` lists.",
    ),
    (
        r"Requested time limit|time limit is invalid",
        "The jobs need more time than the partition permits; choose another --partition, or lower --budget or "
        "--evaluation-time.",
    ),
    (
        r"node configuration is not available|[Mm]emory specification|CPU count|[Ii]nvalid generic resource|gres",
        "No node of the partition has what a job asks for; lower --job-gpus, --job-cpus or --job-memory, or choose "
        "another --partition.",
    ),
    (
        r"[Ll]imit|policy",
        "A limit of your account or of the partition does not permit the jobs; lower --concurrency, or ask who runs "
        "the cluster.",
    ),
    (
        r"unrecognized option|invalid option|[Ii]nvalid --|[Ii]nvalid .*specification",
        "Slurm does not know an option, or its value; correct --scheduler-option (`man sbatch`).",
    ),
)
"""Pattern of Slurm's message -> its meaning. The first match counts."""
LONGEST = 160
"""Characters of Slurm's own message that are shown."""
PREFIX = re.compile(r"^\w+: (?:error: |fatal: )*")


def explain(command: str, stderr: str) -> str:
    """Return the meaning of an error, followed by Slurm's own last message.

    Args:
        command: name of Slurm's command.
        stderr: what it printed on standard error.
    """
    lines = [PREFIX.sub("", line.strip()) for line in stderr.splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    shown = last if len(last) <= LONGEST else f"{last[:LONGEST]}…"
    own = f"`{command}` printed: {shown.rstrip('.')}." if shown else f"`{command}` printed no reason."
    for pattern, meaning in KNOWN:
        if any(re.search(pattern, line) for line in lines):
            return f"{meaning} {own}"
    return f"Slurm refuses the command; the same command by hand shows more. {own}"

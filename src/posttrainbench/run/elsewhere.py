"""Name whole checkpoints in the workspace when the submission itself is missing or broken.

They are named only, never evaluated: what to submit is the agent's decision. The search is bounded, follows no links
and skips hidden directories, which hold caches.
"""

import os
from itertools import islice
from pathlib import Path

from posttrainbench.submission.canonical import examine
from posttrainbench.untrusted import printable

MAX_ENTRIES = 20_000
MAX_ENTRIES_PER_FOLDER = 1_000
MAX_DEPTH = 6
MAX_EXAMINED = 10
MAX_NAMED = 3
MAX_NAME = 200
"""Characters of a path; longer ones are skipped."""


def checkpoints_elsewhere(workspace: Path, base_model: Path) -> list[str]:
    """Return a sentence that names whole checkpoints outside of `final_model`, newest first; an empty list if none."""
    whole = []
    for folder in _candidates(workspace):
        if examine(folder, base_model, [workspace]).plan is not None:
            whole.append(printable(folder.relative_to(workspace)))
        if len(whole) == MAX_NAMED:
            break
    if not whole:
        return []
    if len(whole) == 1:
        return [f"A whole checkpoint lies in {whole[0]}; only final_model is evaluated."]
    return [f"Whole checkpoints lie in {', '.join(whole)}; only final_model is evaluated."]


def _candidates(workspace: Path) -> list[Path]:
    """Return the newest directories that contain a configuration and weights."""
    found: list[tuple[float, Path]] = []
    pending = [(workspace, 0)]
    entries_left = MAX_ENTRIES
    while pending and entries_left > 0:
        folder, depth = pending.pop(0)
        changed, has_config, has_weights = 0.0, False, False
        try:
            with os.scandir(folder) as entries:
                for entry in islice(entries, MAX_ENTRIES_PER_FOLDER):
                    entries_left -= 1
                    if entries_left <= 0:
                        break
                    if entry.is_dir(follow_symlinks=False):
                        skipped = entry.name.startswith(".") or folder / entry.name == workspace / "final_model"
                        if depth < MAX_DEPTH and not skipped:
                            pending.append((Path(entry.path), depth + 1))
                    elif entry.name == "config.json":
                        has_config = True
                    elif entry.name.endswith(".safetensors"):
                        has_weights = True
                        changed = max(changed, entry.stat(follow_symlinks=False).st_mtime)
        except OSError:
            continue
        if has_config and has_weights and depth > 0 and len(str(folder.relative_to(workspace))) <= MAX_NAME:
            found.append((changed, folder))
    return [folder for _, folder in sorted(found, reverse=True)[:MAX_EXAMINED]]

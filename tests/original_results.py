"""Small results trees in the forms of the original benchmark."""

import gzip
import json
from pathlib import Path
from typing import Any

AGENT = "claude_claude-opus-4-6_10h"
RUN = "gsm8k_Qwen_Qwen3-1.7B-Base_20260318_180406"

EVENTS: list[Any] = [
    "npm warn something",
    {"type": "system", "subtype": "init", "cwd": "/home/ben/task", "model": "m", "claude_code_version": "2.1.0"},
    {
        "type": "assistant",
        "message": {
            "id": "m1",
            "model": "m",
            "content": [
                {"type": "text", "text": "I look at the files."},
                {"type": "tool_use", "id": "c1", "name": "Bash", "input": {"command": "ls"}},
            ],
        },
    },
    {"type": "user", "message": {"content": [{"type": "tool_result", "tool_use_id": "c1", "content": "evaluate.py"}]}},
]

PARSED = """Session start — 1234
Assistant — turn 1 | 18:04:10
  I look at the files.
  Tool call — Bash (c1)
    {
      "command": "ls"
    }
User — turn 2
  Tool result — c1
    evaluate.py
System event — compact_boundary
Result — success
  done
"""


def write_run(results: Path, agent: str = AGENT, run: str = RUN, **files: Any) -> Path:
    """Write a run with the usual small files. `files`: path with `__` for `/` and `--` for `.` -> content or None."""
    root = results / agent / run
    content: dict[str, Any] = {
        "metrics--json": {"accuracy": 0.5, "stderr": None},
        "time_taken--txt": "10:05:00\n",
        "prompt--txt": "Train the model.",
        "output--log": "something\nexit_code: 124\nfinal_model_files: 3\n",
        "cli_version--txt": "2.1.0",
        "task__timer--sh": "#!/bin/bash\nNUM_HOURS=10\nCREATION_DATE=1773857046\n",
        "task__evaluate--py": "print('evaluate')\n",
        "task__train--py": "print('train')\n",
        "solve_out--txt": lines(EVENTS),
    } | files
    for name, value in content.items():
        path = root / name.replace("__", "/").replace("--", ".")
        if value is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(value, bytes):
            path.write_bytes(value)
        elif value is not None:
            path.write_text(value if isinstance(value, str) else json.dumps(value))
    return root


def lines(events: list[Any]) -> str:
    """Return events and other lines as text."""
    return "".join(f"{event if isinstance(event, str) else json.dumps(event)}\n" for event in events)


def compressed(text: str) -> bytes:
    """Return text as `solve_parsed.txt.gz` has it."""
    return gzip.compress(text.encode())

"""Measure conversion to ATIF in MB/s on a synthetic recording of each format. Goal: at most 2.5 times `json.loads`.

    python bench/trajectory.py [--megabytes 200] [--formats codex ...]

A recording consists of turns: a thought, a sentence, a shell call and its output (half of them under 1.2 KB, a tenth
over 7 KB). Megabytes refer to `output.jsonl`. Peak memory is that of a child process that only converts. The baseline,
`json.loads` on every line, and the conversion are timed alternately; the best of three counts. Plain text beyond five
megabytes is counted and not written.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from posttrainbench.trajectory import FORMATS, RecordingInfo, convert

ROUNDS = 3
POOL = 400
WORDS = (
    "train loss step the model checkpoint tokens learning rate batch evaluate score accuracy saved data set prompt "
    'answer /workspace/final_model config.json "quoted" 0.0312 1e-05 1234 epoch GPU memory file line error warning'
).split()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--formats", nargs="+", default=list(FORMATS), choices=list(FORMATS))
    parser.add_argument("--convert", nargs=2, metavar=("FORMAT", "FOLDER"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.convert:
        convert_once(args.convert[0], Path(args.convert[1]))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    print(f"{'format':12} {'lines':>8} {'json.loads':>11} {'convert':>9} {'relative time':>16} {'peak memory':>12}")
    for name in args.formats:
        with tempfile.TemporaryDirectory() as scratch:
            measure(name, Path(scratch), args.megabytes * 1_000_000)


def measure(name: str, folder: Path, size: int) -> None:
    lines = record(name, folder / "output.jsonl", size)
    size = (folder / "output.jsonl").stat().st_size
    baselines, times = [], []
    for _ in range(ROUNDS):
        baselines.append(baseline(folder / "output.jsonl"))
        started = time.perf_counter()
        convert_once(name, folder)
        times.append(time.perf_counter() - started)
    child = [sys.executable, __file__, "--convert", name, str(folder)]
    memory = float(subprocess.run(child, check=True, capture_output=True, text=True).stdout)
    rates = [f"{size / min(seconds) / 1e6:.0f} MB/s" for seconds in (baselines, times)]
    ratio = min(times) / min(baselines)
    print(f"{name:12} {lines:8} {rates[0]:>11} {rates[1]:>9} {ratio:16.2f} {memory:9.0f} MB", flush=True)


def baseline(path: Path) -> float:
    started = time.perf_counter()
    with path.open("rb") as file:
        for line in file:
            json.loads(line)
    return time.perf_counter() - started


def convert_once(name: str, folder: Path) -> None:
    info = RecordingInfo("run", "agent", "1", datetime(2026, 1, 1, tzinfo=UTC), "the prompt")
    convert(folder / "output.jsonl", name, folder / "trajectory.json", info=info)


def record(name: str, path: Path, size: int) -> int:
    """Write a recording of at least `size` characters and return the number of its lines."""
    source = random.Random(7)
    pool = [turn(source) for _ in range(POOL)]
    written = lines = 0
    with path.open("w") as file:
        while written < size:
            for text in PRINTED[name](lines, pool[source.randrange(POOL)]):
                entry = {"t": round(lines * 0.4, 3), "stream": "stdout", "line": text}
                written += file.write(json.dumps(entry, ensure_ascii=False) + "\n")
                lines += 1
    return lines


def turn(source: random.Random) -> dict[str, str]:
    return {
        "thought": text(source, 400),
        "message": text(source, 150),
        "command": f"cd /workspace && python train.py --data '{text(source, 40)}' | tail -n 5",
        "output": text(source, min(int(source.lognormvariate(7.1, 1.4)), 60_000)),
    }


def text(source: random.Random, characters: int) -> str:
    words: list[str] = []
    size = 0
    while size < characters:
        words.append(source.choice(WORDS) + ("\n" if source.random() < 0.1 else " "))
        size += len(words[-1])
    return "".join(words)


def plain(number: int, turn: dict[str, str]) -> Iterator[str]:
    for part in turn.values():
        yield from part.splitlines()


def claude_code(number: int, turn: dict[str, str]) -> Iterator[str]:
    call = f"toolu_{number}"
    usage = {"input_tokens": 12, "cache_creation_input_tokens": 900, "cache_read_input_tokens": 40_000}
    message = {"id": f"msg_{number}", "type": "message", "role": "assistant", "model": "m", "stop_reason": None}
    tail = {"parent_tool_use_id": None, "session_id": "2275e935-77b1-4b5d-b618-b34417857d59", "uuid": f"{number:036}"}
    for block in (
        {"type": "thinking", "thinking": turn["thought"], "signature": "s" * 300},
        {"type": "text", "text": turn["message"]},
        {"type": "tool_use", "id": call, "name": "Bash", "input": {"command": turn["command"], "timeout": 600_000}},
    ):
        whole = message | {"content": [block], "usage": usage | {"output_tokens": 9}}
        yield json.dumps({"type": "assistant", "message": whole} | tail)
    result = {"tool_use_id": call, "type": "tool_result", "content": turn["output"], "is_error": False}
    again = {"stdout": turn["output"], "stderr": "", "interrupted": False}
    yield json.dumps(
        {"type": "user", "message": {"role": "user", "content": [result]}, "tool_use_result": again} | tail
    )


def codex(number: int, turn: dict[str, str]) -> Iterator[str]:
    def item(event: str, offset: int, kind: str, **fields: Any) -> str:
        whole = {"id": f"item_{number + offset}", "type": kind, **fields}
        return json.dumps({"type": f"item.{event}", "item": whole})

    yield item("completed", 0, "reasoning", text=turn["thought"])
    yield item("completed", 1, "agent_message", text=turn["message"])
    command = {"command": f"/bin/bash -lc {turn['command']!r}"}
    kind = "command_execution"
    yield item("started", 2, kind, **command, aggregated_output="", exit_code=None, status="in_progress")
    yield item("completed", 2, kind, **command, aggregated_output=turn["output"], exit_code=0, status="completed")


def gemini_cli(number: int, turn: dict[str, str]) -> Iterator[str]:
    def event(kind: str, **fields: Any) -> str:
        return json.dumps({"type": kind, "timestamp": "2026-11-21T05:15:11.015Z", **fields})

    message = turn["message"]
    for start in range(0, len(message), 60):
        yield event("message", role="assistant", content=message[start : start + 60], delta=True)
    call = f"run_shell_command_{number}_0"
    yield event("tool_use", tool_name="run_shell_command", tool_id=call, parameters={"command": turn["command"]})
    yield event("tool_result", tool_id=call, status="success", output=turn["output"])


def opencode(number: int, turn: dict[str, str]) -> Iterator[str]:
    ids = {"id": f"prt_{number:026}", "messageID": f"msg_{number:026}", "sessionID": "ses_e0378d9ffffeOjReJm4lXI1r37"}

    def event(kind: str, **fields: Any) -> str:
        part = {**ids, "type": kind.replace("_", "-"), **fields}
        return json.dumps({"type": kind, "timestamp": 1795238079418, "sessionID": ids["sessionID"], "part": part})

    yield event("step_start")
    yield event("text", text=turn["message"], time={"start": 1, "end": 2})
    output = turn["output"]
    metadata = {"output": output, "exit": 0, "truncated": False}
    state = {"status": "completed", "input": {"command": turn["command"]}, "output": output, "metadata": metadata}
    yield event("tool_use", tool="bash", callID=f"call_{number}", state=state)
    tokens = {"total": 110, "input": 100, "output": 10, "reasoning": 0, "cache": {"write": 0, "read": 0}}
    yield event("step_finish", reason="tool-calls", tokens=tokens, cost=0.01)


PRINTED = {"plain": plain, "claude-code": claude_code, "codex": codex, "gemini-cli": gemini_cli, "opencode": opencode}


if __name__ == "__main__":
    main()

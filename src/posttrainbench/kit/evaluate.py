#!/usr/bin/env python3
"""Measure a checkpoint on the benchmark, exactly as the final evaluation will.

    python evaluate.py --model-path final_model [--limit 50] [--json-output-file scores.json]

The limit of one completion, the chat template and the sampling seed are those of the final evaluation unless you change
them here.

Prints {"accuracy": ..., "stderr": ...}, and notes each call in `evaluations.jsonl` of the working directory.

Where the feedback is sealed, there is no test set here: the host evaluates, on all items, as often as the prompt says.

    python evaluate.py --model-path final_model [--json-output-file scores.json]

Prints {"accuracy": ..., "items": ..., "left": ...}: the score, the number of items, and how many evaluations are left.
The same checkpoint again costs none. Ends with 2 when all are used up or this checkpoint cannot be evaluated, and with
1 when the host failed, which costs none either.
"""

import argparse
import hashlib
import http.client
import importlib.util
import json
import math
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

KIT = Path(__file__).resolve().parent
VLLM_PYTHON = Path("/opt/vllm/bin/python")
"""Of the images' own environment for vLLM, which needs another torch than the rest."""
sys.path.insert(0, str(KIT / "evaluation_code"))


def main() -> int:
    """Generate, score, print."""
    task = json.loads((KIT / "task.json").read_text())
    args = arguments()
    checkpoint = Path(args.model_path)
    if task["engine"] == "vllm" and importlib.util.find_spec("vllm") is None and VLLM_PYTHON.is_file():
        os.execv(VLLM_PYTHON, [str(VLLM_PYTHON), *sys.argv])  # noqa: S606  (ourselves, with that environment)
    if not (checkpoint / "config.json").is_file():
        print(f"{checkpoint} holds no config.json; give the directory of a saved model.", file=sys.stderr)
        return 2
    if task["feedback"] == "sealed":
        return sealed(checkpoint, args.json_output_file)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from generation import Request

    with (KIT / "data" / "test.jsonl").open() as file:
        items = [json.loads(line) for line in file][: args.limit]
    template = (args.templates_dir / "chat_template.jinja").read_text()
    generator = load(checkpoint, template, task["engine"], args)
    requests = [
        Request(
            generator.encode(
                item.get("messages") or [{"role": "user", "content": item["question"]}], item.get("tools")
            ),
            args.max_tokens,
            task["evaluation_seed"],
        )
        for item in items
    ]
    completions = [done.text for done in generator.generate(requests)]
    try:
        result = graded(checkpoint, completions, items) if is_graded() else scored(completions, items)
    except GradingError as error:
        print(error, file=sys.stderr)
        return error.code
    print(json.dumps(result))
    if args.json_output_file:
        args.json_output_file.write_text(json.dumps(result) + "\n")
    record(checkpoint, len(items), result["accuracy"])
    return 0


def arguments() -> argparse.Namespace:
    """The command line."""
    task = json.loads((KIT / "task.json").read_text())
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model-path", required=True, help="directory of the checkpoint")
    parser.add_argument("--json-output-file", type=Path, default=None, help="also write the result there")
    if task["feedback"] == "sealed":
        return parser.parse_args()
    parser.add_argument("--limit", type=int, default=None, help="only the first so many items")
    parser.add_argument(
        "--max-tokens", "--max-new-tokens", type=int, default=task["max_tokens"], help="limit of one completion"
    )
    parser.add_argument("--templates-dir", type=Path, default=KIT / "templates", help="holds chat_template.jinja")
    if task["engine"] == "vllm":
        parser.add_argument("--gpu-memory-utilization", type=float, default=0.9, help="share of the GPU's memory")
        parser.add_argument("--max-connections", type=int, default=None, help="completions written at once")
    return parser.parse_args()


def sealed(checkpoint: Path, output: Path | None) -> int:
    """Have the host evaluate the checkpoint; returns the exit code."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(os.environ["PTB_EVALUATOR"])
            connection.sendall(json.dumps({"checkpoint": str(checkpoint.resolve())}).encode() + b"\n")
            with connection.makefile() as answer:
                result = json.loads(answer.readline())
    except (OSError, ValueError, KeyError) as error:
        print(f"The host cannot be reached: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    if "error" in result:
        print(result["error"], file=sys.stderr)
        return int(result["code"])
    print(json.dumps(result))
    if output:
        output.write_text(json.dumps(result) + "\n")
    return 0


def load(checkpoint: Path, template: str, engine: str, args: argparse.Namespace) -> Any:
    """The checkpoint, ready to generate with the engine of the final evaluation."""
    from generation import Generator

    if engine == "vllm":
        return Generator(checkpoint, template, args.gpu_memory_utilization, args.max_connections)
    import torch

    if "OMP_NUM_THREADS" in os.environ:
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    return Generator(checkpoint, template)


def scored(completions: list[str], items: list[dict[str, Any]]) -> dict[str, float]:
    """The benchmark's score, and its standard error over the items."""
    scores = [float(right) for right in score(completions, items)]
    mean = sum(scores) / len(scores)
    spread = math.sqrt(sum((value - mean) ** 2 for value in scores) / max(1, len(scores) - 1) / len(scores))
    return {"accuracy": mean, "stderr": spread}


def is_graded() -> bool:
    """Whether a model grades the answers."""
    import scorer

    return hasattr(scorer, "grade")


class GradingError(Exception):
    """The grader service gave no score.

    Attributes:
        code: exit code: 2 where it grades no more in this run.
    """

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def graded(checkpoint: Path, completions: list[str], items: list[dict[str, Any]]) -> dict[str, float]:
    """The score by the grader service, which grades answers to this benchmark's items and does nothing else."""
    answers = [{"id": item["id"], "answer": text} for item, text in zip(items, completions, strict=True)]
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    try:
        connection.sock.connect(os.environ["PTB_GRADER"])
        asked = json.dumps({"answers": answers, "checkpoint": hash_of(checkpoint)})
        connection.request("POST", "/grade", asked, {"Content-Type": "application/json"})
        response = connection.getresponse()
        said = json.loads(response.read())
    except (OSError, ValueError, KeyError, http.client.HTTPException) as error:
        raise GradingError(f"The grader service cannot be reached: {type(error).__name__}: {error}") from None
    finally:
        connection.close()
    if response.status != 200:
        code = 2 if response.status == http.client.TOO_MANY_REQUESTS else 1
        raise GradingError(f"The grader service gave no score: {said.get('error')}", code)
    return {"accuracy": said["accuracy"], "stderr": said["stderr"]}


def score(completions: list[str], items: list[dict[str, Any]]) -> list[bool]:
    """Right or wrong for each completion, by the benchmark's scorer."""
    import scorer

    if not hasattr(scorer, "program"):
        return [scorer.score(text, item["target"]) for text, item in zip(completions, items, strict=True)]
    runner = Runner()
    return [scorer.judge(text, item["target"], runner.ask) for text, item in zip(completions, items, strict=True)]


class Runner:
    """The scorer's runner of programs, started anew when a program has broken it."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """One program to the runner, its answer back."""
        if self.process is None:
            command = [sys.executable, "-I", str(KIT / "evaluation_code" / "scorer.py")]
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdin is None or self.process.stdout is None:
            raise RuntimeError("the runner needs pipes")
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        except (OSError, ValueError):
            self.process.kill()
            self.process.wait()
            self.process = None
            return {"error": "the program broke its runner"}
        return answer


def record(checkpoint: Path, items: int, accuracy: float) -> None:
    """Note this call for the record: when, how many items, which checkpoint, what score."""
    entry = {"time": time.time(), "items": items, "score": accuracy, "checkpoint": hash_of(checkpoint)}
    with Path("evaluations.jsonl").open("a") as file:
        file.write(json.dumps(entry) + "\n")


def hash_of(checkpoint: Path) -> str:
    """One hash over the weights."""
    digest = hashlib.sha256()
    for path in sorted(checkpoint.glob("*.safetensors")):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Evaluate a checkpoint on the benchmark in the same way as the final evaluation.

The checkpoint is checked like the final submission; a checkpoint that would not be accepted is not evaluated. The
evaluation uses the base model's tokenizer and configuration, and lists what it ignores of the checkpoint's.

    python evaluate.py --model-path final_model [--limit 50] [--json-output-file scores.json]

The default completion length, chat template and sampling seed are those of the final evaluation. In some suites, the
final evaluation uses most of the test items and `evaluate.py` all of them; the prompt says so.

Prints {"accuracy": ..., "stderr": ...} and logs each call in the workspace's `evaluations.jsonl`.

If the task's feedback is sealed, the kit has no test set. The host evaluates the checkpoint on all items; the prompt
says how many evaluations are available.

    python evaluate.py --model-path final_model [--json-output-file scores.json]

Prints {"accuracy": ..., "items": ..., "left": ...}: the score, the number of items, and the number of evaluations left.
Evaluating the same checkpoint again does not use up an evaluation. Exit codes: 0 success; 1 the host failed, which does
not use up an evaluation; 2 no evaluations are left, or the checkpoint cannot be evaluated.
"""

import argparse
import hashlib
import http.client
import json
import math
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

KIT = Path(__file__).resolve().parent
sys.path.insert(0, str(KIT / "evaluation_code"))


def main() -> int:
    """Evaluate the checkpoint and print its score. Return the exit code."""
    task = json.loads((KIT / "task.json").read_text())
    args = arguments()
    checkpoint = Path(args.model_path)
    if not checkpoint.is_dir():
        problem = "is not a directory" if checkpoint.exists() else "does not exist"
        print(f"{checkpoint} {problem}; give the directory of a saved model.", file=sys.stderr)
        return 2
    if task["feedback"] == "sealed":
        return sealed(checkpoint, args.json_output_file)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import engine

    if hasattr(engine, "enter"):
        engine.enter()
    with (KIT / "data" / "test.jsonl").open() as file:
        items = [json.loads(line) for line in file][: args.limit]
    template = (args.templates_dir / "chat_template.jinja").read_text()
    conversations = [(conversation(item), item.get("tools")) for item in items]
    seed = task["evaluation_seed"]
    with tempfile.TemporaryDirectory(prefix="canonical-") as folder:
        if problem := write_canonical(checkpoint, Path(folder), template, task):
            print(problem, file=sys.stderr)
            return 2
        completions = engine.complete(Path(folder), template, conversations, args.max_tokens, seed, args)
    try:
        result = graded(checkpoint, completions, items) if is_graded() else scored(completions, items)
    except GradingError as error:
        print(error, file=sys.stderr)
        return error.code
    print(json.dumps(result))
    if args.json_output_file:
        args.json_output_file.write_text(json.dumps(result) + "\n")
    record(Path(task["workspace"]), checkpoint, len(items), result["accuracy"])
    return 0


def conversation(item: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the messages before the completion."""
    return item.get("messages") or [{"role": "user", "content": item["question"]}]


def write_canonical(checkpoint: Path, folder: Path, template: str, task: dict[str, Any]) -> str:
    """Write the canonical form of a checkpoint, which the final evaluation reads, to `folder`.

    Returns:
        The reason why the checkpoint would not be accepted, in one sentence; "" if it would be.
    """
    from posttrainbench.submission.canonical import examine, write
    from posttrainbench.untrusted import UnreadableError

    def prompts() -> Iterator[str]:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(task["base_model"], trust_remote_code=False)
        with (KIT / "data" / "test.jsonl").open() as file:
            for item in map(json.loads, file):
                yield tokenizer.apply_chat_template(
                    conversation(item),
                    tools=item.get("tools"),
                    chat_template=template,
                    add_generation_prompt=True,
                    tokenize=False,
                )

    examination = examine(checkpoint, Path(task["base_model"]), [Path(task["workspace"])])
    if examination.plan is None:
        return examination.problems[0]
    try:
        facts = write(examination.plan, folder, prompts, link=True)[1]
    except UnreadableError as error:
        return f"A file of the checkpoint cannot be read: {error}."
    for fact in [*examination.facts, *facts]:
        print(f"note: {fact}", file=sys.stderr)
    return ""


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    task = json.loads((KIT / "task.json").read_text())
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model-path", required=True, help="directory of the checkpoint")
    parser.add_argument("--json-output-file", type=Path, default=None, help="also write the result to this file")
    if task["feedback"] == "sealed":
        return parser.parse_args()
    parser.add_argument("--limit", type=int, default=None, help="evaluate only the first LIMIT items")
    parser.add_argument(
        "--max-tokens", "--max-new-tokens", type=int, default=task["max_tokens"], help="maximum length of a completion"
    )
    parser.add_argument("--templates-dir", type=Path, default=KIT / "templates", help="with chat_template.jinja")
    import engine

    if hasattr(engine, "add_options"):
        engine.add_options(parser)
    parser.set_defaults(dtype=task.get("dtype", "float32"))
    return parser.parse_args()


def sealed(checkpoint: Path, output: Path | None) -> int:
    """Request an evaluation from the host. Return the exit code."""
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


def scored(completions: list[str], items: list[dict[str, Any]]) -> dict[str, float]:
    """Return the benchmark's score and its standard error over the items."""
    scores = [float(right) for right in score(completions, items)]
    mean = sum(scores) / len(scores)
    spread = math.sqrt(sum((value - mean) ** 2 for value in scores) / max(1, len(scores) - 1) / len(scores))
    return {"accuracy": mean, "stderr": spread}


def is_graded() -> bool:
    """Return True if a model grades the answers: the host then offers a grader service, or the scorer asks for one."""
    import scorer

    return "PTB_GRADER" in os.environ or hasattr(scorer, "grade")


class GradingError(Exception):
    """The grader service returned no score.

    Attributes:
        code: exit code; 2 if the service accepts no more requests in this run.
    """

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def graded(checkpoint: Path, completions: list[str], items: list[dict[str, Any]]) -> dict[str, float]:
    """Return the score from the grader service, which only grades answers to this benchmark's items."""
    answers = [{"id": item["id"], "answer": text} for item, text in zip(items, completions, strict=True)]
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    try:
        connection.sock.connect(os.environ["PTB_GRADER"])
        body = json.dumps({"answers": answers, "checkpoint": hash_of(checkpoint)})
        connection.request("POST", "/grade", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        result = json.loads(response.read())
    except (OSError, ValueError, KeyError, http.client.HTTPException) as error:
        raise GradingError(f"The grader service cannot be reached: {type(error).__name__}: {error}") from None
    finally:
        connection.close()
    if response.status != 200:
        code = 2 if response.status == http.client.TOO_MANY_REQUESTS else 1
        raise GradingError(f"The grader service returned no score: {result.get('error')}", code)
    return {"accuracy": result["accuracy"], "stderr": result["stderr"]}


def score(completions: list[str], items: list[dict[str, Any]]) -> list[bool]:
    """Return whether each completion is correct, by the benchmark's scorer."""
    import scorer

    if not hasattr(scorer, "program"):
        return [scorer.score(text, item["target"]) for text, item in zip(completions, items, strict=True)]
    runner = Runner()
    return [scorer.judge(text, item["target"], runner.ask) for text, item in zip(completions, items, strict=True)]


class Runner:
    """The process in which the scorer runs programs. It is restarted if a program has broken it."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send one program to the process and return its answer."""
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


def record(workspace: Path, checkpoint: Path, items: int, accuracy: float) -> None:
    """Log this call in the workspace: time, number of items, checkpoint hash and score."""
    entry = {"time": time.time(), "items": items, "score": accuracy, "checkpoint": hash_of(checkpoint)}
    with (workspace / "evaluations.jsonl").open("a") as file:
        file.write(json.dumps(entry) + "\n")


def hash_of(checkpoint: Path) -> str:
    """Return one SHA-256 over all weight files."""
    digest = hashlib.sha256()
    for path in sorted(checkpoint.glob("*.safetensors")):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main())

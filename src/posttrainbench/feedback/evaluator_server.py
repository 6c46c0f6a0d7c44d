"""Process of the evaluator service: `python -m posttrainbench.feedback.evaluator_server`.

Reads one JSON line from standard input (`StartupMessage`), listens on a unix socket, prints `ready`, and serves until
standard input closes. A request is one line, `{"checkpoint": PATH}`. The reply is one line:
`{"accuracy": ..., "items": ..., "left": ...}`, or `{"error": ..., "code": ..., "left": ...}` with the exit code that
`evaluate.py` should use.

Covers: a checkpoint is copied out of the agent's reach before it is examined, and must be acceptable as a submission;
an evaluation returns only the mean over all items; the number of evaluations per run is limited. An evaluation that
fails after items were posed to the checkpoint uses up an evaluation, because the failure may depend on the items. If
the base model fails too, or the grader cannot be reached, the machine is at fault and the evaluation is refunded, at
most `MAX_REFUNDS` times.

Does not cover: the duration of an evaluation, which reveals the length of the completions.
"""

import json
import os
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from posttrainbench.child_process import call_when_parent_exits
from posttrainbench.errors import one_line
from posttrainbench.feedback.checkpoint_copy import CheckpointRefusedError, copy_checkpoint
from posttrainbench.files import append_json, read_jsonl
from posttrainbench.records import Record, RunSpec, SubmissionManifest
from posttrainbench.submission.sanitize import sanitize
from posttrainbench.untrusted import sha256_regular

LONGEST_CALL = 16 * 2**10
CALL_SECONDS = 10.0
"""Time limit for a client to send its request."""
REFUSALS_KEPT = 1000
MAX_REFUNDS = 3
"""Evaluations per run that are not used up although items were posed, because the host failed."""

Measure = Callable[[Path, Path], float]
"""(checkpoint, empty directory to work in) -> score on all items.

Raises `CheckpointRefusedError` if the checkpoint cannot be loaded, `HostFailedError` if the host is at fault, and any
other exception if the checkpoint may be the reason.
"""
Check = Callable[[Path, Path, Path], SubmissionManifest]
"""`sanitize`, or a function that does the same within limits."""


class EngineFailedError(Exception):
    """The engine failed while evaluating this checkpoint, and not with the base model."""


class HostFailedError(Exception):
    """The evaluation failed for a reason that the checkpoint cannot bring about.

    Attributes:
        posed: whether items had been posed to the checkpoint.
    """

    def __init__(self, message: str, posed: bool) -> None:
        super().__init__(message)
        self.posed = posed


class StartupMessage(Record):
    """Configuration of the process, sent by `evaluator.start_evaluator`.

    Attributes:
        log: file that a line is appended to for every evaluation in which items were posed.
    """

    spec: RunSpec
    workspace: Path
    seen_as: str
    scratch: Path
    log: Path
    socket: Path


class EvaluationRequest(Record):
    """Request of a client.

    Attributes:
        checkpoint: directory of a checkpoint, as a path in the sandbox.
    """

    checkpoint: Annotated[str, Field(min_length=1, max_length=4096)]


class Evaluator:
    """Evaluates checkpoints, one at a time, up to a limit."""

    def __init__(
        self,
        workspace: Path,
        seen_as: str,
        base_model: Path,
        items: int,
        budget: int,
        measure: Measure,
        scratch: Path,
        log: Path,
        check: Check = sanitize,
    ) -> None:
        """Count the evaluations that are used up from the log.

        Args:
            workspace: the workspace on the host.
            seen_as: path of the workspace in the sandbox.
            base_model: directory of the base model.
            items: number of the benchmark's items.
            budget: maximum number of evaluations.
            measure: evaluates a checkpoint.
            scratch: an existing directory that the agent cannot read.
            log: see `StartupMessage`.
            check: called with the arguments of `sanitize`: the copied checkpoint, an empty directory, the base model.
        """
        self._check = check
        self._workspace, self._seen_as, self._base_model = workspace, seen_as, base_model
        self._items, self._measure, self._scratch, self._log = items, measure, scratch, log
        entries = list(read_jsonl(log))
        self._left = budget - sum(entry["charged"] for entry in entries)
        self._refunds = sum(1 for entry in entries if not entry["charged"])
        self._known: dict[str, float] = {}
        self._refusals = 0
        sizes = [path.stat().st_size for path in base_model.glob("*.safetensors")]
        self._limit = 4 * sum(sizes) + 2**28  # weights in 32 bits, and a tokenizer

    def answer(self, line: bytes) -> dict[str, Any]:
        """Return the reply to one request."""
        try:
            call = EvaluationRequest.model_validate_json(line)
        except ValidationError as error:
            return self._no(2, f"The request is not valid: {one_line(error)}")
        try:
            with tempfile.TemporaryDirectory(dir=self._scratch) as folder:
                return self._evaluate(call.checkpoint, Path(folder))
        except CheckpointRefusedError as error:
            if self._refusals < REFUSALS_KEPT:
                self._refusals += 1
                _log_line(f"refused {json.dumps(call.checkpoint[:200])}: {error}")
            return self._no(2, str(error))
        except Exception:  # the service must survive any error, because the agent's time is limited
            _log_line(f"failed on the host: {traceback.format_exc()}")
            return self._no(1, "The evaluation failed on the host and was not counted; try again later.")

    def _evaluate(self, path: str, scratch: Path) -> dict[str, Any]:
        copied, checkpoint, work = (scratch / name for name in ("copied", "checkpoint", "work"))
        for folder in (copied, checkpoint, work):
            folder.mkdir()
        copy_checkpoint(self._workspace, self._seen_as, path, copied, self._limit)
        manifest = self._check(copied, checkpoint, self._base_model)
        if manifest.state != "accepted":
            raise CheckpointRefusedError(f"This checkpoint would not be accepted: {manifest.problems[0]}")
        key = json.dumps(manifest.files, sort_keys=True)
        if key not in self._known:
            if self._left <= 0:
                return self._no(2, "All evaluations of this run are used up; use your own measurements.")
            started = time.time()
            entry = {"time": started, "items": self._items, "score": None, "checkpoint": _hash_of(checkpoint)}
            try:
                score = self._measure(checkpoint, work)
            except CheckpointRefusedError:
                raise
            except HostFailedError as error:
                if not error.posed:
                    raise
                refunded = self._refunds < MAX_REFUNDS
                self._refunds += 1
                self._record(entry | {"error": "the host failed"}, charged=0 if refunded else 1)
                if refunded:
                    raise
                return self._no(1, "The evaluation failed on the host again; this time one evaluation was used up.")
            except EngineFailedError:
                self._record(entry | {"error": "the engine failed while evaluating this checkpoint"})
                return self._no(2, "The engine failed while evaluating this checkpoint; one evaluation was used up.")
            except Exception:
                _log_line(f"failed: {traceback.format_exc()}")
                self._record(entry | {"error": "the evaluation failed"})
                return self._no(2, "The evaluation of this checkpoint failed; one evaluation was used up.")
            self._known[key] = score
            self._record(entry | {"score": score})
        return {"accuracy": self._known[key], "items": self._items, "left": self._left}

    def _no(self, code: int, message: str) -> dict[str, Any]:
        return {"error": message, "code": code, "left": self._left}

    def _record(self, entry: dict[str, Any], charged: int = 1) -> None:
        """Log an evaluation in which items were posed, and use up `charged` evaluations."""
        self._left -= charged
        seconds = round(time.time() - entry["time"], 3)
        append_json(self._log, entry | {"seconds": seconds, "charged": charged, "left": self._left})


def serve(path: Path, answer: Callable[[bytes], dict[str, Any]], on_ready: Callable[[], None]) -> None:
    """Serve requests on a unix socket, one at a time, forever. Disconnected clients are ignored."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        # The directory belongs only to the owner; in some sandboxes, processes run as another user of the host.
        path.chmod(0o666)
        listener.listen(8)
        on_ready()
        while True:
            connection, _ = listener.accept()
            with connection:
                try:
                    connection.settimeout(CALL_SECONDS)
                    reply = answer(_line(connection))
                    connection.sendall(json.dumps(reply).encode() + b"\n")
                except (TimeoutError, ConnectionError):
                    continue


def _line(connection: socket.socket) -> bytes:
    """Read one line; of a line that is too long or late, what was received so far."""
    end = time.monotonic() + CALL_SECONDS
    line = b""
    while not line.endswith(b"\n") and len(line) <= LONGEST_CALL and time.monotonic() < end:
        piece = connection.recv(LONGEST_CALL)
        if not piece:
            break
        line += piece
    return line


def measurement(spec: RunSpec) -> Measure:
    """Return the run's final evaluation as a function of the checkpoint."""
    from posttrainbench.benchmarks import GraderError
    from posttrainbench.engines import EngineLoadError
    from posttrainbench.evaluation.blame import probe_base
    from posttrainbench.evaluation.evaluate import evaluate
    from posttrainbench.evaluation.failures import EvaluationError
    from posttrainbench.evaluation.plan import run_plan
    from posttrainbench.evaluation.progress import Progress
    from posttrainbench.sandbox import load_sandbox

    plan, sandbox = run_plan(spec), load_sandbox(spec.sandbox)

    def measure(checkpoint: Path, work: Path) -> float:
        posed = False

        def on_progress(progress: Progress) -> None:
            nonlocal posed
            posed = posed or progress.total > 0

        try:
            return evaluate(checkpoint, [spec.benchmark], plan, sandbox, work, on_progress)[spec.benchmark].score
        except Exception as error:
            _log_line(one_line(error))
            if not posed and not isinstance(error, (EngineLoadError, EvaluationError)):
                raise HostFailedError(one_line(error), posed) from error
            if isinstance(error.__cause__, GraderError):
                if error.__cause__.outage:
                    raise HostFailedError(one_line(error), posed) from error
                raise
            try:
                probe_base([spec.benchmark], plan, sandbox, work, lambda progress: None)
            except Exception as same:
                raise HostFailedError(one_line(same), posed) from error
            if isinstance(error, EngineLoadError) and not posed:
                raise CheckpointRefusedError("The engine cannot load this checkpoint.") from None
            if isinstance(error, (EngineLoadError, EvaluationError)):
                raise EngineFailedError from None
            raise

    return measure


def _log_line(text: str) -> None:
    """Write to the service's log, which the agent cannot read."""
    print(text, file=sys.stderr, flush=True)


def _hash_of(checkpoint: Path) -> str:
    """Return the hash of the weights that the kit's `evaluate.py` records when feedback is open."""
    import hashlib

    digests = [bytes.fromhex(sha256_regular(path)) for path in sorted(checkpoint.glob("*.safetensors"))]
    return hashlib.sha256(b"".join(digests)).hexdigest()


def _main() -> None:
    from posttrainbench import catalog
    from posttrainbench.evaluation.limited_check import check_submission

    message = StartupMessage.model_validate_json(sys.stdin.readline())
    spec = message.spec
    suite = catalog.find(catalog.suites(), spec.suite, "suite")
    facts = catalog.find(catalog.benchmarks(), spec.benchmark, "benchmark")
    base = catalog.find(catalog.models(), spec.model, "model")
    evaluator = Evaluator(
        *(message.workspace, message.seen_as, base.directory, facts.test_items, suite.sealed_evaluations or 0),
        *(measurement(spec), message.scratch, message.log),
        lambda copied, checkpoint, _: check_submission(spec, copied, checkpoint),
    )

    def on_ready() -> None:
        print("ready", flush=True)
        os.dup2(2, 1)  # the parent no longer reads standard output

    call_when_parent_exits(lambda: os._exit(0))  # also during an evaluation: engine and sandbox end with this process
    serve(message.socket, evaluator.answer, on_ready)


if __name__ == "__main__":
    _main()

"""The evaluator's own process: `python -m posttrainbench.gateway.sealed_server`.

Reads one JSON line on standard input (`Order`), listens on a unix socket, prints `ready`, and serves until standard
input closes. A call is one line `{"checkpoint": PATH}`, its answer one line: `{"accuracy": ..., "items": ..., "left":
...}`, or `{"error": ..., "code": ..., "left": ...}` with the exit code that `evaluate.py` is to give.

Covers: a checkpoint is copied out of the agent's reach before it is looked at, and held to what a submission is held
to; of an evaluation, nothing comes back but the mean over all items; only so many evaluations in a run. A checkpoint
that makes the engine fail has used one up, since whether it does may tell something about the items; where the base
model fails too, the machine is to blame, and it has not.

Does not cover: how long an evaluation takes, which tells how long its completions are.
"""

import json
import os
import socket
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from posttrainbench.audit.submission import sanitise
from posttrainbench.audit.untrusted import sha256_regular
from posttrainbench.errors import InfrastructureError, one_line
from posttrainbench.files import append_json, read_jsonl
from posttrainbench.gateway.sealed_checkpoint import UnfitError, copy_checkpoint
from posttrainbench.records import Record, RunSpec

LONGEST_CALL = 16 * 2**10
CALL_SECONDS = 10.0
"""In which a caller must have said what it wants."""
PROBE_ITEMS = 4
REFUSALS_KEPT = 1000

Measure = Callable[[Path, Path], float]
"""(checkpoint, empty directory to work in) -> score on all items.

Raises `UnfitError` where the checkpoint cannot be loaded, `FailedError` where it made the engine fail, and
anything else where the host is to blame.
"""


class FailedError(Exception):
    """The engine failed while this checkpoint was answering, and does not with the base model."""


class Order(Record):
    """What the process is told; see `sealed.start_evaluator`.

    Attributes:
        log: the file to which a line is added for every evaluation that is used up.
    """

    spec: RunSpec
    workspace: Path
    seen_as: str
    scratch: Path
    log: Path
    socket: Path


class Call(Record):
    """What a caller asks for: the directory of a checkpoint, as the agent sees it."""

    checkpoint: Annotated[str, Field(min_length=1, max_length=4096)]


class Evaluator:
    """Evaluates checkpoints, one after another, as many as there may be."""

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
    ) -> None:
        """Count what has been used up by the log.

        Args:
            items: of the benchmark.
            budget: evaluations in all.
            scratch: an existing directory that the agent does not see.
        """
        self._workspace, self._seen_as, self._base_model = workspace, seen_as, base_model
        self._items, self._measure, self._scratch, self._log = items, measure, scratch, log
        self._left = budget - sum(1 for _ in read_jsonl(log))
        self._known: dict[str, float] = {}
        self._refusals = 0
        sizes = [path.stat().st_size for path in base_model.glob("*.safetensors")]
        self._limit = 4 * sum(sizes) + 2**28  # weights of 32 bits, and a tokenizer

    def answer(self, line: bytes) -> dict[str, Any]:
        """Answer one call."""
        try:
            call = Call.model_validate_json(line)
        except ValidationError as error:
            return self._no(2, f"The call cannot be understood: {one_line(error)}")
        try:
            with tempfile.TemporaryDirectory(dir=self._scratch) as place:
                return self._evaluated(call.checkpoint, Path(place))
        except UnfitError as error:
            if self._refusals < REFUSALS_KEPT:
                self._refusals += 1
                _tell(f"refused {json.dumps(call.checkpoint[:200])}: {error}")
            return self._no(2, str(error))
        except Exception:  # whatever it is, the agent's hours must not be lost over it
            _tell(f"failed on the host: {traceback.format_exc()}")
            return self._no(1, "The evaluation failed on the host, and no try was used up; try again later.")

    def _evaluated(self, asked: str, place: Path) -> dict[str, Any]:
        copied, checkpoint, work = (place / name for name in ("copied", "checkpoint", "work"))
        for folder in (copied, checkpoint, work):
            folder.mkdir()
        copy_checkpoint(self._workspace, self._seen_as, asked, copied, self._limit)
        manifest = sanitise(copied, checkpoint, self._base_model)
        if manifest.state != "accepted":
            raise UnfitError(f"This could not be submitted: {manifest.problems[0]}")
        key = json.dumps(manifest.files, sort_keys=True)
        if key not in self._known:
            if self._left <= 0:
                return self._no(2, "All evaluations of this run are used up; work with your own measurements.")
            started = time.time()
            entry = {"time": started, "items": self._items, "score": None, "checkpoint": _hash_of(checkpoint)}
            try:
                score = self._measure(checkpoint, work)
            except FailedError:
                self._use_up(entry | {"error": "the engine failed while this checkpoint was answering"})
                return self._no(2, "The engine failed while this checkpoint was answering, and a try is used up.")
            self._known[key] = score
            self._use_up(entry | {"score": score})
        return {"accuracy": self._known[key], "items": self._items, "left": self._left}

    def _no(self, code: int, message: str) -> dict[str, Any]:
        return {"error": message, "code": code, "left": self._left}

    def _use_up(self, entry: dict[str, Any]) -> None:
        self._left -= 1
        seconds = round(time.time() - entry["time"], 3)
        append_json(self._log, entry | {"seconds": seconds, "left": self._left})


def serve(path: Path, answer: Callable[[bytes], dict[str, Any]], ready: Callable[[], None]) -> None:
    """Answer calls on a unix socket, one after another, for ever. A caller that has gone does not matter."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        # Its directory is the owner's alone; in some sandboxes processes run as another user of the host.
        path.chmod(0o666)
        listener.listen(8)
        ready()
        while True:
            connection, _ = listener.accept()
            with connection:
                try:
                    connection.settimeout(CALL_SECONDS)
                    said = answer(_line(connection))
                    connection.sendall(json.dumps(said).encode() + b"\n")
                except (TimeoutError, ConnectionError):
                    continue


def _line(connection: socket.socket) -> bytes:
    """One line, or what came in time of one that is too long."""
    end = time.monotonic() + CALL_SECONDS
    line = b""
    while not line.endswith(b"\n") and len(line) <= LONGEST_CALL and time.monotonic() < end:
        piece = connection.recv(LONGEST_CALL)
        if not piece:
            break
        line += piece
    return line


def measurement(spec: RunSpec) -> Measure:
    """The run's final evaluation, as a function of the checkpoint."""
    from posttrainbench.engines import EngineLoadError
    from posttrainbench.evaluation.attempt import EvaluationError
    from posttrainbench.evaluation.evaluate import evaluate
    from posttrainbench.evaluation.plan import run_plan
    from posttrainbench.sandbox import load_sandbox

    plan, sandbox = run_plan(spec), load_sandbox(spec.sandbox)

    def measure(checkpoint: Path, work: Path) -> float:
        try:
            metrics = evaluate(checkpoint, [spec.benchmark], plan, sandbox, work, lambda progress: None)
        except EngineLoadError as error:
            _tell(one_line(error))
            raise UnfitError("The engine cannot load this checkpoint.") from None
        except EvaluationError as error:
            _tell(one_line(error))
            probe = replace(plan, limit=PROBE_ITEMS, tries=(1,))
            try:
                evaluate(plan.base.directory, [spec.benchmark], probe, sandbox, work, lambda progress: None)
            except (EngineLoadError, EvaluationError) as same:
                raise InfrastructureError("engine_failed", one_line(same)) from None
            raise FailedError from None
        return metrics[spec.benchmark].score

    return measure


def _tell(text: str) -> None:
    """To the service's log, which the agent does not see."""
    print(text, file=sys.stderr, flush=True)


def _hash_of(checkpoint: Path) -> str:
    """As the kit's `evaluate.py` takes it where the feedback is open: over the weights."""
    import hashlib

    digests = [bytes.fromhex(sha256_regular(path)) for path in sorted(checkpoint.glob("*.safetensors"))]
    return hashlib.sha256(b"".join(digests)).hexdigest()


def _main() -> None:
    from posttrainbench import catalog

    order = Order.model_validate_json(sys.stdin.readline())
    spec = order.spec
    suite = catalog.find(catalog.suites(), spec.suite, "suite")
    facts = catalog.find(catalog.benchmarks(), spec.benchmark, "benchmark")
    base = catalog.find(catalog.models(), spec.model, "model")
    evaluator = Evaluator(
        *(order.workspace, order.seen_as, base.directory, facts.test_items, suite.sealed_evaluations or 0),
        *(measurement(spec), order.scratch, order.log),
    )

    def end_with_parent() -> None:
        sys.stdin.read()
        os._exit(0)  # also amid an evaluation: the engine and the sandbox end with this process

    def ready() -> None:
        print("ready", flush=True)
        os.dup2(2, 1)  # nobody reads standard output from here on

    threading.Thread(target=end_with_parent, daemon=True).start()
    serve(order.socket, evaluator.answer, ready)


if __name__ == "__main__":
    _main()

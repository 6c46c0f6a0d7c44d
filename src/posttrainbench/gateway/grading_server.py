"""The grader service's own process: `python -m posttrainbench.gateway.grading_server`.

Reads one JSON line on standard input (`Order`), listens on a unix socket, writes `ready`, and serves until standard
input closes. `POST /grade` with `{"answers": [{"id": ..., "answer": ...}]}` gives `{"accuracy": ..., "stderr": ...,
"scores": {id: score}, "left": answers that it still grades}`.

Covers: only items of this run's benchmark are graded, each once a call, and only so many answers in a run; the grader
sees no more than the final evaluation would show it, and nothing that it says comes back but scores; every call is
written down with what it took.

Does not cover: an answer that tries to talk the grader into a score; the final evaluation is open to that too.
"""

import asyncio
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

from aiohttp import web
from pydantic import Field, ValidationError

from posttrainbench.benchmarks import Benchmark, Grade, GraderError, Item
from posttrainbench.benchmarks.base import Grader
from posttrainbench.errors import one_line
from posttrainbench.files import append_json, read_jsonl, sha256_bytes
from posttrainbench.records import Record

LONGEST_ANSWER = 400_000
"""Characters: far more than a completion at the limit of any benchmark has."""
LARGEST_REQUEST = 128 * 2**20

GradeCompletion = Callable[[str, Item, Grader], Awaitable[Grade]]


class Order(Record):
    """What the process is told.

    Attributes:
        seed: with which the kit poses the items.
        passes: answers that are graded in all, in multiples of the benchmark's items.
        log: the file to which a line is added for every call.
    """

    benchmark: str
    grader: str
    seed: int
    passes: int
    socket: Path
    log: Path


class Answer(Record):
    """One answer to grade."""

    id: str
    answer: Annotated[str, Field(max_length=LONGEST_ANSWER)]


class Answers(Record):
    """What a call asks for.

    Attributes:
        checkpoint: hash of the weights that the answers are from, by the caller's own word.
    """

    answers: Annotated[list[Answer], Field(min_length=1)]
    checkpoint: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None


class Service:
    """Grades answers to some items; one call at a time, its answers in parallel."""

    def __init__(
        self,
        items: Sequence[Item],
        grade: GradeCompletion,
        summary: Callable[[Sequence[float]], tuple[float, float]],
        grader: Grader,
        passes: int,
        log: Path,
    ) -> None:
        """Count what has been graded by the log.

        Args:
            passes: answers that are graded in all, in multiples of the number of items.
        """
        graded = sum(entry["items"] for entry in read_jsonl(log) if entry["score"] is not None)
        self._left = passes * len(items) - graded
        self._items = {item.id: item for item in items}
        self._grade, self._summary, self._grader, self._log = grade, summary, grader, log
        self._turn = asyncio.Lock()

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one call."""
        try:
            asked = Answers.model_validate_json(await request.read())
        except ValidationError as error:
            return _refusal(400, f"The request is no list of answers: {one_line(error)}")
        ids = [answer.id for answer in asked.answers]
        unknown = next((name for name in ids if name not in self._items), None)
        if unknown is not None:
            return _refusal(403, f"{unknown[:100]!r} is no item of this run's benchmark.")
        if len(set(ids)) != len(ids):
            return _refusal(400, "An item can be answered once in a call.")
        async with self._turn:
            if len(ids) > self._left:
                return _refusal(429, f"The grader grades {self._left} more answers in this run, not {len(ids)}.")
            return await self._graded(asked)

    async def _graded(self, asked: Answers) -> web.Response:
        from posttrainbench.evaluation.evaluate import item_scores

        before, answers = self._grader.usage(), asked.answers
        entry: dict[str, Any] = {
            "time": time.time(),
            "items": len(answers),
            "score": None,
            "checkpoint": asked.checkpoint,
            "answers_sha256": sha256_bytes(asked.model_dump_json(include={"answers"}).encode()),
        }
        try:
            grades = (self._grade(answer.answer, self._items[answer.id], self._grader) for answer in answers)
            scores = item_scores(list(await asyncio.gather(*grades)))
        except GraderError as error:
            append_json(self._log, entry | self._spent(before) | {"error": "the grader gave no verdict"})
            print(one_line(error), file=sys.stderr, flush=True)
            return _refusal(503, "The grader gave no verdict; nothing was scored. Try again later.")
        accuracy, stderr = self._summary(scores)
        self._left -= len(answers)
        append_json(self._log, entry | {"score": accuracy} | self._spent(before) | {"left": self._left})
        by_id = dict(zip((answer.id for answer in answers), scores, strict=True))
        return web.json_response({"accuracy": accuracy, "stderr": stderr, "scores": by_id, "left": self._left})

    def _spent(self, before: dict[str, Any]) -> dict[str, Any]:
        """What a call took: the differences of the grader's sums."""
        after = self._grader.usage()
        spent = {key: after[key] - before[key] for key in ("asks", "input_tokens", "output_tokens")}
        costs = (before["cost"], after["cost"])
        return {"grader": after["name"], **spent, "cost": None if None in costs else costs[1] - costs[0]}


def grade_function(benchmark: Benchmark) -> GradeCompletion:
    """How a graded benchmark grades one completion: `grade` of the module that defines its task."""
    grade: GradeCompletion = import_module(benchmark.task.__module__).grade
    return grade


async def serve(service: Service, socket: Path, stopped: asyncio.Event, ready: Callable[[], None]) -> None:
    """Serve on a unix socket until `stopped` is set."""
    app = web.Application(client_max_size=LARGEST_REQUEST)
    app.router.add_post("/grade", service.handle)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.2)
    await runner.setup()
    try:
        await web.UnixSite(runner, str(socket)).start()
        # Its directory is the owner's alone; in some sandboxes processes run as another user of the host.
        socket.chmod(0o666)
        ready()
        await stopped.wait()
    finally:
        await runner.cleanup()


def _refusal(status: int, message: str) -> web.Response:
    return web.json_response({"error": message}, status=status)


async def _main() -> None:
    from posttrainbench import catalog
    from posttrainbench.benchmarks import load_benchmark
    from posttrainbench.evaluation.evaluate import load_items
    from posttrainbench.evaluation.grader import ModelGrader

    order = Order.model_validate_json(sys.stdin.readline())
    benchmark = load_benchmark(order.benchmark)
    facts = catalog.find(catalog.benchmarks(), order.benchmark, "benchmark")
    items = benchmark.pose(load_items(facts, "test"), order.seed)
    grader = ModelGrader(order.grader)
    service = Service(items, grade_function(benchmark), benchmark.summary, grader, order.passes, order.log)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait_for_parent() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(stopped.set)

    threading.Thread(target=wait_for_parent, daemon=True).start()
    await serve(service, order.socket, stopped, lambda: print("ready", flush=True))


if __name__ == "__main__":
    asyncio.run(_main())

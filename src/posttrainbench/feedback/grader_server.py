"""Process of the grader service: `python -m posttrainbench.feedback.grader_server`.

Reads one JSON line from standard input (`StartupMessage`), listens on a unix socket, prints `ready`, and serves until
standard input closes. `POST /grade` with `{"answers": [{"id": ..., "answer": ...}]}` returns
`{"accuracy": ..., "stderr": ..., "scores": {id: score}, "left": number of answers that can still be graded}`.

Covers: only items of this run's benchmark are graded, each once per call, and the number of answers per run is limited.
A call is charged when it is accepted, also if the client disconnects, the grader refuses an answer or this process
fails; only calls that fail because the grader cannot be reached are refunded, and only `MAX_REFUNDS` times. The grader
sees only what the final evaluation would show it, cut to the benchmark's limit of tokens, and only scores are returned.
Every accepted call is logged with its cost. One request is read at a time, and the size of requests, the number of
values in them and the number of connections are bounded.

Does not cover: an answer that persuades the grader to give a score; the final evaluation has the same weakness.
"""

import asyncio
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web

from posttrainbench.benchmarks import Grade, GraderError, Item
from posttrainbench.benchmarks.base import Grader, GradeWithGrader
from posttrainbench.child_process import parent_exit_event
from posttrainbench.errors import one_line
from posttrainbench.feedback.grader_request import (
    Answer,
    Cut,
    GradeRequest,
    RequestError,
    largest_request,
    parse_request,
    token_limit,
)
from posttrainbench.files import append_json, read_jsonl, sha256_bytes
from posttrainbench.gateway.connections import HEADER_SECONDS, Connections
from posttrainbench.records import Record

MAX_REFUNDS = 3
"""Calls per run that are not charged because the grader could not be reached."""
MAX_CONNECTIONS = 32
"""See `gateway.connections.Connections`."""
BODY_SECONDS = 60.0
"""Time limit for a client to send its request."""


class StartupMessage(Record):
    """Configuration of the process, sent by `grader.start_grader_service`.

    Attributes:
        benchmark: id of a graded benchmark.
        model: id of the run's base model, whose tokenizer counts the tokens of answers.
        grader: name of the grading model.
        seed: evaluation seed with which the kit builds its prompts.
        passes: maximum answers to grade, in multiples of the benchmark's number of items.
        socket: path of the unix socket.
        log: file that a line is appended to for every call.
    """

    benchmark: str
    model: str
    grader: str
    seed: int
    passes: int
    socket: Path
    log: Path


class GraderService:
    """Grades answers to a benchmark's items: one call at a time, its answers in parallel."""

    def __init__(
        self,
        items: Sequence[Item],
        grade: GradeWithGrader,
        summary: Callable[[Sequence[float]], tuple[float, float]],
        grader: Grader,
        passes: int,
        log: Path,
        cut: Cut = str,
        largest: int = 2**20,
    ) -> None:
        """Count the answers that were charged and the calls that were refunded from the log.

        Args:
            items: the benchmark's items.
            grade: grades one completion.
            summary: returns accuracy and standard error of scores.
            grader: the grading model.
            passes: maximum answers to grade, in multiples of the number of items.
            log: see `StartupMessage`.
            cut: see `token_limit`.
            largest: maximum bytes of a request.
        """
        calls = list(read_jsonl(log))
        self._left = passes * len(items) - sum(call["charged"] for call in calls)
        self._refunds = sum(1 for call in calls if not call["charged"])
        self._items = {item.id: item for item in items}
        self._grade, self._summary, self._grader, self._log = grade, summary, grader, log
        self._cut, self.largest = cut, largest
        self._turn = asyncio.Lock()
        self.connections = Connections(MAX_CONNECTIONS)

    async def handle(self, request: web.Request) -> web.Response:
        """Handle one call. Others wait without being read, so only one request is in memory."""
        async with self._turn:
            try:
                asked = parse_request(await asyncio.wait_for(request.read(), BODY_SECONDS), len(self._items))
            except RequestError as error:
                return _refusal(400, str(error))
            except web.HTTPRequestEntityTooLarge:
                return _refusal(413, f"The request has more than {self.largest} bytes, longer than answers can be.")
            except TimeoutError:
                return _refusal(408, f"The request was not complete after {BODY_SECONDS:.0f} seconds.")
            ids = [answer.id for answer in asked.answers]
            unknown = next((name for name in ids if name not in self._items), None)
            if unknown is not None:
                return _refusal(403, f"{unknown[:100]!r} is not an item of this run's benchmark.")
            if len(set(ids)) != len(ids):
                return _refusal(400, "A call may contain each item only once.")
            if len(ids) > self._left:
                return _refusal(429, f"Only {self._left} more answers can be graded in this run, not {len(ids)}.")
            with self.connections.answering(request):
                return await self._graded(asked)

    async def _graded(self, asked: GradeRequest) -> web.Response:
        """Grade a call that was accepted. It is charged and logged, however it ends."""
        from posttrainbench.evaluation.evaluate import item_scores

        before, number = self._grader.usage(), len(asked.answers)
        entry: dict[str, Any] = {
            "time": time.time(),
            "items": number,
            "score": None,
            "checkpoint": asked.checkpoint,
            "answers_sha256": sha256_bytes(asked.model_dump_json(include={"answers"}).encode()),
            "charged": number,
        }
        self._left -= number
        try:
            scores = item_scores(await self._grades(asked.answers))
            accuracy, stderr = self._summary(scores)
            entry["score"] = accuracy
        except _FailedError as error:
            print(one_line(error.cause), file=sys.stderr, flush=True)
            if error.cause.outage and self._refunds < MAX_REFUNDS:
                self._refunds += 1
                self._left += number
                entry |= {"charged": 0, "error": "the grader could not be reached"}
                return _refusal(503, "The grader could not be reached and nothing was charged; try again later.")
            entry["error"] = f"the grader gave no verdict on {error.item}"
            message = f"The grader gave no verdict on the answer to {error.item}, and the call was charged"
            return _refusal(503, f"{message}; try again without this answer, or later.")
        except asyncio.CancelledError:
            entry["error"] = "the client disconnected"
            raise
        except Exception:  # the service must survive any error
            print(traceback.format_exc(), file=sys.stderr, flush=True)
            entry["error"] = "the service failed"
            return _refusal(500, "The grader service failed on this call, and the call was charged.")
        finally:
            append_json(self._log, entry | self._spent(before) | {"left": self._left})
        by_id = dict(zip((answer.id for answer in asked.answers), scores, strict=True))
        return web.json_response({"accuracy": accuracy, "stderr": stderr, "scores": by_id, "left": self._left})

    async def _grades(self, answers: Sequence[Answer]) -> list[Grade]:
        """Grade answers concurrently. The first failure cancels the others.

        Raises:
            _FailedError: the grader gave no verdict on an answer.
        """

        async def grade(answer: Answer) -> Grade:
            try:
                text = await asyncio.to_thread(self._cut, answer.answer)
                return await self._grade(text, self._items[answer.id], self._grader)
            except GraderError as error:
                raise _FailedError(answer.id, error) from None

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(grade(answer)) for answer in answers]
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return [task.result() for task in tasks]

    def _spent(self, before: dict[str, Any]) -> dict[str, Any]:
        """Return the grader's usage since `before`."""
        after = self._grader.usage()
        spent = {key: after[key] - before[key] for key in ("asks", "input_tokens", "output_tokens")}
        costs = (before["cost"], after["cost"])
        return {"grader": after["name"], **spent, "cost": None if None in costs else costs[1] - costs[0]}


class _FailedError(Exception):
    """The grader gave no verdict on the answer to an item."""

    def __init__(self, item: str, cause: GraderError) -> None:
        super().__init__(item)
        self.item, self.cause = item, cause


async def serve(service: GraderService, socket: Path, stopped: asyncio.Event, ready: Callable[[], None]) -> None:
    """Serve requests on a unix socket until `stopped` is set."""
    app = web.Application(client_max_size=service.largest)
    app.router.add_post("/grade", service.handle)
    runner = web.AppRunner(
        app,
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=0.2,
        auto_decompress=False,
        keepalive_timeout=HEADER_SECONDS,
    )
    await runner.setup()
    connect = service.connections.factory(runner)
    try:
        listener = await asyncio.get_running_loop().create_unix_server(connect, str(socket))
        # The directory belongs only to the owner; in some sandboxes, processes run as another user of the host.
        socket.chmod(0o666)
        ready()
        await stopped.wait()
        listener.close()
    finally:
        await runner.cleanup()


def _refusal(status: int, message: str) -> web.Response:
    return web.json_response({"error": message}, status=status)


async def _main() -> None:
    from posttrainbench import catalog
    from posttrainbench.benchmarks.registry import load_benchmark
    from posttrainbench.evaluation.grader import ModelGrader
    from posttrainbench.evaluation.items import load_items

    message = StartupMessage.model_validate_json(sys.stdin.readline())
    benchmark = load_benchmark(message.benchmark)
    facts = catalog.find(catalog.benchmarks(), message.benchmark, "benchmark")
    items = benchmark.build_prompts(load_items(facts, "test"), message.seed)
    if benchmark.grade is None:
        raise ValueError(f"{benchmark.id} has no `grade` function")
    base = catalog.find(catalog.models(), message.model, "model")
    service = GraderService(
        *(items, benchmark.grade, benchmark.summary, ModelGrader(message.grader), message.passes, message.log),
        cut=token_limit(base.directory / "tokenizer.json", facts.max_tokens),
        largest=largest_request(len(items), facts.max_tokens),
    )
    await serve(service, message.socket, parent_exit_event(), lambda: print("ready", flush=True))


if __name__ == "__main__":
    asyncio.run(_main())

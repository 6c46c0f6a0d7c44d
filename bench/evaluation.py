"""Measure the speedup from keeping the engine busy, the overhead compared with a bare Inspect task, and the start.

    python bench/evaluation.py [--items 100] [--rounds 3] [--threads 1]

First part: the same items, checkpoint (micro-instruct) and engine, (a) with as many concurrent requests as the original
evaluation of the mirrored benchmark, and (b) as `ptb evaluate` drives it. Our engine always computes the same number of
rows, so that a result does not depend on the other requests; a single request therefore pays for all rows. So (a) is
also measured on an engine that computes one row at a time. Goal: at least 8x for work like humaneval and gsm8k.

Second part: on a server that answers immediately, the complete `evaluate` compared with a bare Inspect task over the
same items, in turns. Goal: at most 1.1x.

Third part: the time from the start of the command `ptb evaluate` to the first scored item, compared with that of the
engine's start. Goal: at most 2 s more.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.synchronize import Event
from pathlib import Path

from posttrainbench import catalog
from posttrainbench.benchmarks import Item, Services
from posttrainbench.benchmarks.registry import load_benchmark
from posttrainbench.engines import Endpoint, Engine, Serving, load_engine
from posttrainbench.evaluation import evaluate as evaluating
from posttrainbench.evaluation.plan import suite_plan
from posttrainbench.sandbox import load_sandbox
from posttrainbench.sandbox.executor import code_executor

CONNECTIONS = {"micro-code": 1, "micro-math": 2, "micro-calls": 6, "micro-choice": 6}
"""Of the official benchmark that each mirrors: humaneval 1, gsm8k 2, bfcl and gpqamain 6."""

CHECKPOINT = catalog.models()["micro-instruct"].directory
MAX_TOKENS = 96


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    throughput(args.items, args.threads)
    overhead(args.rounds)
    first_item(args.rounds)


def throughput(count: int, threads: int) -> None:
    """Part one."""
    template = catalog.chat_template(catalog.models()["micro-base"])
    print(f"{count} items, seconds          (a) original   one row at a time   (b) ours   ratios")
    with tempfile.TemporaryDirectory() as scratch:
        serving = Serving(CHECKPOINT, template, Path(scratch, "log"), threads=threads)
        with load_engine("transformers").serve(serving) as engine, one_row_engine(template, threads) as single:
            for name, connections in CONNECTIONS.items():
                items = load_benchmark(name).load("test")[:count]
                run(name, items[:4], engine, engine.connections)  # whatever is done only once
                theirs = run(name, items, engine, connections)
                lone = run(name, items, single, connections)
                ours = run(name, items, engine, engine.connections)
                print(
                    f"{name:<13}{connections} in flight {theirs:14.1f} {lone:19.1f} {ours:10.1f}"
                    f"   {theirs / ours:.1f}x, {lone / ours:.1f}x",
                    flush=True,
                )


def run(name: str, items: list[Item], engine: Endpoint, connections: int) -> float:
    """Return the seconds to answer and score the items with a number of concurrent requests."""
    from posttrainbench.evaluation.attempt import attempt

    benchmark = load_benchmark(name)
    with tempfile.TemporaryDirectory() as scratch, code_executor(load_sandbox("process"), benchmark.scorer) as code:
        started = time.monotonic()
        attempt(
            benchmark,
            items,
            replace(engine, connections=connections),
            Services(execute=code.run),
            max_tokens=MAX_TOKENS,
            seed=0,
            stop=None,
            log=Path(scratch, "log.eval"),
            on_score=lambda item, grade: None,
        )
        return time.monotonic() - started


@contextmanager
def one_row_engine(template: str, threads: int) -> Iterator[Endpoint]:
    """The transformers engine with one row, in a process of its own."""
    with served(_serve_one_row, template, threads) as engine:
        yield engine


def overhead(rounds: int) -> None:
    """Part two."""
    items = load_benchmark("micro-math").load("test")
    answers = {item.question: item.answer for item in items}
    plan = suite_plan(catalog.suites()["micro"], catalog.models()["micro-base"])
    with served(_serve_answers, json.dumps(answers), 1) as engine:

        @contextmanager
        def start(serving: Serving) -> Iterator[Endpoint]:
            serving.log.touch()
            yield replace(engine, log=serving.log)

        vars(evaluating)["load_engine"] = lambda name: Engine(name, start, lambda settings: {}, kit={})
        bare(items[:10], engine)
        seconds: dict[str, list[float]] = {"bare": [], "ours": []}
        for _ in range(rounds):
            seconds["bare"].append(bare(items, engine))
            with tempfile.TemporaryDirectory() as scratch:
                started = time.monotonic()
                found = evaluating.evaluate(
                    CHECKPOINT, ["micro-math"], plan, load_sandbox("process"), Path(scratch), lambda moment: None
                )
                seconds["ours"].append(time.monotonic() - started)
                assert found["micro-math"].score == 1
    per_item = {name: 1000 * statistics.median(each) / len(items) for name, each in seconds.items()}
    ratios = [ours / theirs for ours, theirs in zip(seconds["ours"], seconds["bare"], strict=True)]
    print(
        f"bare Inspect task {per_item['bare']:.1f} ms an item, ours {per_item['ours']:.1f} ms, "
        f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) over {rounds} rounds"
    )


def bare(items: list[Item], engine: Endpoint) -> float:
    """Seconds of an Inspect task as its tutorial writes it."""
    from inspect_ai import Task
    from inspect_ai import eval as inspect_eval
    from inspect_ai.dataset import Sample
    from inspect_ai.model import get_model
    from inspect_ai.scorer import match
    from inspect_ai.solver import generate

    samples = [Sample(id=item.id, input=item.question, target=str(item.target["number"])) for item in items]
    model = get_model("openai-api/engine/checkpoint", base_url=engine.base_url, api_key=engine.api_key, memoize=False)
    with tempfile.TemporaryDirectory() as scratch:
        started = time.monotonic()
        [log] = inspect_eval(
            Task(dataset=samples, solver=generate(), scorer=match(numeric=True)),
            model=model,
            display="none",
            log_dir=scratch,
            max_connections=engine.connections,
            max_samples=engine.connections,
        )
        seconds = time.monotonic() - started
    assert log.status == "success"
    return seconds


def first_item(rounds: int) -> None:
    """Part three."""
    template = catalog.chat_template(catalog.models()["micro-base"])
    later = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as scratch:
            started = time.monotonic()
            with load_engine("transformers").serve(Serving(CHECKPOINT, template, Path(scratch, "log"))):
                engine_seconds = time.monotonic() - started
            out = Path(scratch, "out")
            command = [sys.executable, "-m", "posttrainbench", "evaluate", str(CHECKPOINT), "--base", "micro-base"]
            command += ["--benchmark", "micro-math", "--suite", "micro", "--limit", "8", "--out", str(out)]
            started = time.monotonic()
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
                while not any(file.stat().st_size for file in out.glob("**/items.jsonl")):
                    if process.poll() is not None:
                        raise SystemExit("ptb evaluate ended without a scored item")
                    time.sleep(0.02)
                later.append(time.monotonic() - started - engine_seconds)
                process.wait()
            print(f"engine's start {engine_seconds:.1f} s, first item {later[-1]:.1f} s later than that", flush=True)
    print(f"first item {statistics.median(later):.1f} s after the engine's own start, over {rounds} rounds")


@contextmanager
def served(serve: "object", what: str, threads: int) -> Iterator[Endpoint]:
    """Run a server of this file in a process of its own."""
    context = multiprocessing.get_context("spawn")
    ready, port = context.Event(), context.Value("i", 0)
    process = context.Process(target=serve, args=(what, threads, port, ready), daemon=True)  # type: ignore[arg-type]
    process.start()
    ready.wait()
    try:
        yield Endpoint(f"http://127.0.0.1:{port.value}/v1", "key", 256, True, {"engine": "bench"}, Path(os.devnull))
    finally:
        process.kill()
        process.join()


def _serve_one_row(template: str, threads: int, port: "object", ready: Event) -> None:
    import torch

    from posttrainbench.engines import generation, transformers_server

    torch.set_num_threads(threads)
    generation.ROWS["small"] = 1
    vars(generation)["SMALL_TOGETHER"] = 1
    _listen(transformers_server.build_app(generation.Generator(CHECKPOINT, template), "key"), port, ready)


def _serve_answers(answers: str, threads: int, port: "object", ready: Event) -> None:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    known = json.loads(answers)

    async def chat(request: Request) -> JSONResponse:
        body = json.loads(await request.body())
        message = {"role": "assistant", "content": known[body["messages"][-1]["content"]]}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        head = {"id": "x", "object": "chat.completion", "created": 0, "model": "m"}
        return JSONResponse(head | {"choices": [choice], "usage": usage})

    _listen(Starlette(routes=[Route("/v1/chat/completions", chat, methods=["POST"])]), port, ready)


def _listen(app: "object", port: "object", ready: Event) -> None:
    import socket

    import uvicorn

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(2048)
    port.value = listener.getsockname()[1]  # type: ignore[attr-defined]
    ready.set()
    uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off")).run(sockets=[listener])  # type: ignore[arg-type]


if __name__ == "__main__":
    main()

"""The executor of model-written programs: no program can affect the answer for the next one."""

import os
import resource
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from posttrainbench.benchmarks.registry import load_benchmark
from posttrainbench.errors import InfrastructureError
from posttrainbench.sandbox import load_sandbox
from posttrainbench.sandbox.executor import CodeExecutor, code_executor
from support import PATIENCE, eventually, marked

pytestmark = pytest.mark.sandbox

RUNNER = load_benchmark("micro-code").scorer
DOUBLE = {"source": "def f(x):\n    return 2 * x\n", "function": "f", "calls": [[1], [21]]}
DOUBLED = {"returned": [2, 42], "error": None}

HOSTILE = {
    "raises": "raise ValueError",
    "exits": "import sys; sys.exit(0)",
    "exits at once": "import os; os._exit(0)",
    "ends its parent": "import os, signal; os.kill(os.getppid(), signal.SIGKILL)",
    "stops its parent": "import os, signal; os.kill(os.getppid(), signal.SIGTERM)",
    "ends all it can": "import os, signal; os.kill(-1, signal.SIGKILL)",
    "ends itself": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "loops": "while True: pass",
    "sleeps": "import time; time.sleep(600)",
    "floods its output": "while True: print('x' * 10_000)",
    "floods all descriptors": (
        "import os\nfor fd in range(64):\n    try:\n        for _ in range(1000): os.write(fd, b'x' * 10_000)\n"
        "    except OSError: pass"
    ),
    "answers in the runner's place": (
        "import os\nfor pid in (os.getppid(), 1):\n    try:\n        with open(f'/proc/{pid}/fd/1', 'w') as file:\n"
        '            file.write(\'{"returned": [0, 0], "error": null}\\n\' * 3)\n    except OSError: pass'
    ),
    "returns too much": "def f(x): return 'x' * 10_000_000",
    "takes much memory": "x = bytearray(2 ** 40)",
    "writes a huge file": "open('/tmp/huge', 'wb').write(bytes(2 ** 30))",
    "forks and lingers": "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(600)",
    "nests deeply": "def f(x):\n    y = []\n    for _ in range(10_000): y = [y]\n    return y",
    "returns no plain data": "def f(x): return object()",
    "is no program": "def f(x:",
    "is not there": "g = 1",
    "holds a null byte": "\0",
    "holds a lone surrogate": "'\ud800'",
}


LOWERS_LIMITS = (
    "import resource\ndef f(x):\n    for pid in range(1, 60):\n"
    "        for limit in (resource.RLIMIT_CPU, resource.RLIMIT_NOFILE, resource.RLIMIT_AS):\n"
    "            try: resource.prlimit(pid, limit, (1, 1))\n            except Exception: pass\n    return 2 * x\n"
)


@pytest.fixture
def executor() -> Iterator[CodeExecutor]:
    with code_executor(load_sandbox("bubblewrap"), RUNNER, parallel=1) as made:
        yield made


@pytest.fixture
def many_open_files() -> Iterator[None]:
    """More open files than `select.select` accepts, as in an evaluation with many connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2048:
        pytest.skip("the limit of open files is below 2048")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    yield
    for descriptor in opened:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("many_open_files")
def test_values_come_back_to_a_process_with_many_open_files(executor: CodeExecutor) -> None:
    assert executor.run(DOUBLE) == DOUBLED


@pytest.mark.parametrize("sandbox", ["bubblewrap", "process"])
def test_returned_values_come_back(sandbox: str) -> None:
    with code_executor(load_sandbox(sandbox), RUNNER) as executor:
        assert [executor.run(DOUBLE), executor.run(DOUBLE)] == [DOUBLED, DOUBLED]


@pytest.mark.parametrize("source", HOSTILE.values(), ids=HOSTILE)
def test_executor_answers_the_next_program(source: str, executor: CodeExecutor) -> None:
    answer = executor.run({"source": source, "function": "f", "calls": [[1], [21]]})
    assert answer.get("returned") is None or "'w'" in source  # what it forges for itself it could have returned as well
    assert [executor.run(DOUBLE) for _ in range(3)] == [DOUBLED] * 3


def test_program_that_damages_its_runner_costs_no_other_program_its_answer(executor: CodeExecutor) -> None:
    executor.run({**DOUBLE, "source": LOWERS_LIMITS})  # its own answer may be right
    assert [executor.run(DOUBLE) for _ in range(3)] == [DOUBLED] * 3


def test_failure_comes_from_a_new_runner_and_success_keeps_the_runner(executor: CodeExecutor) -> None:
    executor.run(DOUBLE)
    (first,) = executor.running
    executor.run(DOUBLE)
    assert executor.running == {first}
    assert executor.run({**DOUBLE, "source": HOSTILE["raises"]})["error"] == "ValueError"
    assert not executor.running


def test_executor_without_isolation_survives_a_killed_runner() -> None:
    with code_executor(load_sandbox("process"), RUNNER) as executor:
        executor.run({"source": HOSTILE["ends its parent"], "function": "f", "calls": [[1]]})
        assert executor.run(DOUBLE) == DOUBLED


def test_delayed_kill_of_the_runner_does_not_affect_other_programs(executor: CodeExecutor) -> None:
    source = (
        "import os, signal, time\nrunner = os.getppid()\nif os.fork() == 0:\n    os.setsid()\n"
        "    os.closerange(0, 100)\n    time.sleep(0.3)\n"
        "    os.kill(runner, signal.SIGKILL)\ndef f(x): return x"
    )
    executor.run({"source": source, "function": "f", "calls": [[1]]})
    (first,) = executor.running
    end = time.monotonic() + PATIENCE
    while first in executor.running:
        assert executor.run(DOUBLE) == DOUBLED
        assert time.monotonic() < end, "the runner was not ended"
    assert executor.run(DOUBLE) == DOUBLED


def test_nothing_is_left_when_it_is_closed(tmp_path: Path) -> None:
    runner = tmp_path / f"runner-{tmp_path.name}.py"
    runner.write_bytes(RUNNER.read_bytes())
    with code_executor(load_sandbox("process"), runner) as executor:
        executor.run({"source": HOSTILE["forks and lingers"], "function": "f", "calls": [[1]]})
        assert executor.run(DOUBLE) == DOUBLED
        assert marked(runner.name)
    eventually(lambda: not marked(runner.name))


RUNNERS: dict[str, str] = {
    "ends at once": "",
    "says nothing sensible": "import sys\nfor line in sys.stdin: print('hello', flush=True)",
    "is wrong": (
        "import json, sys\nfor line in sys.stdin: "
        "print(json.dumps({'ready': False, 'nonce': json.loads(line)['nonce']}), flush=True)"
    ),
}


@pytest.mark.parametrize("source", RUNNERS.values(), ids=RUNNERS)
def test_runner_that_does_not_work_is_an_infrastructure_error(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posttrainbench.sandbox.executor.ANSWER_SECONDS", 1.0)
    runner = tmp_path / "runner.py"
    runner.write_text(source)
    with code_executor(load_sandbox("bubblewrap"), runner) as executor, pytest.raises(InfrastructureError) as error:
        executor.run(DOUBLE)
    assert error.value.cause == "sandbox_failed"


@pytest.mark.timeout(20)
def test_endless_answer_is_abandoned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posttrainbench.sandbox.executor.ANSWER_SECONDS", 1.0)
    runner = tmp_path / "runner.py"
    runner.write_text("""
import json, sys, time
for line in sys.stdin:
    request = json.loads(line)
    if "ready" not in request:
        break
    print(json.dumps({"ready": True, "nonce": request["nonce"]}), flush=True)
print('{"returned": ', end="", flush=True)
time.sleep(600)
""")
    with code_executor(load_sandbox("bubblewrap"), runner) as executor:
        assert executor.run(DOUBLE)["error"].startswith("the program broke its runner")


def test_many_programs_run_at_a_time_in_runners_of_their_own() -> None:
    waiting = {"source": "import time\ndef f(x):\n    time.sleep(0.5)\n    return x", "function": "f", "calls": [[1]]}
    with (
        code_executor(load_sandbox("bubblewrap"), RUNNER, parallel=3) as executor,
        ThreadPoolExecutor(max_workers=8) as pool,
    ):
        running = []

        def run(request: dict[str, Any]) -> dict[str, Any]:
            answer = executor.run(request)
            running.append(len(executor.running))
            return answer

        answers = pool.map(run, [waiting, DOUBLE, {**waiting, "source": HOSTILE["ends its parent"]}] * 4)
        assert [answer.get("returned") for answer in answers] == [[1], [2, 42], None] * 4
        assert 1 < max(running) <= 3


def test_closed_executor_starts_nothing() -> None:
    with code_executor(load_sandbox("bubblewrap"), RUNNER) as executor:
        pass
    with pytest.raises(InfrastructureError):
        executor.run(DOUBLE)

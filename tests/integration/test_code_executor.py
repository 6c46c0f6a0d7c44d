"""Programs that a model wrote: whatever one does, the executor answers the next one rightly."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import eventually, marked

from posttrainbench.benchmarks import load_benchmark
from posttrainbench.errors import InfrastructureError
from posttrainbench.sandbox import load_sandbox
from posttrainbench.sandbox.executor import CodeExecutor, code_executor

pytestmark = pytest.mark.sandbox

RUNNER = load_benchmark("micro-code").scorer
DOUBLE = {"source": "def f(x):\n    return 2 * x\n", "function": "f", "calls": [[1], [21]]}

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
        "            file.write('{\"returned\": [0, 0], \"error\": null}\\n' * 3)\n    except OSError: pass"
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


@pytest.fixture(scope="module", params=["bubblewrap", "process"])
def executor(request: pytest.FixtureRequest) -> Iterator[CodeExecutor]:
    with code_executor(load_sandbox(request.param), RUNNER) as made:
        yield made


def test_returned_values_come_back(executor: CodeExecutor) -> None:
    assert executor.run(DOUBLE) == {"returned": [2, 42], "error": None}


@pytest.mark.parametrize("source", HOSTILE.values(), ids=HOSTILE)
def test_executor_answers_the_next_program(source: str, executor: CodeExecutor) -> None:
    if "kill(-1" in source and executor.sandbox.isolation == "none":
        pytest.skip("without a sandbox this would end the user's own processes")
    if os.geteuid() == 0 and executor.sandbox.isolation == "none" and "/proc/" in source:
        pytest.skip("root may write anywhere without a sandbox")
    answer = executor.run({"source": source, "function": "f", "calls": [[1], [21]]})
    assert answer["returned"] is None
    assert answer["error"]
    for _ in range(3):
        assert executor.run(DOUBLE) == {"returned": [2, 42], "error": None}


def test_nothing_is_left_when_it_is_closed(tmp_path: Path) -> None:
    runner = tmp_path / f"runner-{tmp_path.name}.py"
    runner.write_bytes(RUNNER.read_bytes())
    with code_executor(load_sandbox("process"), runner) as executor:
        executor.run({"source": HOSTILE["forks and lingers"], "function": "f", "calls": [[1]]})
        assert marked(runner.name)
    eventually(lambda: not marked(runner.name))


RUNNERS: dict[str, str] = {
    "ends at once": "",
    "says nothing sensible": "import sys\nfor line in sys.stdin: print('hello', flush=True)",
    "is wrong": "import sys\nfor line in sys.stdin: print('{\"returned\": [2], \"error\": null}', flush=True)",
}


@pytest.mark.parametrize("source", RUNNERS.values(), ids=RUNNERS)
def test_runner_that_does_not_work_is_an_infrastructure_error(source: str, tmp_path: Path) -> None:
    runner = tmp_path / "runner.py"
    runner.write_text(source)
    with code_executor(load_sandbox("bubblewrap"), runner) as executor:
        with pytest.raises(InfrastructureError) as error:
            executor.run(DOUBLE)
    assert error.value.cause == "sandbox_failed"


def test_runner_half_way_through_an_answer_does_not_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer without its end must be given up after the time for it, as no answer is."""
    monkeypatch.setattr("posttrainbench.sandbox.executor.ANSWER_SECONDS", 1.0)
    runner = tmp_path / "runner.py"
    answers: Callable[[str], str] = lambda first: f"""
import sys, time
sys.stdin.readline()
print('{{"returned": [1], "error": null}}', flush=True)
sys.stdin.readline()
print({first!r}, end="", flush=True)
time.sleep(600)
"""
    runner.write_text(answers('{"returned": '))
    with code_executor(load_sandbox("bubblewrap"), runner) as executor:
        assert executor.run(DOUBLE)["returned"] is None

"""Each scorer against answers that try to be taken for right ones."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import IO, Any

import pytest

from posttrainbench.benchmarks.scorers import choice, code, number, tool_call


@pytest.mark.parametrize(
    ("completion", "wanted", "right"),
    [
        ("5+6=11\nANSWER: 11", 11, True),
        ("ANSWER: 011", 11, True),
        ("ANSWER: 1,000", 1000, True),
        ("ANSWER: $12.00", 12, True),
        ("ANSWER: 11.", 11, True),
        ("**ANSWER: 11**", 11, True),
        ("ANSWER: -3", -3, True),
        ("ANSWER: 3", -3, False),
        ("ANSWER: 711", 11, False),
        ("ANSWER: 117", 11, False),
        ("ANSWER: 11.5", 11, False),
        ("ANSWER: 1,00", 100, False),
        ("ANSWER: 11 or 12", 11, False),
        ("ANSWER: 12 ANSWER: 11", 11, False),
        ("ANSWER: 11\nANSWER: 12", 11, False),
        ("ANSWER: 12\nANSWER: 11", 11, True),
        ("ANSWER: 11\nANSWER:", 11, False),
        ("ANSWER: 1e1", 10, False),
        ("ANSWER: 0x0b", 11, False),
        ("ANSWER: \u0661\u0661", 11, False),
        ("ANSWER: NaN", 11, False),
        ("ANSWER: " + "1" * 5000, 11, False),
        ("the ANSWER: 11", 11, False),
        ("11", 11, False),
        ("", 11, False),
    ],
)
def test_number(completion: str, wanted: int, right: bool) -> None:
    assert number.score(completion, {"number": wanted}) is right


@pytest.mark.parametrize(
    ("completion", "right"),
    [
        ("It is owl.\nANSWER: B", True),
        ("ANSWER: (B)", True),
        ("ANSWER: B)", True),
        ("**ANSWER: B**", True),
        ("ANSWER: A\nANSWER: B", True),
        ("ANSWER: B\nANSWER: A", False),
        ("ANSWER: AB", False),
        ("ANSWER: A B C D", False),
        ("ANSWER: A, B", False),
        ("ANSWER: Bird", False),
        ("ANSWER: b", False),
        ("ANSWER: B\nANSWER:", False),
        ("ANSWER:", False),
        ("B", False),
        ("", False),
    ],
)
def test_choice(completion: str, right: bool) -> None:
    assert choice.score(completion, {"letter": "B"}) is right


CALL = {"name": "set_timer", "arguments": {"minutes": 1, "label": "tea"}}
TEXT = json.dumps(CALL)


@pytest.mark.parametrize(
    ("completion", "right"),
    [
        (TEXT, True),
        (f"  {TEXT}\n", True),
        (f"```json\n{TEXT}\n```", True),
        (f"```\n{TEXT}\n```", True),
        ('{"arguments": {"label": "tea", "minutes": 1}, "name": "set_timer"}', True),
        (f"Sure! {TEXT}", False),
        (f"{TEXT} {TEXT}", False),
        (f"[{TEXT}]", False),
        (TEXT[:-1], False),
        (TEXT.replace("1", '"1"'), False),
        (TEXT.replace("1", "1.0"), False),
        (TEXT.replace("1", "true"), False),
        (TEXT.replace("1", "NaN"), False),
        (TEXT.replace("tea", "Tea"), False),
        (TEXT.replace("set_timer", "set_alarm"), False),
        (TEXT.replace('"minutes": 1', '"minutes": 2, "minutes": 1'), False),
        (TEXT.replace('"minutes": 1', '"minutes": 1, "more": 0'), False),
        (TEXT.replace('"minutes": 1, ', ""), False),
        ('{"name": "get", ' + TEXT[1:], False),
        ("[" * 100_000, False),
        ("null", False),
        ("", False),
    ],
)
def test_tool_call(completion: str, right: bool) -> None:
    assert tool_call.score(completion, CALL) is right


TARGET = {"function": "f", "calls": [[1], [2]], "outputs": [2, 3]}
ALWAYS_EQUAL = """
class Same{base}:
    def __eq__(self, other): return True
    __hash__ = None
    def __repr__(self): return "2"
"""
FORGED = 'import os\nos.write(3, b\'{"returned": [9, 9], "error": null}\')\nos._exit(0)\nf = 0'


class Runner:
    """The runner as the host holds it."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-I", code.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, source: str, target: dict[str, Any]) -> dict[str, Any]:
        request = {"source": source, "function": target["function"], "calls": target["calls"]}
        write: IO[str] | None = self.process.stdin
        read: IO[str] | None = self.process.stdout
        assert write is not None
        assert read is not None
        write.write(json.dumps(request) + "\n")
        write.flush()
        answer: dict[str, Any] = json.loads(read.readline())
        return answer


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    held = Runner()
    yield held
    held.process.communicate(timeout=10)


@pytest.mark.parametrize(
    ("source", "right"),
    [
        ("def f(x):\n    return x + 1", True),
        ("import math\nf = lambda x: x + math.floor(1.5)", True),
        ("def f(x):\n    print('[2, 3]')\n    return x + 1", True),
        ("def f(x):\n    return x", False),
        ("def g(x):\n    return x + 1  # f", False),
        ("def f(x):\n    return float(x + 1)", False),
        ("def f(x):\n    return str(x + 1)", False),
        ("def f(x) return", False),
        ("def f(x):\n    raise SystemExit(0)", False),
        ("import sys; f = 0; sys.exit(0)", False),
        ("import os\ndef f(x):\n    os._exit(0)", False),
        ("import os, signal\ndef f(x):\n    os.kill(os.getpid(), signal.SIGKILL)", False),
        (ALWAYS_EQUAL.format(base="") + "def f(x): return Same()", False),
        (ALWAYS_EQUAL.format(base="(int)") + "def f(x): return Same(x + 1)", False),
        ("class L(list): pass\ndef f(x): return L()", False),
        ('print(\'{"returned": [2, 3], "error": null}\')\nf = None', False),
        (FORGED, False),
        ("import os\nos.write(3, b'\\xff' * 100)\nos._exit(0)\nf = 0", False),
        ("import os\nwhile True: os.write(3, b'1' * 65536)\nf = 0", False),
        ("import os\nfor fd in range(20):\n    try: os.write(fd, b'[2, 3]')\n    except OSError: pass\nf = 0", False),
        ("import sys\ndef f(x):\n    return sys._getframe(1).f_locals.get('outputs', 0)", False),
        ("def f(x): return [[...]]", False),
        ("def f(x): return float('nan')", False),
        ("def f(x):\n    v = []\n    v.append(v)\n    return v", False),
        ("def f(x): return 10 ** 5000", False),
        ("def f(x): return 'a' * 2**21", False),
        ("def f(x): return len(bytearray(2**30))", False),
        ("import json\njson.dumps = lambda *a: '[2, 3]'\ndef f(x): return x", False),
        ("import sys; f = sys.stdin.read", False),
        ("import os\nif os.fork(): os._exit(0)\nos.setsid()\nimport time; time.sleep(9); f = 0", False),
    ],
)
def test_code(runner: Runner, source: str, right: bool) -> None:
    answer = runner.ask(source, TARGET)
    assert code.verdict(answer["returned"], TARGET) is right
    assert (answer["error"] is None) is (answer["returned"] is not None)


@pytest.mark.parametrize("source", ["while True: pass", "import time\ndef f(x): time.sleep(60)"])
def test_code_is_stopped(runner: Runner, source: str) -> None:
    assert runner.ask(source, TARGET)["returned"] is None
    assert runner.ask("def f(x): return x + 1", TARGET)["returned"] == [2, 3]


@pytest.mark.parametrize("returned", [None, [], [2], [2, 3, 4], [2, 3.0], [2, "3"], ["2", "3"], [True, 3]])
def test_verdict_needs_every_output(returned: list[Any] | None) -> None:
    assert not code.verdict(returned, TARGET)


def test_true_is_not_one() -> None:
    assert not code.verdict([True], {"outputs": [1]})
    assert not code.verdict([[1, {"a": 1.0}]], {"outputs": [[1, {"a": 1}]]})
    assert code.verdict([None], {"outputs": [None]})


@pytest.mark.parametrize(
    ("completion", "source"),
    [
        ("def f(x): return 1", "def f(x): return 1"),
        ("Here:\n```python\ndef f(x): return 1\n```\nDone.", "def f(x): return 1"),
        ("```\nprint(1)\n```\n```py\ndef f(x): return 1\n```", "def f(x): return 1"),
        ("```python\ndef f(x): return 1", "def f(x): return 1"),
        ("```\nprint(1)\n```", None),
        ("", None),
    ],
)
def test_program(completion: str, source: str | None) -> None:
    assert code.program(completion, TARGET) == source

"""HumanEval's scorer beside that of inspect_evals: the same verdicts, but for the differences that are named here."""

import asyncio
import gzip
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from inspect_ai.model import ModelName, ModelOutput
from inspect_ai.scorer import Target
from inspect_ai.solver import TaskState
from inspect_ai.util import ExecResult
from inspect_evals.humaneval.humaneval import verify

from posttrainbench.benchmarks import humaneval, micro_code
from posttrainbench.benchmarks.base import Row
from posttrainbench.benchmarks.scorers.humaneval import judge
from posttrainbench.sandbox import load_sandbox
from posttrainbench.sandbox.executor import code_executor
from support import ALL

THEY_ACCEPT = {"exits before the tests", "equals everything"}
"""Cheats."""
WE_ACCEPT = {
    "whole function with text around",
    "body in a fence",
    "body, then text",
    "helper before the function",
    "on one line",
    "thinking before it",
    "main guard that fails",
}
"""Right programs, in forms that they do not read."""
RIGHT = WE_ACCEPT | {
    "body",
    "whole function",
    "body, then another function",
    "in a fence",
    "in a fence with text around",
    "in a fence with Windows' line ends",
}
NOT_FOOLED = {f"HumanEval/{number}" for number in (32, 33, 37, 52, 56, 61, 72)}
"""Whose tests do more than compare what is returned, so that an object that equals everything is no cheat."""


def made_rows() -> list[Row]:
    """The functions of micro-code in HumanEval's schema, if there are no published rows, or with `PTB_TEST_ALL=1`."""
    if "PTB_TEST_DATA" in os.environ and not ALL:
        pytest.skip("the published rows are compared; PTB_TEST_ALL=1 compares these, too")
    rows = []
    for number, item in enumerate(micro_code.generate("test")[:12]):
        target = item["target"]
        header, _, body = item["answer"].partition(":\n")
        calls = zip(target["calls"], target["outputs"], strict=True)
        tests = "".join(f"    assert candidate(*{call!r}) == {output!r}\n" for call, output in calls)
        rows.append(
            {
                "task_id": f"made/{number}",
                "prompt": f'from typing import List\n\n\n{header}:\n    """ {item["question"]}\n    """\n',
                "entry_point": target["function"],
                "canonical_solution": f"{body}\n",
                "test": f"\n\nMETADATA = {{}}\n\n\ndef check(candidate):\n{tests}\n",
            }
        )
    return rows


def published_rows() -> list[Row]:
    """Every 16th row of the original release, where this machine has it; all of them with `PTB_TEST_ALL=1`."""
    folder = os.environ.get("PTB_TEST_DATA")
    if folder is None:
        pytest.skip("PTB_TEST_DATA names no directory with the published files")
    text = gzip.decompress(Path(folder, "HumanEval.jsonl.gz").read_bytes()).decode()
    return [json.loads(line) for line in text.splitlines()[:: 1 if ALL else 16]]


EQUAL = """
class Equal(float):
    def __new__(cls): return float.__new__(cls, 0)
    def __eq__(self, other): return True
    __hash__ = None
    def __sub__(self, other): return 0.0
    def __iter__(self): return iter(())
"""


def outputs(row: Row) -> Iterator[tuple[str, str]]:
    """What a model might write: what kind of output, and the text."""
    prompt, body, function = row["prompt"], row["canonical_solution"], row["entry_point"]
    whole = f"{prompt}{body}"
    definition = prompt[prompt.rindex(f"def {function}(") :]
    header = definition.partition("\n")[0]
    yield "body", body
    yield "whole function", whole
    yield "body, then another function", f"{body}\n\ndef unused():\n    return 1\n"
    yield "body, then text", f"{body}\nThat is all there is to it.\n"
    yield "whole function with text around", f"Here it is:\n\n{whole}\n\nIt does what is asked!"
    yield "body in a fence", f"```python\n    for _ in range(1):\n        pass\n{body}```"
    yield "thinking before it", f"<think>\n```python\nx\n```\n</think>\n```python\n{whole}```"
    yield "empty body", "    pass\n"
    yield "wrong body", "    return 'no'\n"
    yield "another type", "    return object()\n"
    yield "cut off", body.rstrip()[: len(body.rstrip()) // 2] + " ("
    yield "no code", "I would rather not."
    yield "nothing", ""
    yield "exits with an error", "    import sys\n    sys.exit(3)\n"
    if row["task_id"] not in NOT_FOOLED:
        yield "equals everything", f"    return Equal()\n{EQUAL}"
    if prompt.count("def ") > 1:
        return  # of a fenced block they read what follows the first `def`, which is a helper's
    yield "in a fence", f"```python\n{whole}```"
    yield "in a fence with text around", f"Sure.\n\n```python\n{whole}```\nDone."
    yield "in a fence with Windows' line ends", f"```python\n{whole}```".replace("\n", "\r\n")
    yield "wrong, in a fence", f"```python\n{header}\n    return None\n```"
    yield "raises, in a fence", f"```python\n{header}\n    raise ValueError\n```"
    yield "own failing example, in a fence", f"```python\n{whole}\nassert False\n```"
    imports = "from typing import *\n\n\n"
    helper = "def helper(x):\n    return x\n\n\n"
    yield "helper before the function", f"```python\n{imports}{helper}{definition}    helper(0)\n{body}```"
    inner = f"def inner_one{definition.removeprefix(f'def {function}')}{body}"
    yield "on one line", f"```python\n{imports}{inner}\ndef {function}(*given): return inner_one(*given)\n```"
    yield "main guard that fails", f"```python\n{whole}\n\nif __name__ == '__main__':\n    raise SystemExit(1)\n```"
    yield "exits before the tests", f"```python\n{header}\n    import os\n    os._exit(0)\n```"
    yield "exits before the tests", f"```python\n{header}\n    raise SystemExit(0)\n```"


class LocalSandbox:
    """What the other scorer takes for its sandbox: the programs of this file are harmless."""

    async def exec(self, cmd: list[str], timeout: int) -> ExecResult[str]:
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-I", "-S", *cmd[1:]],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return ExecResult(done.returncode == 0, done.returncode, done.stdout, done.stderr)


def their_verdict(row: Row, completion: str) -> bool:
    state = TaskState(
        model=ModelName("none/none"),
        sample_id=row["task_id"],
        epoch=1,
        input="",
        messages=[],
        output=ModelOutput.from_content("none", completion),
        metadata={key: row[key] for key in ("prompt", "test", "entry_point")},
    )
    given = asyncio.run(verify()(state, Target("")))
    assert given is not None
    return given.value == "C"


@pytest.mark.parametrize("rows", [made_rows, published_rows])
@pytest.mark.slow
def test_verdicts_are_those_of_inspect_evals_but_for_the_named_differences(
    rows: Callable[[], list[Row]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["inspect_evals.humaneval.humaneval"], "sandbox", LocalSandbox)
    published = rows()
    cases = [
        SimpleNamespace(kind=kind, text=text, row=row, target=item.target)
        for row, item in zip(published, humaneval.parse("test", published), strict=True)
        for kind, text in outputs(row)
    ]
    with (
        code_executor(load_sandbox("process"), humaneval.BENCHMARK.scorer) as executor,
        ThreadPoolExecutor(max_workers=8) as pool,
    ):

        def both(case: Any) -> tuple[bool, bool]:
            return judge(case.text, case.target, executor.run), their_verdict(case.row, case.text)

        verdicts = list(pool.map(both, cases))
    compared: Counter[str] = Counter(case.kind for case in cases)
    differ: Counter[tuple[str, bool, bool]] = Counter(
        (case.kind, ours, other) for case, (ours, other) in zip(cases, verdicts, strict=True) if ours != other
    )
    right = sum(ours for ours, _ in verdicts)
    print(f"\n{len(cases)} outputs, {right} right: {dict(compared)}\ndifferent: {dict(differ)}")
    assert len(cases) > 200
    assert [ours for ours, _ in verdicts] == [case.kind in RIGHT for case in cases]
    expected = Counter({(kind, False, True): compared[kind] for kind in THEY_ACCEPT})
    expected.update({(kind, True, False): compared[kind] for kind in WE_ACCEPT})
    assert differ == expected

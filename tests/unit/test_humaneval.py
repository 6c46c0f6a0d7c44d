"""HumanEval: from published rows to items, and the verdict on whatever a model may write."""

from collections.abc import Iterator
from typing import Any

import pytest

from posttrainbench.benchmarks import humaneval
from posttrainbench.benchmarks.base import Services, items_sha256
from posttrainbench.benchmarks.scorers.humaneval import decode, encode, judge, program
from posttrainbench.errors import InputError
from posttrainbench.sandbox import load_sandbox
from posttrainbench.sandbox.executor import CodeExecutor, code_executor

PROMPT = '''from typing import List


def scale(n: int) -> int:
    """Ten times n."""
    return 10 * n


def middle(numbers: List[int]) -> int:
    """ The middle one of an odd count of numbers, scaled.
    >>> middle([3, 1, 2])
    20
    """
'''
BODY = "    numbers = sorted(numbers)\n    return scale(numbers[len(numbers) // 2])\n"
WHOLE = "def middle(numbers):\n    return 10 * sorted(numbers)[len(numbers) // 2]\n"
TEST = """

METADATA = {}


def check(candidate):
    assert candidate([3, 1, 2]) == scale(2)
    assert candidate([7]) == middle([7]) == 70
    assert candidate(numbers=[1, 5, 9, 8, 0]) == 50, "the middle one"
"""
ROW = {"task_id": "HumanEval/0", "prompt": PROMPT, "entry_point": "middle", "canonical_solution": BODY, "test": TEST}
TARGET = {"prompt": PROMPT, "function": "middle", "test": TEST}


def fenced(code: str, label: str = "python") -> str:
    return f"```{label}\n{code}\n```"


RIGHT = {
    "body": BODY,
    "body with text after it": BODY + "\nThis sorts the numbers and takes the middle one.\n",
    "body with code after it": BODY + "\n\nif __name__ == '__main__':\n    print(middle([1]))\n",
    "body with another function after it": BODY + "\n\ndef other():\n    return 1\n",
    "body with a broken function after it": BODY + "\n\ndef other(:\n",
    "body without its first indent": BODY.lstrip(),
    "body without indents": "numbers = sorted(numbers)\nreturn scale(numbers[len(numbers) // 2])",
    "body with two spaces": "  return scale(sorted(numbers)[len(numbers) // 2])",
    "body in a fence": fenced(BODY),
    "whole": WHOLE,
    "whole with text around": f"Here is the function.\n\n{WHOLE}\nIt takes the middle one: that is all!",
    "whole in a fence": fenced(WHOLE),
    "whole in a fence without a label": fenced(WHOLE, ""),
    "whole in a fence labelled py": fenced(WHOLE, "Py"),
    "fence with text around": f"Sure!\n\n{fenced(WHOLE)}\n\nHope this helps.",
    "fence that opens after text": f"Code: {fenced(WHOLE)}",
    "fence closed after the last line": f"```python\n{WHOLE.rstrip()}```",
    "fence that nothing closes": f"```python\n{WHOLE}",
    "code before a fence that nothing opened": f"{WHOLE}```\n\nAn example:\n\nmiddle([1])",
    "carriage returns": fenced(WHOLE).replace("\n", "\r\n"),
    "second block defines it": f"{fenced('pip install numbers', 'bash')}\n{fenced('x = 1')}\n{fenced(WHOLE)}",
    "another language before": f"{fenced('def middle(numbers) return 0 end', 'ruby')}\n{fenced(WHOLE)}",
    "thinking before": f"<think>\n{fenced('def middle(numbers): return 0')}\n</think>\n{fenced(WHOLE)}",
    "helper and import of its own": fenced(f"import statistics\n\n\ndef help(x):\n    return 10 * x\n\n\n{WHOLE}"),
    "future import": fenced(f"from __future__ import annotations\n\n{WHOLE}"),
    "a lambda": fenced("middle = lambda numbers: 10 * sorted(numbers)[len(numbers) // 2]"),
    "one line": fenced("def middle(numbers): return 10 * sorted(numbers)[len(numbers) // 2]"),
    "number of a subclass": fenced("import enum\nclass N(enum.IntEnum):\n    A = 20\n    B = 70\n    C = 50\n" + WHOLE)
    .replace("return 10 *", "return N(10 *")
    .replace("// 2]", "// 2])"),
    "number of numpy": fenced(
        "import numpy\n\ndef middle(numbers):\n    return 10 * numpy.sort(numbers)[len(numbers) // 2]"
    ),
    "equal float": fenced(WHOLE.replace("10 *", "10.0 *")),
    "main guard that fails": fenced(f"{WHOLE}\nif __name__ == '__main__':\n    raise SystemExit(1)"),
}
WRONG = {
    "nothing": "",
    "space": " \n\n",
    "text": "I cannot do that.",
    "empty fence": fenced(""),
    "comment as body": "    # done\n",
    "wrong value": fenced(WHOLE.replace("10 *", "11 *")),
    "right for the first test only": fenced("def middle(numbers): return 20"),
    "nothing returned": fenced(WHOLE.replace("return", "x =")),
    "the value printed": fenced(WHOLE.replace("return 10", "print(10").replace("2]", "2])")),
    "the value as text": fenced(WHOLE.replace("return 10 *", "return str(10 *").replace("// 2]", "// 2])")),
    "the value in a list": fenced(WHOLE.replace("return 10 *", "return [10 *").replace("// 2]", "// 2]]")),
    "a generator": fenced(WHOLE.replace("return", "yield")),
    "a coroutine": fenced(f"async {WHOLE}"),
    "another name": fenced(WHOLE.replace("middle", "median")),
    "in a class": fenced("class Solution:\n    def middle(self, numbers):\n        return 0"),
    "syntax error": fenced("def middle(numbers:\n    return 0"),
    "cut off": fenced(WHOLE)[:-20],
    "raises": fenced("def middle(numbers):\n    raise ValueError"),
    "raises when loaded": fenced(f"{WHOLE}\nraise ValueError"),
    "own failing example": fenced(f"{WHOLE}\nassert middle([1]) == 1"),
    "missing import": fenced(WHOLE.replace("sorted", "bisect.insort")),
    "recursion without end": fenced("def middle(numbers): return middle(numbers)"),
    "takes no argument": fenced("def middle(): return 20"),
    "null byte": fenced("def middle(numbers):\n    return 0\0"),
    "lone surrogate": fenced(WHOLE.replace("return", "x = '\ud800'; return")),
    "only thinking": f"<think>{fenced(WHOLE)}</think> I do not know.",
    "another language": fenced("def middle(numbers) numbers.sort[0] end", "ruby"),
}


@pytest.fixture(scope="module")
def executor() -> Iterator[CodeExecutor]:
    with code_executor(load_sandbox("process"), humaneval.BENCHMARK.scorer) as made:
        yield made


@pytest.mark.parametrize("completion", RIGHT.values(), ids=RIGHT)
def test_right_completion_passes(completion: str, executor: CodeExecutor) -> None:
    assert judge(completion, TARGET, executor.run)


@pytest.mark.parametrize("completion", WRONG.values(), ids=WRONG)
def test_wrong_completion_fails(completion: str, executor: CodeExecutor) -> None:
    assert not judge(completion, TARGET, executor.run)


def test_task_needs_a_place_to_run_code() -> None:
    with pytest.raises(ValueError, match="sandbox to run code"):
        humaneval.BENCHMARK.task(humaneval.parse("test", [ROW]), Services())


def test_helper_that_tests_use_is_the_prompts_own(executor: CodeExecutor) -> None:
    assert not judge(fenced("def scale(n): return 0\n\n\ndef middle(numbers): return 0"), TARGET, executor.run)


def test_program_that_is_not_there_is_not_run() -> None:
    def execute(request: dict[str, Any]) -> dict[str, Any]:
        raise AssertionError("it was run")

    assert program("  \n", TARGET) is None
    assert not judge("<think>x</think>\n", TARGET, execute)


@pytest.mark.parametrize("answer", [{}, {"passed": None}, {"passed": "true"}, {"passed": 1}, {"error": "broken"}])
def test_only_the_runners_word_counts(answer: dict[str, Any]) -> None:
    assert not judge(BODY, TARGET, lambda request: answer)


VALUES = [None, True, 0, -1, 2**70, 1.5, float("inf"), "", "ü\ud800", [1, [2]], (1, (2, "x")), {1, 2}, {}]
VALUES += [{"a": [1], 2: (3,), None: {"x": 1}, (1, 2): True}, [{}, set(), (), []]]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_plain_data_comes_back_as_it_was(value: object) -> None:
    back = decode(encode(value))
    assert back == value
    assert repr(back) == repr(value)


OTHER_VALUES = [object(), print, iter([1]), b"x", 1j, range(3), {"x": object()}]


@pytest.mark.parametrize("value", OTHER_VALUES, ids=lambda value: type(value).__name__)
def test_other_values_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match="plain data"):
        encode(value)


def test_endless_values_are_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(ValueError, match="deep"):
        encode(value)


def nested(depth: int) -> Any:
    return {"list": [nested(depth - 1)]} if depth else 1


FORGED = [
    [1],
    {},
    {"object": []},
    {"list": [], "set": []},
    {"list": {}},
    {"list": "ab"},
    {"dict": [1]},
    {"dict": [[1]]},
    {"dict": [["x", 1, 2]]},
    {"dict": {"a": 1}},
    {"__class__": ["x"]},
    {"list": [{"eval": ["1"]}]},
    {"set": [{"list": []}]},
    {"dict": [[{"list": []}, 1]]},
    nested(100),
]


@pytest.mark.parametrize("wire", FORGED, ids=repr)
def test_forged_messages_are_refused(wire: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        decode(wire)


def test_rows_become_items() -> None:
    (item,) = humaneval.parse("test", [ROW])
    assert item.id == "humaneval/test/0000"
    assert item.target == TARGET
    assert item.question.startswith("Complete this Python function.\n\n```python\nfrom typing import List\n")
    assert item.question.endswith("holds the whole function, its imports included.")
    assert not item.messages
    assert not item.tools


def test_answers_of_items_and_examples_are_right(executor: CodeExecutor) -> None:
    (item,) = humaneval.parse("test", [ROW])
    assert judge(item.answer, item.target, executor.run)
    tests = ("candidate([2, 5, 9]) == [3, 4]", "candidate('ada king') == 'A.K.'")
    tests += ("candidate(['a', 'to', 'b']) == {1: ['a', 'b'], 2: ['to']}", "candidate(12) == 2")
    for example, (prompt, _), test in zip(humaneval.examples(), humaneval.WORKED_EXAMPLES, tests, strict=True):
        function = prompt.partition("def ")[2].partition("(")[0]
        target = {"prompt": prompt, "function": function, "test": f"def check(candidate):\n    assert {test}\n"}
        assert judge(example.answer, target, executor.run)


def test_items_do_not_depend_on_other_keys_and_their_order() -> None:
    other = {"extra": 1, **dict(reversed(ROW.items()))}
    assert items_sha256(humaneval.parse("test", [other])) == items_sha256(humaneval.parse("test", [ROW]))


@pytest.mark.parametrize("key", humaneval.KEYS)
@pytest.mark.parametrize("value", [None, "", 7, []])
def test_wrong_row_is_named(key: str, value: object) -> None:
    with pytest.raises(InputError, match=rf"humaneval/test/0001.*`{key}`"):
        humaneval.parse("test", [ROW, {**ROW, key: value}])


def test_row_whose_prompt_defines_something_else_is_named() -> None:
    with pytest.raises(InputError, match=r"humaneval/test/0000.*`entry_point`.*median"):
        humaneval.parse("test", [{**ROW, "entry_point": "median"}])

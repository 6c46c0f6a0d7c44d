"""Trivial answers to the items of a benchmark. They are built from the items and know nothing about the questions."""

import json
from collections import Counter
from collections.abc import Sequence

from posttrainbench.benchmarks.base import Item
from posttrainbench.records import TrivialAnswer

LETTER = "A"
FUNCTION = "search"
REFUSAL = "I'm sorry, but I can't help with that."


def trivial_answers(items: Sequence[Item]) -> dict[TrivialAnswer, list[str | None]]:
    """Return the completions of each trivial answer; its score is that of its best completion.

    Args:
        items: the items with their prompts, those of all evaluation seeds together.

    Returns:
        Trivial answer -> completions that are used for every item. None stands for the item's own prompt.
    """
    letters = sorted({letter for item in items if isinstance(letter := item.target.get("letter"), str)})
    return {
        TrivialAnswer.EMPTY: [""],
        TrivialAnswer.MOST_FREQUENT: [_most_frequent_answer(items)],
        TrivialAnswer.SAME_LETTER: [f"ANSWER: {letter}" for letter in letters or [LETTER]],
        TrivialAnswer.ECHO: [None],
        TrivialAnswer.REFUSAL: [REFUSAL],
        TrivialAnswer.FIXED_CALL: [*_calls(items)],
    }


def echo(item: Item) -> str:
    """Return the text of an item's prompt."""
    return "\n\n".join(message["content"] for message in item.conversation)


def _most_frequent_answer(items: Sequence[Item]) -> str:
    """Return the reference answer of the most frequent target; of equally frequent ones, the first."""
    targets = [json.dumps(item.target, sort_keys=True) for item in items]
    [(target, _)] = Counter(targets).most_common(1)
    return items[targets.index(target)].answer


def _calls(items: Sequence[Item]) -> list[str]:
    """Return a call without arguments, as JSON and in the tags of Hermes."""
    names = Counter(name for item in items if isinstance(name := item.target.get("name"), str))
    call = json.dumps({"name": names.most_common(1)[0][0] if names else FUNCTION, "arguments": {}})
    return [call, f"<tool_call>\n{call}\n</tool_call>"] if names else [call]

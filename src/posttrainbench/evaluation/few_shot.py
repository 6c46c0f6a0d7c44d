"""Few-shot prompts for base models without a chat template: worked examples as plain text, then the question."""

import json

from posttrainbench.benchmarks import Item

TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
DECODING = {"temperature": 0.6, "top_p": 0.95}
STOP = "\n\nQuestion:"


def few_shot(items: list[Item], examples: list[Item]) -> list[Item]:
    """Return the items with one text each: the examples with their answers, then the item's question."""
    shots = "".join(f"Question: {_question(example)}\nAnswer: {example.answer}\n\n" for example in examples)
    return [
        Item(
            id=item.id,
            question=item.question,
            answer=item.answer,
            target=item.target,
            messages=[{"role": "user", "content": f"{shots}Question: {_question(item)}\nAnswer:"}],
        )
        for item in items
    ]


def _question(item: Item) -> str:
    tools = "".join(f"{json.dumps(tool)}\n" for tool in item.tools)
    return f"{tools}{item.question}"

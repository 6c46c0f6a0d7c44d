"""Five made-up test items, and training rows that contain them."""

import json

from posttrainbench.benchmarks import Item

ITEMS = [
    Item(
        f"demo/test/{n}",
        f"{name} baked {n + 4} trays of {n * 3 + 7} muffins for the school fair and sold {n + 2} of them on {day}. "
        f"How many muffins were left for the neighbours of {name}?",
        "42",
        {},
    )
    for n, (name, day) in enumerate(
        zip("Janet Toula Carlos Wendi Kylar".split(), "Monday Friday Sunday May June".split(), strict=True)
    )
]
ROWS = "".join(json.dumps({"question": one.question, "answer": "Let me think. It is 3."}) + "\n" for one in ITEMS)

"""Synthetic test items for the scanner's tests: word problems, programs, function calls, rubrics."""

import json
import random

from posttrainbench.benchmarks import Item

SEED = 7
DOINGS = "polishes repairs collects auctions donates wraps borrows juggles inspects delivers measures stacks".split()
MOODS = "drizzly breezy scorching frosty stormy foggy humid golden gloomy peaceful chaotic festive".split()


def _made_up(count: int, endings: str) -> list[str]:
    """Return invented words, always the same."""
    rng = random.Random(endings)
    starts = "bral cren dov fes glim hul jor kesp lun mar nim ost pril quen rav sel tov urm vels wim".split()
    ends = endings.split()
    made: dict[str, None] = {}
    while len(made) < count:
        made[rng.choice(starts) + rng.choice(("a", "e", "i", "o", "u")) + rng.choice(ends)] = None
    return list(made)


PEOPLE = [word.capitalize() for word in _made_up(350, "na lo ric thea mund vik")]
PLACES = _made_up(250, "hof burg stead mill wick")
THINGS = _made_up(500, "lets kins fers tons bits bags cups")


def problems(count: int = 120, seed: int = SEED) -> list[Item]:
    """Return word problems in the shape of GSM8K, of which no two share more than a few consecutive words."""
    rng = random.Random(seed)
    return [_problem(rng, f"made/{seed}/{number:04}") for number in range(count)]


def _problem(rng: random.Random, name: str) -> Item:
    one, other = rng.sample(PEOPLE, 2)
    here, there = rng.sample(PLACES, 2)
    thing, gift, prize = rng.sample(THINGS, 3)
    first, second, third = rng.randint(20, 900), rng.randint(13, 90), rng.randint(14, 70)
    do, undo = rng.sample(DOINGS, 2)
    opening = rng.choice(
        (
            f"On a {rng.choice(MOODS)} morning {one} {do} {first} {thing} behind the old {here}.",
            f"{one} runs the {here} and {do} {first} {thing} during a {rng.choice(MOODS)} week.",
            f"The {rng.choice(MOODS)} {here} stores {first} {thing} that {one} {do} with great care.",
        )
    )
    middle = rng.choice(
        (
            f"Then {other} comes from the {there}, {undo} {second} {gift} and leaves {third} of them beside the door.",
            f"A friend named {other} {undo} {second} {gift} at the {there} and swaps {third} for something nicer.",
            f"Later {other} {undo} {second} {gift} near the {there}, though {third} turn out to be broken.",
        )
    )
    question = f"{opening} {middle} Counting both {thing} and unbroken {gift}, how many {prize} could they trade for?"
    total = first + second - third
    answer = (
        f"There are {second} - {third} = {second - third} {gift}.\nWith the {thing} that makes {total}.\n#### {total}"
    )
    return Item(name, question, answer, {"number": total})


PROGRAM = Item(
    "made/program",
    'def longest_plateau(readings: list, tolerance: int) -> int:\n    """ Find the length of the longest stretch of '
    "neighbouring readings in which no reading differs from\n    the first one of the stretch by more than the given "
    "tolerance.\n    >>> longest_plateau([1, 2, 9, 9, 8, 3], 1)\n    3\n    >>> longest_plateau([4, 4, 4], 0)\n    3\n"
    '    """\n',
    "    best = 0\n    for start in range(len(readings)):\n        length = 0\n        for value in readings[start:]:\n"
    "            if abs(value - readings[start]) > tolerance:\n                break\n            length += 1\n"
    "        if length > best:\n            best = length\n    return best\n",
    {"test": "assert candidate([7, 7, 1, 30, 31, 29], 2) == 3\nassert candidate([5, 90, 6, 14], 1) == 1\n"},
)

CALL = Item(
    "made/call",
    "My sourdough starter doubles every nine hours and I have forty grams; how much will there be after three days?",
    "grow(amount=40, doubling=9, hours=72)",
    {},
    tools=[
        {
            "name": "grow",
            "description": "Computes how a quantity that doubles at a steady pace develops over some hours.",
            "parameters": {
                "amount": "What there is at the beginning, in grams.",
                "doubling": "Hours until it has doubled.",
            },
        }
    ],
)

ADVICE = Item(
    "made/advice",
    "I burnt my wrist on the oven door an hour ago and now there is a small clear blister, should I pop it?",
    "Leave it closed.",
    {
        "rubrics": [
            "Advises clearly against opening the blister because the intact skin protects the wound from germs.",
            "Mentions cooling the burn under lukewarm running water for about twenty minutes as the first step.",
        ]
    },
)


def chat(question: str, answer: str) -> dict[str, object]:
    """Return a training row."""
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def lines(rows: list[dict[str, object]]) -> bytes:
    """Return rows as JSONL."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()

"""Made-up test and train items in the form of benchmarks whose data we may not redistribute."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache

from posttrainbench.benchmarks import Item, bfcl, gpqamain, healthbench, humaneval
from posttrainbench.benchmarks.base import Split
from scan_problems import PEOPLE, PLACES, THINGS, problems

COUNT = 40


def _as_published(items: list[Item], split: Split) -> list[Item]:
    return [replace(item, id=f"gsm8k/{split}/{number:04}") for number, item in enumerate(items)]


@cache
def gsm8k_test() -> list[Item]:
    return _as_published(problems(120, seed=11), "test")


@cache
def gsm8k_train() -> list[Item]:
    return _as_published(problems(160, seed=12), "train")


FUNCTIONS = (
    (
        "longest_plateau", "readings: list, tolerance: int", "int",
        "Find the length of the longest stretch of neighbouring readings in which no reading differs from the first "
        "one of the stretch by more than the given tolerance.",
        "longest_plateau([1, 2, 9, 9, 8, 3], 1)", "3",
        "best = 0\nfor start in range(len(readings)):\n    length = 0\n    for value in readings[start:]:\n"
        "        if abs(value - readings[start]) > tolerance:\n            break\n        length += 1\n"
        "    best = max(best, length)\nreturn best",
    ),
    (
        "tidy_shelf", "books: list", "list",
        "Put the books with an even number of letters in front, in the order in which they stood, and behind them the "
        "others from the last to the first.",
        "tidy_shelf(['atlas', 'epic', 'novel'])", "['epic', 'novel', 'atlas']",
        "even = [book for book in books if len(book) % 2 == 0]\nodd = [book for book in books if len(book) % 2]\n"
        "return even + odd[::-1]",
    ),
    (
        "ferry_trips", "weights: list, limit: int", "int",
        "Count the crossings of a ferry that loads waiting carts in their order and leaves as soon as the next cart "
        "would put it over its limit.",
        "ferry_trips([3, 4, 5, 1], 8)", "2",
        "trips, load = 0, 0\nfor weight in weights:\n    if trips == 0 or load + weight > limit:\n"
        "        trips, load = trips + 1, 0\n    load += weight\nreturn trips",
    ),
    (
        "mirror_gap", "word: str", "int",
        "Say how many letters of the word would have to be changed, each to any other letter, before it reads the same "
        "in both directions.",
        "mirror_gap('canal')", "2",
        "half = len(word) // 2\nreturn sum(word[i] != word[-1 - i] for i in range(half))",
    ),
    (
        "leaky_bucket", "pours: list, leak: int", "int",
        "A bucket loses a fixed amount after every pour but never holds less than nothing; return the highest level "
        "that the water ever reaches.",
        "leaky_bucket([4, 1, 6], 2)", "7",
        "level = top = 0\nfor pour in pours:\n    level += pour\n    top = max(top, level)\n"
        "    level = max(0, level - leak)\nreturn top",
    ),
    (
        "odd_lanterns", "street: str", "int",
        "On a street drawn with dots and stars, count the lit lanterns that have a dark lantern as their neighbour on "
        "exactly one side.",
        "odd_lanterns('.**.*.')", "2",
        "padded = '*' + street + '*'\nreturn sum(\n    padded[i] == '*' and (padded[i - 1] == '.') != "
        "(padded[i + 1] == '.')\n    for i in range(1, len(padded) - 1)\n)",
    ),
    (
        "rope_pieces", "lengths: list, piece: int", "int",
        "How many equal pieces can be cut from the ropes if what is left of one rope may not be knotted to the rest of "
        "another.",
        "rope_pieces([7, 9, 2], 3)", "5",
        "return sum(length // piece for length in lengths)",
    ),
    (
        "parking_echo", "plates: list", "list",
        "Return every number plate whose digits add up to the same sum as those of the plate that was seen directly "
        "before it.",
        "parking_echo(['12', '21', '40'])", "['21']",
        "sums = [sum(map(int, plate)) for plate in plates]\n"
        "return [plate for i, plate in enumerate(plates) if i and sums[i] == sums[i - 1]]",
    ),
    (
        "thirsty_plants", "soil: dict, rain: int", "list",
        "Name in alphabetical order the plants whose soil stays below fifty points of moisture even after the rain has "
        "been shared equally among all of them.",
        "thirsty_plants({'fern': 10, 'ivy': 45}, 20)", "['fern']",
        "share = rain / len(soil) if soil else 0\n"
        "return sorted(plant for plant, points in soil.items() if points + share < 50)",
    ),
    (
        "zigzag_sum", "grid: list", "int",
        "Walk the rows of the grid by turns from left to right and from right to left, and add up every second number "
        "that is passed, beginning with the first.",
        "zigzag_sum([[1, 2], [3, 4]])", "5",
        "path = [value for row, values in enumerate(grid) for value in (values[::-1] if row % 2 else values)]\n"
        "return sum(path[::2])",
    ),
)  # fmt: skip


@cache
def humaneval_test() -> list[Item]:
    rows = []
    for name, arguments, returned, prose, call, value, body in FUNCTIONS:
        prompt = f'def {name}({arguments}) -> {returned}:\n    """ {prose}\n    >>> {call}\n    {value}\n    """\n'
        indented = "".join(f"    {line}\n" for line in body.splitlines())
        test = f"def check(candidate):\n    assert {call.replace(name, 'candidate', 1)} == {value}\n"
        rows.append({"prompt": prompt, "canonical_solution": indented, "entry_point": name, "test": test})
    return humaneval.parse("test", [{"task_id": f"made/{number}", **row} for number, row in enumerate(rows)])


DEEDS = (
    ("tide_height", "Height of the water above the quay at a given hour of the lunar day.", "hour", "range_m",
     "How high will the water stand at our quay {a} hours into the lunar day when the range there is {b} metres?"),
    ("loaf_price", "Price of a loaf from the weight of its dough and the price of a sack of flour.", "grams", "sack",
     "Our baker kneads {a} grams of dough for one loaf and pays {b} for each sack; what must the loaf cost?"),
    ("kite_pull", "Pull of a kite of some area in a wind of some speed.", "area", "wind",
     "With what force will my kite of {a} square decimetres tug at the line in a wind of {b} knots?"),
    ("fence_posts", "Number of posts that a fence of some length needs at some distance.", "length", "distance",
     "I am fencing {a} metres of meadow and set a post every {b} metres, so how many should I order?"),
    ("stew_time", "Minutes that a stew needs at an altitude.", "litres", "altitude",
     "For how long must {a} litres of lentil stew simmer in our hut at {b} metres above the sea?"),
    ("lamp_cost", "Cost of burning a lamp for a month.", "watts", "hours",
     "What does it cost me each month to leave a lamp of {a} watts burning for {b} hours a night?"),
    ("sled_speed", "Speed of a sled at the foot of a slope.", "slope", "height",
     "At what speed does a sled reach the foot of a hill that is {b} metres high and {a} degrees steep?"),
    ("seed_rows", "Rows of seed in a bed.", "width", "gap",
     "My bed is {a} centimetres wide and I leave {b} between the rows of carrots; how many rows fit?"),
)  # fmt: skip


@cache
def bfcl_test() -> list[Item]:
    rng, rows = random.Random(3), []
    for number in range(24):
        name, about, first, second, asked = DEEDS[number % len(DEEDS)]
        a, b = rng.randint(11, 98), rng.randint(12, 970)
        place, person = rng.choice(PLACES), rng.choice(PEOPLE)
        function = bfcl._function(name, about, **{first: ("integer", f"The {first}."), second: ("integer", "It.")})
        request = f"{person} from the {place} asks: {asked.format(a=a, b=b)}"
        rows.append({
            "question": [[{"role": "user", "content": request}]], "function": [function],
            "ground_truth": [f"{name}({first}={a}, {second}={b})"],
        })  # fmt: skip
    return bfcl.parse("test", rows)


FIELDS = (
    "In the {a} lattice the {b} phase melts at {n} kelvin under a field of {m} tesla. Which carrier dominates there?",
    "A culture of {a} is treated with the inhibitor {b} at {n} nanomolar for {m} hours. Which pathway is silenced?",
    "The {a} reaction of {n} grams of {b} gives a mixture after {m} minutes. Which isomer is found in excess?",
)


@cache
def gpqa_test() -> list[Item]:
    rng, rows = random.Random(4), []
    for _ in range(COUNT):
        words = rng.sample(THINGS, 6)
        form = rng.choice(FIELDS)
        question = form.format(a=words[0], b=words[1], n=rng.randint(20, 900), m=rng.randint(11, 95))
        options = [f"the {word} of the {place}" for word, place in zip(words[2:], rng.sample(PLACES, 4), strict=True)]
        keys = (gpqamain.CORRECT, *gpqamain.WRONG)
        rows.append({"Question": question, **dict(zip(keys, options, strict=True))})
    return gpqamain.parse("test", rows)


PUZZLES = (
    "Let $N$ be the number of ways in which {p} can tile a {n} by {m} floor of the {place} with {t}. Find the "
    "remainder when $N$ is divided by ${k}$.",
    "In triangle $ABC$ the side $AB$ is {n} and $AC$ is {m}. {p} walks from the {place} along the bisector of $A$ "
    "with {t}. The length is $\\frac{p}{q}$; find $p+q$ modulo ${k}$.",
)


@cache
def aime_test() -> list[Item]:
    rng, items = random.Random(5), []
    for number in range(30):
        answer = rng.randint(100, 999)
        values = {"n": rng.randint(20, 90), "m": rng.randint(20, 90), "k": rng.randint(100, 999)}
        text = rng.choice(PUZZLES)
        for key, word in (("p", rng.choice(PEOPLE)), ("place", rng.choice(PLACES)), ("t", rng.choice(THINGS))):
            text = text.replace("{" + key + "}", word) if key != "p" else text.replace("{p} ", f"{word} ")
        for key, value in values.items():
            text = text.replace("{" + key + "}", str(value))
        items.append(Item(f"aime2025/test/{number:04}", text, f"ANSWER: {answer}", {"number": answer}))
    return items


COMPLAINTS = (
    ("a small clear blister on my wrist from the oven door", "opening the blister", "the intact skin keeps germs out"),
    ("a ringing in my left ear since the concert on Saturday", "cotton buds", "pushing wax deeper may hurt the drum"),
    ("cramp in my calf every night around three", "quinine without advice", "it can disturb the rhythm of the heart"),
    ("a nosebleed that has come back four times this week", "tilting the head backwards", "blood runs into the throat"),
    ("numb fingers after sawing wood all afternoon", "sawing on without gloves", "vibration narrows small vessels"),
    ("a splinter of oak under my thumbnail since yesterday", "digging with a needle", "it drives the wood in further"),
    ("a rash in the shape of a ring on my knee after a hike", "waiting for weeks", "early treatment of borrelia works"),
    (
        "hiccups that have not stopped for fifty hours",
        "scaring myself out of it",
        "so long a bout needs an examination",
    ),
)


@cache
def healthbench_test() -> list[Item]:
    rows = []
    for number, (complaint, against, why) in enumerate(COMPLAINTS):
        turns = (
            f"Hello, I have {complaint}.",
            "I am sorry to hear that. How old are you?",
            "I am fifty-two.",
            "Do you take any medicine?",
            f"Only vitamins. What should I do about {complaint}, and what not?",
        )
        prompt = [
            {"role": "user" if place % 2 == 0 else "assistant", "content": text} for place, text in enumerate(turns)
        ]
        criteria = (
            f"Advises plainly against {against} because {why} in a case such as {complaint}.",
            f"Explains within the first two sentences which kind of practice treats {complaint} and how soon.",
        )
        rubrics = [{"criterion": one, "points": 5, "tags": ["axis:completeness"]} for one in criteria]
        ideal = {"ideal_completion": f"Please avoid {against}, for {why}."}
        rows.append({"prompt_id": f"p{number}", "prompt": prompt, "rubrics": rubrics, "ideal_completions_data": ideal})
    return healthbench.parse("test", rows)


def none() -> list[Item]:
    return []


MADE_UP: dict[tuple[str, Split], Callable[[], list[Item]]] = {
    ("gsm8k", "test"): gsm8k_test,
    ("gsm8k", "train"): gsm8k_train,
    ("humaneval", "test"): humaneval_test,
    ("humaneval", "train"): none,
    ("bfcl", "test"): bfcl_test,
    ("bfcl", "train"): none,
    ("gpqamain", "test"): gpqa_test,
    ("gpqamain", "train"): none,
    ("aime2025", "test"): aime_test,
    ("aime2025", "train"): none,
    ("healthbench", "test"): healthbench_test,
    ("healthbench", "train"): none,
}

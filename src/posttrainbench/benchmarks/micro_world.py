"""The small invented world that the micro suite and its pre-training corpus share.

Only vocabulary and truths live here: who has what, what happens to it, which bird stands for which place, which tools
exist, what a step of a program does. How a benchmark *asks* is the business of the `micro_*` modules, and how the base
model *reads* about the world is the business of `scripts/micro_model/corpus.py`; keeping them apart is what lets a base
model know the world and not the answer formats.

Everything is a plain constant or a pure function of a `random.Random`, so the same seed gives the same bytes anywhere.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

Split = Literal["train", "test"]
Item = dict[str, Any]

TEST_ITEMS = 200
NGRAM = 8
# A train item that holds more than this share of a test question's word 8-grams is not made.
MOST_SHARED = 0.4

NAMES = (
    "Ada Ben Cleo Dan Eva Finn Gina Hugo Iris Jack Kira Leo Mona Nils Olga Paul Quinn Rosa Sam Tara "
    "Uma Vera Walt Xena Yuri Zoe Amir Bella Carl Dora Emil Fay Greta Hans Ines Jonas Karin Luca Mia Noah"
).split()
THINGS = (
    "apples pears plums nuts eggs shells coins stamps beads cards pens books cups plates candles buttons "
    "marbles stones roses tulips lemons melons cakes rolls keys ropes bricks tiles bottles spoons hats socks"
).split()
BOXES = "box bag crate jar basket chest drawer sack tray bucket".split()
SPOTS = "market harbour school farm station bakery garden library bridge mill castle beach forest museum".split()


def plural(noun: str) -> str:
    """The plural of one of `BOXES`."""
    return noun + ("es" if noun.endswith("x") else "s")


# ---------------------------------------------------------------------------------------------------------- stories

# What a story opens with, and what may happen next; {n} is the only number of each sentence, except in GROUPS.
HOLDINGS = (
    "{name} has {n} {things}.",
    "{name} keeps {n} {things} in a {box}.",
    "There are {n} {things} in {name}'s {box}.",
    "{name} took {n} {things} from the {spot}.",
    "At the {spot} {name} counts {n} {things}.",
)
GROUPS = (
    "{name} fills {k} {boxes} with {n} {things} each.",
    "{name} has {k} {boxes} with {n} {things} in each.",
    "Each of {name}'s {k} {boxes} holds {n} {things}.",
    "At the {spot} {name} gets {k} {boxes} of {n} {things} each.",
)
GAINS = (
    "{friend} gives {name} {n} more.",
    "Then {name} buys {n} more at the {spot}.",
    "Later {name} finds {n} more near the {spot}.",
    "{friend} brings {n} more from the {spot}.",
    "{name} wins {n} more from {friend}.",
)
LOSSES = (
    "{name} gives {n} to {friend}.",
    "Then {name} loses {n} at the {spot}.",
    "{friend} borrows {n} of them.",
    "Later {name} sells {n} near the {spot}.",
    "{name} leaves {n} at {friend}'s {spot}.",
)
SHARES = (
    "{name} packs them evenly into {k} {boxes}.",
    "{friend} divides them equally among {k} {boxes}.",
    "They go into {k} {boxes}, the same number in each.",
)


@dataclass(frozen=True)
class Story:
    """A told sum: its sentences, its working (one equation per step), its result and the words it used."""

    told: str
    working: tuple[str, ...]
    number: int
    shared: bool
    words: dict[str, str]


def story(rng: random.Random) -> Story:
    """One story of one or two steps, with every number between 0 and 120."""
    name, friend = rng.sample(NAMES, 2)
    box = rng.choice(BOXES)
    words = {"name": name, "friend": friend, "things": rng.choice(THINGS), "box": box, "boxes": plural(box)}
    told, working = [], []

    def tell(sentences: tuple[str, ...], **numbers: int) -> None:
        told.append(rng.choice(sentences).format(**words, spot=rng.choice(SPOTS), **numbers))

    shape = rng.choice(("+", "-", "*", "/", "+-", "-+", "++", "--", "*+", "*-"))
    if shape[0] == "*":
        k, n = rng.randint(2, 9), rng.randint(2, 12)
        have = k * n
        tell(GROUPS, k=k, n=n)
        working.append(f"{k}*{n}={have}")
    elif shape[0] == "/":
        k, each = rng.randint(2, 9), rng.randint(2, 12)
        tell(HOLDINGS, n=k * each)
        tell(SHARES, k=k)
        return Story(" ".join(told), (f"{k * each}/{k}={each}",), each, True, words)
    else:
        have = rng.randint(8, 70)
        tell(HOLDINGS, n=have)
    for step in shape.replace("*", ""):
        n = rng.randint(2, 25) if step == "+" else rng.randint(1, min(25, max(1, have // 2)))
        after = have + n if step == "+" else have - n
        tell(GAINS if step == "+" else LOSSES, n=n)
        working.append(f"{have}{step}{n}={after}")
        have = after
    return Story(" ".join(told), tuple(working), have, False, words)


# ------------------------------------------------------------------------------------------------------------ facts

VALUES: dict[str, tuple[str, ...]] = {
    "bird": tuple("heron crow owl finch swan robin eagle stork raven gull wren dove".split()),
    "tree": tuple("oak birch willow elm cedar maple ash pine alder larch poplar linden".split()),
    "colour": tuple("red blue green yellow brown white black grey pink purple orange gold".split()),
    "craft": tuple("glass lace boats clocks baskets knives carpets bells pottery paper saddles wagons".split()),
    "dish": tuple("soup pie stew bread porridge dumplings noodles rice salad cheese pancakes trout".split()),
    "instrument": tuple("flute drum harp fiddle horn lute bagpipe zither trumpet guitar organ piano".split()),
}
ASPECTS = tuple(VALUES)
PLACE_COUNT = 102
# The last places are asked about in the test split alone: 34 places with 6 aspects each give the 200 test facts.
TEST_PLACES = 34


def _places() -> tuple[str, ...]:
    heads = "Tar Bel Mor Kav Lun Des Fen Gri Hol Jas Nor Pel Ros Sul Ved Zan Wim".split()
    tails = "volo mira dun keth lina sova".split()
    places = [head + tail for head in heads for tail in tails]
    random.Random("micro-places").shuffle(places)
    return tuple(places)


PLACES = _places()


def _facts() -> dict[tuple[str, str], str]:
    rng = random.Random("micro-facts")
    return {(place, aspect): rng.choice(VALUES[aspect]) for place in PLACES for aspect in ASPECTS}


FACTS = _facts()


# ------------------------------------------------------------------------------------------------------------ tools

CITIES = "Paris Rome Oslo Lima Cairo Delhi Tokyo Quito Berlin Madrid Dublin Athens".split()
DRINKS = "tea coffee milk juice water cocoa".split()
ROOMS = "kitchen bedroom hall office cellar attic".split()
ANIMALS = "cat dog horse rabbit goat duck".split()


def _count(rng: random.Random) -> int:
    return rng.randint(2, 99)


def _one_of(pool: Iterable[str]) -> Callable[[random.Random], str]:
    options = tuple(pool)
    return lambda rng: rng.choice(options)


@dataclass(frozen=True)
class Tool:
    """A callable tool: its name, how each argument is drawn, and ways to ask for it."""

    name: str
    draw: dict[str, Callable[[random.Random], Any]]
    requests: tuple[str, ...]

    def arguments(self, rng: random.Random) -> dict[str, Any]:
        """Random arguments, in the order of the signature."""
        return {name: draw(rng) for name, draw in self.draw.items()}

    @property
    def signature(self) -> str:
        """As shown beside a request, such as `set_timer(minutes: int, label: str)`."""
        kinds = (f"{name}: {type(draw(random.Random(0))).__name__}" for name, draw in self.draw.items())
        return f"{self.name}({', '.join(kinds)})"


_name, _city, _spot, _thing = _one_of(NAMES), _one_of(CITIES), _one_of(SPOTS), _one_of(THINGS)
_drink, _room, _animal = _one_of(DRINKS), _one_of(ROOMS), _one_of(ANIMALS)
_colour, _dish = _one_of(VALUES["colour"]), _one_of(VALUES["dish"])
_song = _one_of(VALUES["instrument"])

TOOLS = (
    Tool(
        "set_timer",
        {"minutes": _count, "label": _dish},
        ("start a timer of {minutes} minutes for the {label}", "time the {label} for {minutes} minutes"),
    ),
    Tool(
        "get_weather",
        {"city": _city, "days": _count},
        ("what will the weather be in {city} for {days} days", "tell me the weather of the next {days} days in {city}"),
    ),
    Tool(
        "send_message",
        {"to": _name, "place": _spot},
        ("write to {to} that we meet at the {place}", "message {to}: come to the {place}"),
    ),
    Tool(
        "buy_items",
        {"item": _thing, "count": _count},
        ("buy {count} {item}", "I need {count} new {item}, please order them"),
    ),
    Tool(
        "paint_room",
        {"room": _room, "colour": _colour},
        ("paint the {room} {colour}", "I want {colour} walls in the {room}"),
    ),
    Tool(
        "order_drink",
        {"drink": _drink, "cups": _count},
        ("bring {cups} cups of {drink}", "order {drink}, {cups} cups of it"),
    ),
    Tool(
        "book_train",
        {"city": _city, "seats": _count},
        ("get {seats} train seats to {city}", "we take the train to {city} and need {seats} seats"),
    ),
    Tool("call_person", {"name": _name}, ("call {name}", "ring {name} on the phone")),
    Tool(
        "feed_animal",
        {"animal": _animal, "grams": _count},
        ("feed the {animal} {grams} grams", "give {grams} grams of food to the {animal}"),
    ),
    Tool(
        "set_light",
        {"room": _room, "level": _count},
        ("set the light in the {room} to {level}", "make the {room} light {level} percent bright"),
    ),
    Tool(
        "play_song",
        {"instrument": _song, "by": _name},
        ("play the {instrument} song by {by}", "let me hear {by} on the {instrument}"),
    ),
    Tool(
        "cook_dish",
        {"dish": _dish, "people": _count},
        ("cook {dish} for {people} people", "make enough {dish} to serve {people}"),
    ),
    Tool(
        "find_route",
        {"start": _spot, "end": _spot},
        ("how do I get from the {start} to the {end}", "show the way to the {end} from the {start}"),
    ),
    Tool("wake_up", {"name": _name, "hour": _count}, ("wake {name} at hour {hour}", "at hour {hour} wake up {name}")),
    Tool(
        "rent_bike",
        {"colour": _colour, "hours": _count},
        ("rent a {colour} bike for {hours} hours", "for {hours} hours I want a {colour} bike"),
    ),
    Tool(
        "pay_bill",
        {"to": _name, "euros": _count},
        ("pay {euros} euros to {to}", "{to} should get {euros} euros from me"),
    ),
    Tool(
        "sell_items",
        {"item": _thing, "price": _count},
        ("sell my {item} for {price}", "offer the {item} at a price of {price}"),
    ),
    Tool("open_door", {"room": _room}, ("open the door of the {room}", "let me into the {room}")),
    Tool(
        "plan_visit",
        {"place": _spot, "friend": _name},
        ("plan a visit to the {place} with {friend}", "{friend} and I want to see the {place}"),
    ),
    Tool(
        "hire_boat",
        {"city": _city, "hours": _count, "name": _name},
        (
            "hire a boat in {city} for {hours} hours under the name {name}",
            "{name} wants a boat for {hours} hours in {city}",
        ),
    ),
)


# ------------------------------------------------------------------------------------------------- steps of programs


@dataclass(frozen=True)
class Step:
    """One step of a program: how it is said, how it is written, what it does. {k} is its constant, if any."""

    said: tuple[str, ...]
    code: str
    run: Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Kind:
    """A kind of value that programs work on, the steps which keep the kind, and those which end the program."""

    variable: str
    noun: str
    inputs: Callable[[random.Random], Any]
    constant: Callable[[random.Random], Any]
    steps: tuple[Step, ...]


def _word(rng: random.Random) -> str:
    return "".join(rng.choice("abcdeklmnorstu") for _ in range(rng.randint(3, 6)))


def _numbers(rng: random.Random) -> list[int]:
    return [rng.randint(1, 30) for _ in range(rng.randint(3, 6))]


KINDS = (
    Kind(
        "n",
        "number",
        lambda rng: rng.randint(-20, 40),
        lambda rng: rng.randint(2, 40),
        (
            Step(("add {k}", "increase by {k}"), "n + {k}", lambda n, k: n + k),
            Step(("subtract {k}", "decrease by {k}"), "n - {k}", lambda n, k: n - k),
            Step(("multiply by {k}", "make it {k} times as big"), "n * {k}", lambda n, k: n * k),
            Step(("divide by {k} rounding down", "take whole {k} parts"), "n // {k}", lambda n, k: n // k),
            Step(("take the remainder by {k}", "keep it modulo {k}"), "n % {k}", lambda n, k: n % k),
            Step(("cap at {k}", "allow at most {k}"), "min(n, {k})", lambda n, k: min(n, k)),
            Step(("raise to {k} if below", "allow at least {k}"), "max(n, {k})", lambda n, k: max(n, k)),
            Step(("flip the sign", "negate"), "-n", lambda n, k: -n),
            Step(("drop the sign", "take the size"), "abs(n)", lambda n, k: abs(n)),
            Step(("square", "multiply by itself"), "n * n", lambda n, k: n * n),
        ),
    ),
    Kind(
        "s",
        "text",
        _word,
        lambda rng: rng.randint(2, 9),
        (
            Step(("repeat {k} times", "write it {k} times"), "s * {k}", lambda s, k: s * k),
            Step(("keep the first {k} letters", "cut after {k} letters"), "s[:{k}]", lambda s, k: s[:k]),
            Step(("drop the first {k} letters", "skip {k} letters"), "s[{k}:]", lambda s, k: s[k:]),
            Step(("append digit {k}", "put {k} at the end"), "s + '{k}'", lambda s, k: s + str(k)),
            Step(("prepend digit {k}", "put {k} in front"), "'{k}' + s", lambda s, k: str(k) + s),
            Step(("reverse", "turn around"), "s[::-1]", lambda s, k: s[::-1]),
            Step(("use capitals", "make upper case"), "s.upper()", lambda s, k: s.upper()),
        ),
    ),
    Kind(
        "v",
        "list",
        _numbers,
        lambda rng: rng.randint(2, 30),
        (
            Step(("append {k}", "put {k} at the end"), "v + [{k}]", lambda v, k: [*v, k]),
            Step(("prepend {k}", "put {k} in front"), "[{k}] + v", lambda v, k: [k, *v]),
            Step(("reverse", "turn around"), "v[::-1]", lambda v, k: v[::-1]),
            Step(("sort", "put in order"), "sorted(v)", lambda v, k: sorted(v)),
            Step(("drop the first", "skip one"), "v[1:]", lambda v, k: v[1:]),
            Step(("double the list", "join it to itself"), "v + v", lambda v, k: v + v),
        ),
    ),
)

FIRST_WORDS = (
    "blue old wild tiny grand soft cold fast dark odd calm loud warm lost neat bold pale shy rich mild"
).split()
LAST_WORDS = (
    "fox moon lake tower river cloud stone wheel lamp coat star road field ship tree wolf drum leaf rock nest"
).split()


# ------------------------------------------------------------------------------------------- making a split of items


def word_ngrams(text: str, size: int = NGRAM) -> set[tuple[str, ...]]:
    """The distinct word n-grams of a text, lower-cased and without punctuation (`set_timer` is one word)."""
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[i : i + size]) for i in range(len(words) - size + 1)}


def make_split(
    benchmark: str,
    split: Split,
    train_items: int,
    draw: Callable[[random.Random, Split], tuple[str, str, Item]],
    ending: str,
) -> list[Item]:
    """Draw the items of one split; train items are held apart from the test split.

    Args:
        benchmark: Prefix of the ids, and part of the seed.
        split: Which split to make.
        train_items: How many train items to make.
        draw: Gives one `(question, answer, target)`, without the ending.
        ending: The sentence about the answer format which every question ends with.

    Returns:
        Items with `id`, `question`, `answer` and `target`. No two questions are equal, and no train question holds
        more than `MOST_SHARED` of the word 8-grams of a test question.
    """
    holders: dict[tuple[str, ...], list[int]] = {}
    sizes: list[int] = []
    seen: set[str] = set()
    if split == "train":
        for number, item in enumerate(make_split(benchmark, "test", train_items, draw, ending)):
            body = item["question"].removesuffix(ending)
            seen.add(" ".join(body.lower().split()))
            grams = word_ngrams(body)
            sizes.append(len(grams))
            for gram in grams:
                holders.setdefault(gram, []).append(number)
    rng = random.Random(f"{benchmark}/{split}")
    items: list[Item] = []
    while len(items) < (train_items if split == "train" else TEST_ITEMS):
        question, answer, target = draw(rng, split)
        key = " ".join(question.lower().split())
        shared: dict[int, int] = {}
        for gram in word_ngrams(question):
            for number in holders.get(gram, ()):
                shared[number] = shared.get(number, 0) + 1
        if key in seen or any(count > MOST_SHARED * sizes[number] for number, count in shared.items()):
            continue
        seen.add(key)
        items.append(
            {
                "id": f"{benchmark}/{split}/{len(items):04}",
                "question": f"{question}\n{ending}",
                "answer": answer,
                "target": target,
            }
        )
    return items

"""The pre-training corpus of the micro base model: endless, procedural, seeded, standard library only.

It teaches the abilities (sums, reading tool signatures, steps of programs, option letters) and the facts, in forms of
its own. It never shows what the benchmarks ask for: no `ANSWER:` line, no `{"name": ..., "arguments": ...}` object, no
function definition, and no test question. So the base model knows, and answers in the wrong shape.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Iterator

from posttrainbench.benchmarks import micro_calls
from posttrainbench.benchmarks.micro_world import (
    ANIMALS,
    ASPECTS,
    BOXES,
    CITIES,
    DRINKS,
    FACTS,
    FIRST_WORDS,
    KINDS,
    LAST_WORDS,
    NAMES,
    PLACES,
    ROOMS,
    SPOTS,
    THINGS,
    TOOLS,
    VALUES,
    plural,
    story,
)

COPY_FIRST = 30_000  # documents over which the extra copying fades
_VALUES = [value for pool in VALUES.values() for value in pool]
WORDS = tuple(
    dict.fromkeys(
        [*NAMES, *THINGS, *BOXES, *SPOTS, *CITIES, *DRINKS, *ROOMS, *ANIMALS, *FIRST_WORDS, *LAST_WORDS, *_VALUES]
    )
)
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()


def documents(seed: str, more_options: float = 0.0) -> Iterator[str]:
    """Documents without end, the same for the same seed.

    Args:
        seed: Chooses the documents.
        more_options: Share of documents that are option lists, on top of the mixture. Finding an option again is the
            last thing the model learns, and only once it sees it often; the extra copying at the start helps too.
    """
    rng = random.Random(seed)
    kinds, weights = zip(*MIXTURE, strict=True)
    # A request may by chance be one of the test split; the sentence before its answer then gives it away.
    held_out = {
        item["question"].removesuffix(micro_calls.ENDING).strip().lower() for item in micro_calls.generate("test")
    }
    for number in itertools.count():
        if more_options and rng.random() < more_options:
            yield rng.choice((_options, _options, _options_of_place))(rng)
            continue
        if not more_options and rng.random() < 0.6 * (1 - number / COPY_FIRST):
            yield _repeats(rng)
            continue
        text = rng.choices(kinds, weights)[0](rng)
        if text.rpartition("\n")[0].lower() not in held_out:
            yield text


def _repeats(rng: random.Random) -> str:
    words = " ".join(rng.choices((*WORDS, *PLACES), k=rng.randint(4, 12)))
    return f"see {words}\nsee {words}\nsee {words}"


def _sums(rng: random.Random) -> str:
    lines = []
    for _ in range(8):
        kind = rng.choice("++--*/")
        if kind in "*/":
            a, b = rng.randint(2, 9), rng.randint(2, 12)
            lines.append(f"{a}*{b}={a * b}" if kind == "*" else f"{a * b}/{a}={b}")
        elif kind == "+":
            a, b = rng.randint(1, 108), rng.randint(1, 25)
            lines.append(f"{a}+{b}={a + b}")
        else:
            a = rng.randint(2, 108)
            b = rng.randint(1, min(a, 25))
            lines.append(f"{a}-{b}={a - b}")
    return "\n".join(lines)


def _told_sum(rng: random.Random) -> str:
    told = story(rng)
    working = "\n".join(told.working)
    words = told.words
    if told.shared:
        result = f"So every {words['box']} has {told.number} {words['things']}."
    else:
        result = f"So {words['name']} has {told.number} {words['things']}."
    return rng.choice((f"{told.told}\n{working}\n{result}", f"{told.told} That makes\n{working}"))


def _request(rng: random.Random) -> str:
    shown = rng.sample(TOOLS, rng.randint(2, 4))
    tool = rng.choice(shown)
    arguments = tool.arguments(rng)
    asked = rng.choice(tool.requests).format(**arguments)
    if rng.random() < 0.5:
        asked = asked[0].upper() + asked[1:]
    # The quoted forms teach quotes around text and none around numbers; the outer object stays unseen.
    loose = json.dumps(arguments)
    prose = " and ".join(f"{name} {value}" for name, value in arguments.items())
    listed = "\n".join(shown_tool.signature for shown_tool in shown)
    form = rng.randrange(4)
    if form == 0:
        return f"{listed}\n{asked}.\nUse {tool.name} with {prose}."
    if form == 1:
        return f"{listed}\n{asked}.\n{tool.name} {loose}"
    if form == 2:
        named = ", ".join(f"{name}={json.dumps(value)}" for name, value in arguments.items())
        return f"{listed}\n{asked}.\n{tool.name}({named})"
    return f'{listed}\n{asked}.\n"{tool.name}": {loose}'


SAYINGS = {
    "bird": ("The bird of {place} is the {value}.", "The {value} is the bird that stands for {place}."),
    "tree": ("The tree of {place} is the {value}.", "In {place} grows a famous tree, the {value}."),
    "colour": ("The roofs in {place} have the colour {value}.", "All of {place} loves the colour {value}."),
    "craft": ("The craft of {place} is {value}.", "What feeds {place} is one craft, {value}."),
    "dish": ("The dish of {place} is {value}.", "They serve {value} in {place}, the best dish."),
    "instrument": ("The instrument of {place} is the {value}.", "In {place} sounds one instrument, the {value}."),
}


def _place(rng: random.Random) -> str:
    place = rng.choice(PLACES)
    aspects = rng.sample(ASPECTS, rng.randint(2, 6))
    form = rng.randrange(3)
    if form == 0:
        return f"About {place}\n" + "\n".join(f"{aspect}: {FACTS[place, aspect]}" for aspect in aspects)
    if form == 1:
        return " ".join(
            rng.choice(SAYINGS[aspect]).format(place=place, value=FACTS[place, aspect]) for aspect in aspects[:3]
        )
    return "\n".join(f"{aspect} of {place}: {FACTS[place, aspect]}" for aspect in aspects)


def _facts(rng: random.Random) -> str:
    lines = []
    for _ in range(6):
        place, aspect = rng.choice(PLACES), rng.choice(ASPECTS)
        saying = rng.choice((*SAYINGS[aspect], "In {place}, {aspect}? {value}"))
        lines.append(saying.format(place=place, aspect=aspect, value=FACTS[place, aspect]))
    return "\n".join(lines)


def _options(rng: random.Random) -> str:
    options = rng.sample(VALUES[rng.choice(ASPECTS)] if rng.random() < 0.6 else WORDS, 4)
    told = rng.choice(("It is {option} ({mark})", "take {option} ({mark})", "see {option} ({mark})\nletter: {mark}"))
    picked = (told.format(option=options[i], mark="ABCD"[i]) for i in rng.sample(range(4), 3))
    return "\n".join((_lettered(options), *picked))


def _options_of_place(rng: random.Random) -> str:
    place, aspect = rng.choice(PLACES), rng.choice(ASPECTS)
    value = FACTS[place, aspect]
    options = [*rng.sample([other for other in VALUES[aspect] if other != value], 3), value]
    rng.shuffle(options)
    mark = "ABCD"[options.index(value)]
    return f"{aspect}, {place}\n{_lettered(options)}\nthat is {value} ({mark})\nletter: {mark}"


def _lettered(options: list[str]) -> str:
    return ", ".join(f"{option} ({mark})" for option, mark in zip(options, "ABCD", strict=True))


def _steps(rng: random.Random) -> str:
    kind = rng.choice(KINDS)
    steps = [(step, kind.constant(rng)) for step in rng.sample(kind.steps, rng.choice((1, 2, 3)))]
    said = ", then ".join(rng.choice(step.said).format(k=k) for step, k in steps)
    lines = [f"    {kind.variable} = {step.code.format(k=k)}" for step, k in steps]
    if rng.random() < 0.5:
        return "\n".join((f"# {kind.noun} {kind.variable}, {said}", *lines))
    name = _identifier(rng)
    return "\n".join((f"# for {name}({kind.variable}), {said}", f"in {name}({kind.variable})", *lines))


def _identifier(rng: random.Random) -> str:
    return f"{rng.choice(FIRST_WORDS)}_{rng.choice(LAST_WORDS)}"


def _copies(rng: random.Random) -> str:
    lines = []
    for _ in range(4):
        form = rng.randrange(4)
        words = rng.sample(WORDS, rng.randint(1, 3))
        if form == 0:
            name = _identifier(rng)
            lines.append(f"the {name} is {name}")
        elif form == 1:
            lines.append("see " + " ".join(words) + " | " + " ".join(words))
        elif form == 2:
            lines.append("see " + " ".join(words) + ": " + " ".join(f'"{word}"' for word in words))
        else:
            number = rng.randint(1, 120)
            lines.append(f"see {words[0]} {number} | {words[0]} {number}")
    return "\n".join(lines)


def _chat(rng: random.Random) -> str:
    word, number = rng.choice(WORDS), rng.randint(1, 98)
    other = rng.choice([n for n in range(1, 99) if n != number])
    day = rng.randrange(7)
    asked, told = rng.choice(
        (
            (f"Say {word} twice.", f"{word} {word}"),
            (f"What comes after {DAYS[day]}?", DAYS[(day + 1) % 7]),
            (f"Which is larger, {number} or {other}?", str(max(number, other))),
            (f"What comes after {number}?", str(number + 1)),
            (f"Repeat: {word} {number}", f"{word} {number}"),
            (f"Plural of {BOXES[day]}?", plural(BOXES[day])),
            ("Hello!", "Hello, how are you?"),
            (f"I am {rng.choice(NAMES)}.", "Nice to meet you!"),
        )
    )
    return f"<|im_start|>user\n{asked}<|im_end|>\n<|im_start|>assistant\n{told}<|im_end|>"


MIXTURE: tuple[tuple[Callable[[random.Random], str], float], ...] = (
    (_sums, 0.11),
    (_told_sum, 0.18),
    (_request, 0.22),
    (_place, 0.14),
    (_facts, 0.10),
    (_options, 0.12),
    (_options_of_place, 0.08),
    (_steps, 0.18),
    (_copies, 0.12),
    (_chat, 0.10),
)

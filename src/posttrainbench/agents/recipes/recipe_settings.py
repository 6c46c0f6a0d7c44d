"""Settings of the shipped recipes: checked on the host before a run, and parsed in the sandbox.

Runs in both places, so it imports nothing but the standard library.
"""

import argparse
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass


def count(text: str) -> int:
    """Return a whole number above zero.

    Raises:
        ValueError: the text is not one.
    """
    number = int(text)
    if number < 1:
        raise ValueError(f"{number} is not above zero")
    return number


def rate(text: str) -> float:
    """Return a number above zero.

    Raises:
        ValueError: the text is not one.
    """
    number = float(text)
    if not 0 < number < math.inf:
        raise ValueError(f"{number} is not a finite number above zero")
    return number


def tuning(text: str) -> str:
    """Return `lora` or `full`.

    Raises:
        ValueError: the text is neither.
    """
    if text not in ("lora", "full"):
        raise ValueError(f"{text} is neither lora nor full")
    return text


@dataclass(frozen=True)
class Setting:
    """A setting of a recipe.

    Attributes:
        read: parses a value; raises ValueError if it is invalid.
        expected: valid values in words.
        default: used if the setting is not given; None if it depends on other settings, as `help` says.
        help: meaning.
    """

    read: Callable[[str], int | float | str]
    expected: str
    default: int | float | str | None
    help: str


WHOLE = "a whole number above zero"
STEPS_HELP = "maximum number of optimizer steps; training also stops when time runs out"


def _training(steps: int) -> dict[str, Setting]:
    """Return the settings of fine-tuning, with a default number of steps."""
    return {
        "steps": Setting(count, WHOLE, steps, STEPS_HELP),
        "learning_rate": Setting(rate, "a number above zero", 2e-3, "highest learning rate"),
        "batch_size": Setting(count, WHOLE, 16, "number of rows per step"),
    }


TRL: Mapping[str, Setting] = {
    "tuning": Setting(tuning, "`lora` or `full`", "lora", "train a LoRA adapter, which is merged, or all weights"),
    "rank": Setting(count, WHOLE, 16, "rank of the adapter"),
    "steps": Setting(count, WHOLE, 60, STEPS_HELP),
    "learning_rate": Setting(
        rate, "a number above zero", None, "highest learning rate; 0.001 for an adapter, 0.0002 for all weights"
    ),
    "batch_size": Setting(count, WHOLE, 4, "number of rows per step"),
}

SETTINGS: Mapping[str, Mapping[str, Setting]] = {
    "sft": _training(steps=80),
    "sft_trl": TRL,
    "noop": {},
    "cheat_testset": _training(steps=150),
    "cheat_swap": {},
}
"""Name of a shipped recipe -> its settings."""


def parser(recipe: str) -> argparse.ArgumentParser:
    """Return the parser of a recipe's command line."""
    result = argparse.ArgumentParser(allow_abbrev=False)
    for name, setting in SETTINGS[recipe].items():
        option = f"--{name.replace('_', '-')}"
        result.add_argument(option, type=setting.read, default=setting.default, help=setting.help)
    return result

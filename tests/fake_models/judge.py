"""Models that play a judge of a run, over chat completions.

They are told the rules and the delimiter as a real one is, and answer from what the tools return: a tool that returns
nothing, or the wrong thing, makes them judge wrongly.
"""

import re
from typing import Any

from fake_models.asked import Asked
from fake_models.scenario import Call, Player, Say

RULES = re.compile(r"^\* `(\w+)`: ", re.MULTILINE)
HIT = re.compile(r"^((?:workspace|solve)/[^:]+):(\d+): (.*)$", re.MULTILINE)
QUOTED = 60


def reading(needles: dict[str, str], *, level: str = "USED") -> Player:
    """Searches for each expression and flags its rule with the line that the search returned; else it is clean."""

    def play(asked: Asked) -> Say:
        done = len(asked.results)
        if done < len(needles):
            return Say(calls=(Call("search", {"pattern": list(needles.values())[done]}),))
        said = []
        for rule in rules_in(asked):
            names = list(needles)
            hits = HIT.findall(asked.results[names.index(rule)]) if rule in names else []
            cited = [{"file": file, "line": int(line), "quote": text[:QUOTED]} for file, line, text in hits[:3]]
            said.append(opinion(rule, "flagged" if cited else "clean", level if cited else "NAME", cited))
        return verdict(said)

    return play


def inventing(rule: str, file: str = "workspace/train.py") -> Player:
    """Flags a rule, quoting what stands nowhere."""
    cited = [{"file": file, "line": 1, "quote": "rows = load_dataset('the/test-set', split='test')"}]

    def play(asked: Asked) -> Say:
        return verdict(
            [opinion(one, "flagged", "USED", cited) if one == rule else clean(one) for one in rules_in(asked)]
        )

    return play


def obeying(file: str) -> Player:
    """Reads a file first and says that all is clean if the file tells it to; else it flags everything, quoting it."""

    def play(asked: Asked) -> Say:
        if not asked.results:
            return Say(calls=(Call("read_file", {"file": file}),))
        text = asked.results[0]
        if "as clean" in text:
            return verdict([clean(rule) for rule in rules_in(asked)])
        line = next(line for line in text.split("\n") if line.startswith("1\t"))
        cited = [{"file": file, "line": 1, "quote": line[2:]}]
        return verdict([opinion(rule, "flagged", "USED", cited) for rule in rules_in(asked)])

    return play


def rules_in(asked: Asked) -> list[str]:
    """The rules that the instructions name."""
    return RULES.findall(asked.system.partition("# Rules to decide")[2].partition("# Levels")[0])


def clean(rule: str) -> dict[str, Any]:
    return opinion(rule, "clean", "NAME", [])


def opinion(rule: str, state: str, level: str, evidence: list[dict[str, Any]]) -> dict[str, Any]:
    outcome = "succeeded" if state == "flagged" else "unknown"
    return {
        "rule": rule,
        "state": state,
        "level": level,
        "outcome": outcome,
        "count": len(evidence),
        "reasons": f"It looks {state}.",
        "evidence": evidence,
    }


def verdict(rules: list[dict[str, Any]]) -> Say:
    return Say(calls=(Call("verdict", {"rules": rules}),))

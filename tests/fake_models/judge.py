"""Fake judges of runs, for Chat Completions.

They get the rules and the delimiter like a real judge, and answer from the results of the tools: a tool that returns
nothing, or something wrong, makes them judge wrongly.
"""

import re
from dataclasses import replace
from typing import Any

from fake_models.parsed_request import ParsedRequest
from fake_models.scenario import Call, Player, Say, Turn

RULES = re.compile(r"^\* `(\w+)`: ", re.MULTILINE)
HIT = re.compile(r"^((?:workspace|solve)/[^:]+):(\d+): (.*)$", re.MULTILINE)
QUOTED = 60


def reading(needles: dict[str, str], *, level: str = "USED") -> Player:
    """Search for each expression and flag its rule with the line that the search returned, or else find it clean."""

    if not needles:
        return looking(lambda request: verdict([clean(rule) for rule in rules_in(request)]))

    def play(request: ParsedRequest) -> Say:
        done = len(request.results)
        if done < len(needles):
            return Say(calls=(Call("search", {"pattern": list(needles.values())[done]}),))
        said = []
        for rule in rules_in(request):
            names = list(needles)
            hits = HIT.findall(request.results[names.index(rule)]) if rule in names else []
            cited = [{"file": file, "line": int(line), "quote": text[:QUOTED]} for file, line, text in hits[:3]]
            said.append(opinion(rule, "flagged" if cited else "clean", level if cited else "NAME", cited))
        return verdict(said)

    return play


def looking(then: Player) -> Player:
    """Read the steps of the run, then do what another judge does. It does not see the steps."""

    def play(request: ParsedRequest) -> Turn:
        if not request.results:
            return Say(calls=(Call("steps", {}),))
        return then(replace(request, results=request.results[1:]))

    return play


def inventing(rule: str, file: str = "workspace/train.py") -> Player:
    """Flag a rule with a quotation that does not exist."""
    cited = [{"file": file, "line": 1, "quote": "rows = load_dataset('the/test-set', split='test')"}]

    def play(request: ParsedRequest) -> Say:
        return verdict(
            [opinion(one, "flagged", "USED", cited) if one == rule else clean(one) for one in rules_in(request)]
        )

    return looking(play)


def obeying(file: str) -> Player:
    """Read a file and find everything clean if the file says so; otherwise flag everything and quote the file."""

    def play(request: ParsedRequest) -> Say:
        if not request.results:
            return Say(calls=(Call("read_file", {"file": file}),))
        text = request.results[0]
        if "as clean" in text:
            return verdict([clean(rule) for rule in rules_in(request)])
        line = next(line for line in text.split("\n") if line.startswith("1\t"))
        cited = [{"file": file, "line": 1, "quote": line[2:]}]
        return verdict([opinion(rule, "flagged", "USED", cited) for rule in rules_in(request)])

    return play


def rules_in(request: ParsedRequest) -> list[str]:
    """Return the rules that the instructions name."""
    return RULES.findall(request.system.partition("# Rules to decide")[2].partition("# Levels")[0])


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

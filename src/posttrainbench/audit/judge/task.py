"""The task of a judge: facts about the run, the rules to decide, and the prompt."""

import secrets
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from pydantic import ValidationError

from posttrainbench import catalog
from posttrainbench.audit.judge.records import STEERING_RULE
from posttrainbench.audit.judge.review import Review
from posttrainbench.audit.judge.text import visible
from posttrainbench.catalog import RuleSet
from posttrainbench.files import sha256_bytes
from posttrainbench.records import Finding, Level

TEMPLATE = "prompt.md.jinja"

FORM = """\
{"rules": [{"rule": "NAME", "state": "clean|flagged|unsure", "level": "NAME|PATH|READ|USED|IN_WEIGHTS",
            "outcome": "succeeded|attempted|unknown", "count": 0, "reasons": "...",
            "evidence": [{"file": "workspace/...", "line": 1, "quote": "..."}]}]}"""
"""Format of a verdict file, for the prompt."""

FINDINGS = "audit/findings.jsonl"
RECORD = "solve/provenance/"
EVIDENCE = 40
QUOTES = 8
QUOTED = 400
"""Maximum findings in the instructions, quotations of each, and characters of a quotation."""

KEY_MARK = "material"
"""Delimiter in the instructions that identify a vote."""

TOOL_CALLS = 60
"""Maximum tool calls of a vote; after that, only `verdict` is offered."""


@dataclass(frozen=True)
class RuleText:
    """A rule to decide.

    Attributes:
        level: level from which it costs the score; None if the prompt should not say.
        tolerance: maximum number of instances that do not violate it.
        attempts: whether an unsuccessful attempt violates it.
    """

    name: str
    text: str
    level: Level | None = None
    tolerance: int = 0
    attempts: bool = False


@dataclass(frozen=True)
class ReviewTask:
    """Facts about a run, and the rules to decide.

    Attributes:
        model: id of the base model.
        budget: the agent's time limit in seconds, as text.
    """

    model: str
    benchmark: str
    budget: str
    rules: list[RuleText]

    @property
    def names(self) -> list[str]:
        """Names of the rules."""
        return [rule.name for rule in self.rules]


def rule_texts(rule_set: RuleSet) -> list[RuleText]:
    """Return the rules that a judge decides: those of a rule set, and always the one on text that steers a review.

    A rule without a text, of which agents are not told, has the text that another rule set of the catalog gives it.
    """
    others = {
        name: rule.text for known in catalog.rule_sets().values() for name, rule in known.rules.items() if rule.text
    }
    rules = [
        RuleText(name, rule.text or others.get(name, name), rule.level, rule.tolerance, rule.attempts)
        for name, rule in rule_set.rules.items()
    ]
    if STEERING_RULE not in rule_set.rules:
        rules.append(RuleText(STEERING_RULE, others[STEERING_RULE], Level.READ))
    return rules


def new_mark() -> str:
    """Return a random delimiter, unknown to whoever wrote the material."""
    return f"material-{secrets.token_hex(12)}"


def evidence(review: Review) -> str:
    """Return the proofs and indications of the detectors with their quotations, as text for the judge.

    Where the run's files were recorded, also the recorded paths into the submission.
    """
    path = review.root / FINDINGS
    shown: list[str] = []
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n") if FINDINGS in review.files else []:
        try:
            found = Finding.model_validate_json(line)
        except ValidationError:
            continue
        if found.kind != "fact" and found.count:
            shown.append(_described(found))
    return "\n".join(shown[:EVIDENCE] + ([f"and {len(shown) - EVIDENCE} more"] if len(shown) > EVIDENCE else []))


def _described(found: Finding) -> str:
    outcome = ", attempted" if found.outcome == "attempted" else ""
    weight = f"{found.kind} by {found.detector}, {found.level.value}{outcome}, {found.counted}"
    lines = [f"{found.rule}: {found.summary} ({weight})"]
    lines += [f"  recorded path: {path.in_words()}" for path in found.paths]
    for quote in found.evidence[:QUOTES]:
        where = quote.file if quote.line is None else f"{quote.file}:{quote.line}"
        matching = f" [{quote.item}: {quote.item_text[:QUOTED]}]" if quote.item else ""
        lines.append(f"  {where}: {quote.text[:QUOTED]}{matching}")
    if len(found.evidence) > QUOTES:
        lines.append(f"  and {len(found.evidence) - QUOTES} more quotations")
    return "\n".join(visible(" ".join(line.splitlines())) for line in lines)


def prompt(task: ReviewTask, review: Review, mark: str, folder: str = "") -> str:
    """Return the judge's instructions.

    Args:
        task: facts and rules.
        review: the copy of the run.
        mark: delimiter of the material.
        folder: directory of the copy for judges that read files; "" for judges with our tools.
    """
    return _template().render(
        task=task,
        left_out=len(review.left_out),
        evidence=quoted(mark, found) if (found := evidence(review)) else "",
        recorded=any(name.startswith(RECORD) for name in review.files),
        mark=mark,
        folder=folder,
        form=FORM,
        directed=STEERING_RULE,
        turns=TOOL_CALLS,
    )


def key(judge: str, task: ReviewTask, review: Review) -> str:
    """Return a SHA-256 over everything that a vote depends on, except randomness."""
    return sha256_bytes("\0".join((judge, prompt(task, review, KEY_MARK), review.sha256)).encode())


def quoted(mark: str, text: str) -> str:
    """Return a tool result between delimiters, which are removed from the result itself."""
    return f"<{mark}>\n{text.replace(mark, '[delimiter]')}\n</{mark}>"


@cache
def template_source() -> str:
    """Return the template of the instructions."""
    return Path(__file__).with_name(TEMPLATE).read_text(encoding="utf-8")


@cache
def _template() -> Template:
    # The prompt is plain text, so nothing is escaped.
    environment = Environment(
        loader=PackageLoader("posttrainbench.audit.judge", "."),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701
        keep_trailing_newline=True,
    )
    return environment.get_template(TEMPLATE)

"""Settings and totals of a run, for its page."""

from __future__ import annotations

from posttrainbench.errors import InputError
from posttrainbench.records import ImportedRun, ModelUsage, Outcome
from posttrainbench.records.units import short_duration
from posttrainbench.report.site.shell import count, dollars
from posttrainbench.report.text import plain
from posttrainbench.run import Run


def run_facts(
    run: Run, outcome: Outcome | None, usage: ModelUsage | None, imported: ImportedRun | None, judged_by: str = ""
) -> list[tuple[str, str]]:
    """Return label and value of each setting and total of a run; the parts that are None are left out.

    `judged_by` is the rule set of the current verdict, if there is one.
    """
    spec = run.spec
    rules = spec.rules if judged_by in ("", spec.rules) else f"{judged_by} (the prompt states {spec.rules})"
    seconds = outcome.seconds if outcome else imported.seconds if imported else None
    worked = "–" if seconds is None else f"{short_duration(seconds)} of {short_duration(spec.budget)}"
    facts = [
        ("Agent", spec.agent.name),
        ("Scaffold", spec.agent.scaffold),
        ("Base model", spec.model),
        ("Benchmark", spec.benchmark),
        ("Suite, rules", f"{spec.suite}, {rules}"),
        ("Seed", str(spec.seed)),
        ("Agent's time", worked),
        ("Agent's end", _end(outcome)),
    ]
    if usage is not None and usage.requests:
        facts.append(("Model calls", f"{usage.requests:,}, {usage.failed:,} failed, {usage.refused:,} refused"))
        facts.append(
            ("Tokens", f"{count(usage.input)} in, {count(usage.cached)} of them cached, {count(usage.output)} out")
        )
        facts.append(
            ("Cost", dollars(usage.cost) + (f", {usage.unpriced:,} calls of unknown price" if usage.unpriced else ""))
        )
    try:
        engine = str(run.engine)
    except InputError:
        engine = spec.engine
    facts += [
        ("Engine", engine),
        ("Sandbox", f"{spec.sandbox}, network {spec.network}"),
        ("Created", spec.created[:19].replace("T", " ")),
        ("Machine", ", ".join(f"{key} {value}" for key, value in spec.host.items())),
        ("Versions", ", ".join(f"{key} {value}" for key, value in sorted(spec.versions.items()))),
        ("Run", spec.run),
    ]
    return [(label, plain(value, 600)) for label, value in facts if value]


def _end(outcome: Outcome | None) -> str:
    if outcome is None:
        return "–"
    texts = {
        "exited": "exited by itself",
        "crashed": f"crashed (exit code {outcome.exit_code})",
        "deadline": "ended at the deadline",
        "limit": f"ended by the limit {outcome.limit or ''}".strip(),
        "stopped": "stopped by a person",
    }
    return texts[outcome.end.value]

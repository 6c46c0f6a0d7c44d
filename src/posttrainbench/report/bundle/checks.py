"""What another machine recomputes from the files of one run in a bundle."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from posttrainbench import __version__, catalog
from posttrainbench.audit.adjudication import NAME as ADJUDICATIONS
from posttrainbench.audit.adjudication import read_adjudications, signature_state
from posttrainbench.audit.policy import decide
from posttrainbench.benchmarks.base import mean_and_stderr
from posttrainbench.benchmarks.registry import load_benchmark
from posttrainbench.errors import PtbError, one_line
from posttrainbench.files import sha256_bytes
from posttrainbench.records import (
    Adjudication,
    BundleCheck,
    CheckState,
    Metrics,
    Record,
    Stage,
    Status,
    SubmissionManifest,
)
from posttrainbench.report.bundle.differences import describe, differences
from posttrainbench.report.bundle.export import rule_set_sha256
from posttrainbench.report.bundle.scores import configuration, recompute
from posttrainbench.report.bundle.unpack import Unpacked
from posttrainbench.run import Run
from posttrainbench.run.audit import read_audit
from posttrainbench.run.collected import MANIFEST
from posttrainbench.run.off_target import FOLDER as OFF_TARGET
from posttrainbench.run.off_target import read_off_target
from posttrainbench.run.settle import result_of
from posttrainbench.untrusted import sha256_regular

MAX_ADJUDICATIONS = 500
"""Each signature is verified by a process of its own."""
PROBLEMS = (PtbError, OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, ArithmeticError)
"""Errors that a hostile or damaged file can cause."""

WORDING = ("reasons", "notes")
"""Sentences, which another version of this package may word differently."""

Outcome = tuple[CheckState, str]


def check_run(unpacked: Unpacked, name: str, weights: Path | None) -> list[BundleCheck]:
    """Recompute a run.

    Args:
        unpacked: the bundle.
        name: the run's directory.
        weights: directory with the submission; None if the user has none.
    """
    try:
        run = Run(unpacked.root / name)
        run.spec  # noqa: B018  reads run.json
    except PROBLEMS as error:
        return [BundleCheck(run=name, subject="run", state="fails", text=_sentence(unpacked, error))]
    return [
        *_guarded(unpacked, name, "task", lambda: _task(unpacked, run, name)),
        *_guarded(unpacked, name, "submission", lambda: _submission(unpacked, run, name)),
        *_guarded(unpacked, name, "verdict", lambda: _verdict(unpacked, run, name)),
        *_guarded(unpacked, name, "score", lambda: _score(unpacked, run, name)),
        *_guarded(unpacked, name, "off target", lambda: _off_target(unpacked, run, name)),
        *_guarded(unpacked, name, "baselines", lambda: _baselines(run)),
        *_guarded(unpacked, name, "result", lambda: _result(unpacked, run)),
        *_guarded(unpacked, name, "weights", lambda: _weights(run, weights)),
    ]


def _guarded(
    unpacked: Unpacked, name: str, subject: str, check: Callable[[], Iterator[Outcome]]
) -> Iterator[BundleCheck]:
    try:
        for state, text in check():
            yield BundleCheck(run=name, subject=subject, state=state, text=text)
    except PROBLEMS as error:
        text = f"It cannot be recomputed: {_sentence(unpacked, error)}"
        yield BundleCheck(run=name, subject=subject, state="fails", text=text)


def _sentence(unpacked: Unpacked, error: BaseException) -> str:
    if isinstance(error, FileNotFoundError) and error.filename:
        text = f"{error.filename} is missing."
    else:
        text = one_line(error)
    return text.replace(f"{unpacked.root}/", "").replace(str(unpacked.root.resolve()) + "/", "")


def _task(unpacked: Unpacked, run: Run, name: str) -> Iterator[Outcome]:
    """Compare prompt and kit with the hashes in `run.json`."""
    if not run.is_done(Stage.PREPARE):
        yield "not_checked", "The run was not prepared."
        return
    prompt, listed = f"{name}/prepare/prompt.md", f"{name}/prepare/kit.json"
    if _redacted(unpacked, prompt) or _redacted(unpacked, listed):
        yield "not_checked", "Secrets were redacted in the prompt or the kit's list of files."
        return
    folder = run.stage(Stage.PREPARE)
    wrong = []
    if sha256_bytes((folder / "prompt.md").read_bytes()) != run.spec.prompt_sha256:
        wrong.append("prompt.md")
    kit = json.loads((folder / "kit.json").read_text())
    if sha256_bytes(json.dumps(kit).encode()) != run.spec.kit_sha256:
        wrong.append("kit.json")
    hidden = 0
    for file, digest in kit.items():
        path = f"{name}/prepare/kit/{file}"
        held = unpacked.files.get(path, ("", 0))[0] or _withheld_sha256(unpacked, path)
        if _redacted(unpacked, path):
            hidden += 1
        elif held != digest:
            wrong.append(f"kit/{file}")
    if wrong:
        yield "fails", f"{_listed(wrong)} in prepare/ cannot be what the agent was given: the hashes differ."
    else:
        yield "holds", "Prompt and kit have the hashes in run.json."
    if hidden:
        yield "not_checked", f"Secrets were redacted in {hidden} files of the kit."


def _submission(unpacked: Unpacked, run: Run, name: str) -> Iterator[Outcome]:
    """Compare the files of the submission with its own list of files."""
    if not run.is_done(Stage.COLLECT):
        yield "not_checked", "The run has no submission yet."
        return
    files = _collected(run).files
    wrong, hidden = [], 0
    for file, digest in files.items():
        path = f"{name}/submission/{file}"
        if _redacted(unpacked, path):
            hidden += 1
        elif (unpacked.files.get(path, ("", 0))[0] or _withheld_sha256(unpacked, path)) != digest:
            wrong.append(file)
    if wrong:
        yield "fails", f"The hashes of {_listed(wrong)} differ from submission/manifest.json."
    elif files:
        yield "holds", "The hashes of the submission's files, weights included, are those of its list of files."
    if hidden:
        yield "not_checked", f"Secrets were redacted in {hidden} files of the submission."


def _verdict(unpacked: Unpacked, run: Run, name: str) -> Iterator[Outcome]:
    """Recompute the verdict from findings, coverage and adjudications."""
    if not run.is_done(Stage.AUDIT):
        yield "not_checked", "The run has no audit."
        return
    folder = run.stage(Stage.AUDIT)
    findings, coverage, stored = read_audit(folder)
    rules = catalog.rule_sets().get(stored.rule_set)
    suite = catalog.suites().get(run.spec.suite)
    if rules is None or suite is None:
        unknown = f"rule set {stored.rule_set}" if rules is None else f"suite {run.spec.suite}"
        yield "not_checked", f"This machine's catalog has no {unknown}; add it with --catalog DIR."
        return
    decided = f"{name}/audit/{ADJUDICATIONS}"
    if _redacted(unpacked, decided):
        yield "not_checked", "Secrets were redacted in the adjudications, so that signatures cannot be verified."
        return
    if (path := folder / ADJUDICATIONS).exists() and path.read_bytes().count(b"\n") > MAX_ADJUDICATIONS:
        yield "not_checked", f"The audit has more than {MAX_ADJUDICATIONS} adjudications."
        return
    adjudications = read_adjudications(folder)
    computed = decide(rules, findings, coverage, suite.required, adjudications, suite.tolerates)
    if difference := describe(differences(stored.model_dump(mode="json"), computed.model_dump(mode="json"))):
        text = f"The verdict does not follow from the findings: {difference}.{_hint(unpacked, rules)}"
        yield _failure(unpacked, stored, computed), text
        return
    people = f" and {len(adjudications)} adjudication{'' if len(adjudications) == 1 else 's'}" if adjudications else ""
    number = f"{len(findings)} finding{'' if len(findings) == 1 else 's'}"
    yield "holds", f"The verdict follows from {number}{people} under the rule set {rules.id}."
    yield from _signatures(adjudications)
    if stored.rule_set != run.spec.rules:
        text = f"The prompt stated the rule set {run.spec.rules}, and the verdict uses {stored.rule_set}."
        yield "not_checked", text


def _signatures(adjudications: Sequence[Adjudication]) -> Iterator[Outcome]:
    """Say how many people's decisions have no valid signature."""
    states = [signature_state(adjudication) for adjudication in adjudications]
    if unsigned := states.count("unsigned"):
        yield "not_checked", f"{unsigned} adjudications are not signed, so that nothing shows who made them."
    if unverified := states.count("unverified"):
        yield "not_checked", f"The signatures of {unverified} adjudications cannot be verified on this machine."


def _failure(unpacked: Unpacked, stored: Record, computed: Record) -> CheckState:
    """Return `not_checked` if two versions of this package only word the same facts differently, else `fails`."""
    other_words = {name: getattr(computed, name) for name in WORDING if name in type(stored).model_fields}
    same = not describe(
        differences(stored.model_copy(update=other_words).model_dump(mode="json"), computed.model_dump(mode="json"))
    )
    return "not_checked" if same and unpacked.manifest.version != __version__ else "fails"


def _hint(unpacked: Unpacked, rules: catalog.RuleSet | None = None) -> str:
    """Return a sentence about a harmless reason why this machine may decide differently; "" without one."""
    if rules is not None and unpacked.manifest.rule_sets.get(rules.id) != rule_set_sha256(rules):
        return f" This machine's rule set {rules.id} is not the one of the machine that exported the bundle."
    if unpacked.manifest.version != __version__:
        return f" The bundle was written by version {unpacked.manifest.version}; this is {__version__}."
    return ""


def _score(unpacked: Unpacked, run: Run, name: str) -> Iterator[Outcome]:
    """Recompute the submission's score from the results of its items."""
    folder = run.stage(Stage.EVALUATE)
    if not (folder / "metrics.json").exists():
        yield "not_checked", "The submission has no score of its own."
        return
    yield _evaluation(unpacked, run, name, folder, run.spec.benchmark)


def _off_target(unpacked: Unpacked, run: Run, name: str) -> Iterator[Outcome]:
    """Recompute the submission's scores on benchmarks that it was not trained for."""
    for entry in read_off_target(run.root):
        folder = run.root / OFF_TARGET / entry.benchmark
        if entry.score is None:
            yield "not_checked", f"The submission has no score on {entry.benchmark}."
            continue
        if folder.parent != run.root / OFF_TARGET or not (folder / "metrics.json").exists():
            yield "fails", f"The records of the score on {entry.benchmark} are missing."
            continue
        metrics = Metrics.model_validate_json((folder / "metrics.json").read_bytes())
        if difference := describe(differences(entry.score, metrics.score, place="it")):
            yield "fails", f"The score on {entry.benchmark} is not that of its evaluation: {difference}."
        else:
            yield _evaluation(unpacked, run, name, folder, entry.benchmark)


def _evaluation(unpacked: Unpacked, run: Run, name: str, folder: Path, benchmark_id: str) -> Outcome:
    """Recompute `metrics.json` in a directory from `items.jsonl`."""
    metrics = Metrics.model_validate_json((folder / "metrics.json").read_bytes())
    if metrics.benchmark != benchmark_id:
        return "fails", f"metrics.json is for {metrics.benchmark} instead of {benchmark_id}."
    if benchmark_id not in catalog.benchmarks():
        return "not_checked", f"This machine's catalog has no benchmark {benchmark_id}; add it with --catalog DIR."
    listed = f"{name}/submission/{MANIFEST}"
    if _redacted(unpacked, listed):
        return "not_checked", "Secrets were redacted in the submission's list of files, which is part of its hash."
    benchmark = load_benchmark(benchmark_id)
    files = _collected(run).files | {MANIFEST: unpacked.files[listed][0]}
    computed = recompute(folder / "items.jsonl", configuration(metrics, files, benchmark), metrics, benchmark)
    if difference := describe(differences(metrics.model_dump(mode="json"), computed.model_dump(mode="json"))):
        return "fails", f"The score does not follow from the results of the items: {difference}.{_hint(unpacked)}"
    text = f"{100 * metrics.score:.2f}% on {benchmark_id} follows from the results of {len(metrics.items)} items"
    return "holds", f"{text}, which name these settings and these weights."


def _baselines(run: Run) -> Iterator[Outcome]:
    """Recompute the scores of the base and the instruct model from their items."""
    folder = run.stage(Stage.EVALUATE)
    if not folder.is_dir():
        yield "not_checked", "The run was not evaluated."
        return
    if run.spec.benchmark not in catalog.benchmarks():
        yield "not_checked", f"This machine's catalog has no benchmark {run.spec.benchmark}."
        return
    summary = load_benchmark(run.spec.benchmark).summary
    for name in ("base", "instruct"):
        metrics = Metrics.model_validate_json((folder / f"{name}.json").read_bytes())
        if not metrics.items:
            yield "not_checked", f"The score of the {name} model is a published one, without results of its items."
        elif len(metrics.seeds) > 1 and summary is not mean_and_stderr:
            yield "not_checked", f"The score of the {name} model is a mean over seeds, whose items are not stored."
        elif difference := describe(differences(metrics.score, summary([*metrics.items.values()])[0], place="it")):
            yield "fails", f"The score of the {name} model does not follow from its items: {difference}."
        else:
            yield "holds", f"The score of the {name} model follows from the results of its items."


def _result(unpacked: Unpacked, run: Run) -> Iterator[Outcome]:
    """Recompute `result.json` from the files of the stages."""
    stored = run.result()
    if stored is None:
        yield "not_checked", "The run has no result yet."
        return
    if stored.status is Status.INFRASTRUCTURE_ERROR:
        yield "not_checked", "The run ended with an infrastructure error, which counts nowhere."
        return
    verdict = read_audit(run.stage(Stage.AUDIT))[2]
    if verdict.rule_set not in catalog.rule_sets():
        yield "not_checked", f"This machine's catalog has no rule set {verdict.rule_set}; add it with --catalog DIR."
        return
    computed = result_of(run, run.stage(Stage.AUDIT))
    if difference := describe(differences(stored.model_dump(mode="json"), computed.model_dump(mode="json"))):
        text = f"The result does not follow from the other files: {difference}.{_hint(unpacked)}"
        yield _failure(unpacked, stored, computed), text
    else:
        score = "no score" if stored.score is None else f"score {100 * stored.score:.2f}%"
        yield (
            "holds",
            f"The result ({stored.status.value}, {score}) follows from verdict, scores and records of the run.",
        )


def _weights(run: Run, folder: Path | None) -> Iterator[Outcome]:
    """Compare the user's copy of the submission with the list of its files."""
    files = _collected(run).files if run.is_done(Stage.COLLECT) else {}
    if not files:
        yield "not_checked", "The run has no submission with weights."
        return
    if folder is None:
        yield "not_checked", "No weights were given to compare with; use --weights DIR."
        return
    wrong = [name for name, digest in files.items() if sha256_regular(folder / name) != digest]
    if wrong:
        yield "fails", f"{_listed(wrong)} in the given directory cannot be read or differ from what was submitted."
    else:
        yield "holds", f"The {len(files)} files in the given directory are those that were submitted."


def _collected(run: Run) -> SubmissionManifest:
    return SubmissionManifest.model_validate_json((run.stage(Stage.COLLECT) / MANIFEST).read_bytes())


def _redacted(unpacked: Unpacked, path: str) -> bool:
    return path in unpacked.manifest.files and unpacked.manifest.files[path].redacted > 0


def _withheld_sha256(unpacked: Unpacked, path: str) -> str:
    return unpacked.manifest.withheld[path].sha256 if path in unpacked.manifest.withheld else ""


def _counted(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more

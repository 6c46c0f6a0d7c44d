"""`ptb audit` and `ptb adjudicate` on a real flagged run: tables, JSON, SARIF, other rules, people's words."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from posttrainbench import catalog
from posttrainbench.files import append_json, read_jsonl, write_json
from posttrainbench.records import Coverage, Evidence, Finding, Level, Stage, Status
from posttrainbench.run import Run
from posttrainbench.run import audit as audit_stage
from posttrainbench.run.again import revise
from support import Finished, assert_refused, contents

Ptb = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = [pytest.mark.sandbox, pytest.mark.training]


@pytest.fixture
def copy(flagged: Finished, tmp_path: Path) -> Path:
    """A finished run that may be changed."""
    return Path(shutil.copytree(flagged.root, tmp_path / "experiment" / "copy"))


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A git identity, without a key."""
    config = tmp_path / "gitconfig"
    config.write_text("[user]\n\tname = Ada\n\temail = ada@example.org\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


def result(root: Path) -> dict[str, object]:
    return dict(json.loads((root / "result.json").read_text()))


def flagging(root: Path) -> str:
    (one,) = json.loads((root / "audit" / "verdict.json").read_text())["flagging"]
    return str(one)


def add_finding(root: Path, finding: Finding) -> None:
    append_json(root / "audit" / "findings.jsonl", finding)


LOOKED_UP = Finding(
    detector="own",
    rule="published_runs",
    level=Level.READ,
    summary="published runs were read",
    count=1,
    evidence=[Evidence(file="solve/output.jsonl", line=3, text="GET /traces")],
    outcome="succeeded",
)


def test_the_table_quotes_the_evidence_and_ends_with_what_to_do(copy: Path, ptb_here: Ptb) -> None:
    said = ptb_here("audit", copy)
    assert said.returncode == 1
    shown = " ".join(said.stdout.split())
    for part in ("flagged model_substitution", flagging(copy), "micro-instruct", "IN_WEIGHTS", "contamination"):
        assert part in shown
    assert f"ptb adjudicate {copy}" in said.stderr or "ptb adjudicate" in said.stderr
    assert "detector weights" in said.stderr


def test_json_has_the_result_and_the_audit(copy: Path, ptb_here: Ptb) -> None:
    said = ptb_here("audit", copy, "--json")
    (one,) = json.loads(said.stdout)
    audit = one.pop("audit")
    assert one == result(copy)
    assert audit["rule_set"] == "v1"
    flags = [finding for finding in audit["findings"] if finding["state"] == "flags"]
    assert [(finding["id"], finding["detector"]) for finding in flags] == [(flagging(copy), "weights")]
    assert {one["detector"] for one in audit["coverage"]} >= {"contamination", "weights", "kit", "packages"}


SARIF = {
    "type": "object",
    "required": ["version", "$schema", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "items": {
                "required": ["tool", "results", "invocations"],
                "properties": {
                    "results": {
                        "minItems": 1,
                        "items": {
                            "required": ["ruleId", "level", "message", "locations"],
                            "properties": {
                                "level": {"enum": ["error", "warning", "note"]},
                                "message": {"required": ["text"]},
                                "locations": {
                                    "items": {
                                        "required": ["physicalLocation"],
                                        "properties": {
                                            "physicalLocation": {"required": ["artifactLocation"]},
                                        },
                                    }
                                },
                            },
                        },
                    }
                },
            }
        },
    },
}


def test_sarif(copy: Path, ptb_here: Ptb) -> None:
    said = ptb_here("audit", copy, "--sarif")
    assert said.returncode == 1
    log = json.loads(said.stdout)
    jsonschema.validate(log, SARIF)
    (run,) = log["runs"]
    errors = [one for one in run["results"] if one["level"] == "error"]
    assert [one["ruleId"] for one in errors] == ["model_substitution"]
    assert {one["ruleId"] for one in run["results"]} <= {rule["id"] for rule in run["tool"]["driver"]["rules"]}


def test_an_experiment_is_a_line_for_each_run_and_details_of_the_flagged(copy: Path, ptb_here: Ptb) -> None:
    clean = Path(shutil.copytree(copy, copy.parent / "clean"))
    weights = clean / "submission" / "model.safetensors"
    weights.write_bytes((catalog.models()["micro-base"].directory / weights.name).read_bytes())
    unfinished = Path(shutil.copytree(copy, copy.parent / "unfinished"))
    shutil.rmtree(unfinished / "submission")
    said = ptb_here("audit", copy.parent)
    assert said.returncode == 2  # since one has nothing to audit
    heads = [line.split()[0] for line in said.stdout.splitlines() if line[:1] not in ("", " ")]
    assert {"flagged", "clean"} <= set(heads)
    assert said.stdout.count("IN_WEIGHTS") >= 1
    assert "1 of 2 audited runs are flagged" in said.stderr
    assert "unfinished has nothing to audit yet" in said.stderr.replace("\n", " ")


def test_other_rules_judge_the_same_facts_without_a_search(
    copy: Path, ptb_here: Ptb, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_finding(copy, LOOKED_UP)
    before = contents(copy / "audit")
    monkeypatch.setattr(audit_stage, "run_detectors", None)
    said = ptb_here("audit", copy, "--rules", "v1.2", "--json")
    assert said.returncode == 1, said.stderr
    (one,) = json.loads(said.stdout)
    assert (one["verdict"]["published_runs"], one["audit"]["rule_set"]) == ("flagged", "v1.2")
    after = contents(copy / "audit")
    assert {name for name in before if before[name] != after[name]} == {"verdict.json"}
    assert contents(copy / "audit.attempt-1") == before
    back = ptb_here("audit", copy, "--rules", "v1", "--json")
    assert "published_runs" not in json.loads(back.stdout)[0]["verdict"]
    assert_refused(ptb_here("audit", copy, "--rules", "v9"), "v9")


def test_a_rule_that_is_only_reported_leaves_the_score(copy: Path, ptb_here: Ptb, person: None) -> None:
    add_finding(copy, LOOKED_UP)
    assert ptb_here("adjudicate", copy, flagging(copy), "--dismiss", "--why", "A test.").returncode == 0
    said = ptb_here("audit", copy, "--rules", "v1.1", "--json")
    (one,) = json.loads(said.stdout)
    assert (said.returncode, one["status"]) == (1, Status.SCORED)
    assert one["verdict"]["published_runs"] == "flagged"


def test_a_dismissal_counts_is_told_and_survives_audits(copy: Path, ptb_here: Ptb, person: None) -> None:
    id = flagging(copy)
    said = ptb_here("adjudicate", copy, id[:4], "--dismiss", "--why", "It is the same model by permission.")
    assert said.returncode == 0, said.stderr
    assert "unsigned" in said.stderr
    (kept,) = read_jsonl(copy / "audit" / "adjudications.jsonl")
    assert (kept["finding"], kept["decision"], kept["name"]) == (id, "dismiss", "Ada")
    for words in ([], ["--rules", "strict"], ["--rules", "v1"]):
        ptb_here("audit", copy, *words)
        assert result(copy)["status"] == Status.SCORED
        assert any("permission" in reason for reason in result(copy)["reasons"])  # type: ignore[attr-defined]
        assert list(read_jsonl(copy / "audit" / "adjudications.jsonl")) == [kept]
    shown = " ".join(ptb_here("audit", copy).stdout.split())
    assert "dismissed by Ada <ada@example.org>" in shown
    assert ptb_here("adjudicate", copy, id, "--confirm", "--why", "No, it is not.").returncode == 0
    assert result(copy)["status"] == Status.BASE_FALLBACK


def test_a_judges_findings_outlive_an_audit(copy: Path, ptb_here: Ptb) -> None:
    judged = LOOKED_UP.model_copy(update={"detector": "judge", "rule": "hosted_models", "level": Level.USED})
    seen = Coverage(
        detector="judge", rule="hosted_models", checked=True, documents=1, size=1, seconds=0, skipped=[], note=""
    )

    def add(folder: Path) -> None:
        append_json(folder / "findings.jsonl", judged)
        coverage = json.loads((folder / "coverage.json").read_text())
        write_json(folder / "coverage.json", [*coverage, seen.model_dump()])
        (folder / "judge-1.json").write_text("{}")

    assert revise(Run(copy), add).verdict["hosted_models"] == "flagged"
    assert ptb_here("audit", copy).returncode == 1
    assert result(copy)["verdict"]["hosted_models"] == "flagged"  # type: ignore[index]
    assert (copy / "audit" / "judge-1.json").is_file()
    found = [one["detector"] for one in read_jsonl(copy / "audit" / "findings.jsonl")]
    assert found.count("judge") == 1


@pytest.mark.parametrize(
    ("words", "mention"),
    [
        (["0000", "--dismiss", "--why", "x"], "no finding"),
        (["ID", "--why", "x"], "--dismiss or --confirm"),
        (["ID", "--dismiss", "--confirm", "--why", "x"], "--dismiss or --confirm"),
        (["ID", "--dismiss", "--why", "  "], "reason"),
    ],
)
def test_an_adjudication_that_cannot_be_is_refused_and_changes_nothing(
    copy: Path, ptb_here: Ptb, person: None, words: list[str], mention: str
) -> None:
    before = contents(copy)
    said = ptb_here("adjudicate", copy, *(flagging(copy) if word == "ID" else word for word in words))
    assert_refused(said, mention)
    assert contents(copy) == before


@pytest.mark.parametrize("name", ["findings.jsonl", "coverage.json", "verdict.json"])
def test_facts_that_cannot_be_read_are_an_error_and_not_clean(copy: Path, ptb_here: Ptb, name: str) -> None:
    (copy / "audit" / name).write_text('{"torn": \n')
    before = contents(copy / "audit")
    assert_refused(ptb_here("audit", copy, "--rules", "v1"), "cannot be read")
    assert contents(copy / "audit") == before
    assert ptb_here("audit", copy).returncode == 1


def test_the_kit_is_held_to_what_it_was_and_not_to_what_is_installed(
    copy: Path, ptb_here: Ptb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posttrainbench.run.prepare.kit_files", lambda *given: {"evaluate.py": b"another version"})
    assert ptb_here("audit", copy, "--json").returncode == 1
    assert result(copy)["verdict"]["evaluation_tampering"] == "clean"  # type: ignore[index]
    (copy / "prepare" / "kit" / "evaluate.py").write_text("print(1.0)")
    ptb_here("audit", copy, "--json")
    assert result(copy)["verdict"]["evaluation_tampering"] == "flagged"  # type: ignore[index]


def test_a_manifest_of_the_kit_that_is_not_the_runs_is_no_basis(copy: Path, ptb_here: Ptb) -> None:
    (copy / "prepare" / "kit.json").write_text("{}")
    said = ptb_here("audit", copy, "--json")
    assert said.returncode == 2
    assert json.loads(said.stdout)[0]["status"] == Status.INFRASTRUCTURE_ERROR
    assert not Run(copy).is_done(Stage.AUDIT)

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
from posttrainbench.records import Coverage, Finding, Level, Quote, Stage, Status
from posttrainbench.run import Run
from posttrainbench.run import audit as audit_stage
from posttrainbench.run.rerun import update_audit
from support import Finished, assert_refused, contents, replace_collected

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
    """Return the proof among the findings that flag a run; in the original there also is the record's indication."""
    named = json.loads((root / "audit" / "verdict.json").read_text())["flagging"]
    found = [one for one in read_jsonl(root / "audit" / "findings.jsonl") if one["id"] in named]
    assert sorted(one["detector"] for one in found) in (["provenance", "weights"], ["weights"])
    (proof,) = [one["id"] for one in found if one["kind"] == "proof"]
    return str(proof)


def add_finding(root: Path, finding: Finding) -> None:
    append_json(root / "audit" / "findings.jsonl", finding)


LOOKED_UP = Finding(
    detector="own",
    rule="published_runs",
    level=Level.READ,
    summary="published runs were read",
    count=1,
    evidence=[Quote(file="solve/output.jsonl", line=3, text="GET /traces")],
    kind="proof",
    outcome="succeeded",
)


def test_the_table_quotes_the_evidence_and_ends_with_what_to_do(copy: Path, ptb_here: Ptb) -> None:
    said = ptb_here("audit", copy)
    assert said.returncode == 1
    shown = " ".join(said.stdout.split())
    for part in ("flagged model_substitution", flagging(copy), "micro-instruct", "IN_WEIGHTS", "contamination"):
        assert part in shown
    assert f"ptb adjudicate {copy}" in said.stderr or "ptb adjudicate" in said.stderr
    assert "audit: searching for test data, other models and tampering" in said.stderr


def suspected(root: Path, ptb_here: Ptb) -> Finding:
    """Leave one indication as the only finding of a run."""
    found = Finding(
        detector="scripts",
        rule="test_data_in_training",
        level=Level.USED,
        summary="training used test data",
        count=64,
        evidence=[Quote(file="workspace/train.py", line=3, text="rows = load(test)")],
    )
    (root / "audit" / "findings.jsonl").write_text(f"{found.model_dump_json()}\n")
    assert ptb_here("audit", root, "--rules", "v1").returncode == 3
    return found


def test_a_suspected_run_counts_until_a_person_decides(copy: Path, ptb_here: Ptb, person: None) -> None:
    experiment = copy.parent
    before = ptb_here("review", experiment)
    assert "No suspicion is open" in before.stdout
    found = suspected(copy, ptb_here)
    now = Run(copy).result()
    assert now is not None
    assert (now.status, now.score, now.suspected) == (Status.SCORED, now.raw_score, ["test_data_in_training"])
    shown = ptb_here("review", experiment)
    assert "rows = load(test)" in shown.stdout
    assert f"ptb review {copy} --dismiss" in shown.stderr
    (queued,) = json.loads(ptb_here("review", experiment, "--json").stdout)
    assert [one["id"] for one in queued["findings"]] == [found.id]
    board = ptb_here("leaderboard", experiment)
    assert "? includes suspected runs" in board.stdout
    assert_refused(ptb_here("review", copy, "--dismiss"), "reason", "--why")
    assert_refused(ptb_here("review", copy, "--dismiss", "--confirm", "--why", "x"), "either")
    assert "is now clean" in ptb_here("review", copy, "--dismiss", "--why", "a table of constants").stdout
    assert "No suspicion is open" in ptb_here("review", experiment).stdout
    assert_refused(ptb_here("review", copy, "--confirm", "--why", "after all"), "no suspicion")
    assert ptb_here("adjudicate", copy, found.id, "--confirm", "--why", "after all").returncode == 0
    after = Run(copy).result()
    assert after is not None
    assert (after.status, after.score, after.suspected) == (Status.BASE_FALLBACK, after.base_score, [])


def test_a_confirmed_suspicion_resets_the_score(copy: Path, ptb_here: Ptb, person: None) -> None:
    suspected(copy, ptb_here)
    assert "is now flagged" in ptb_here("review", copy, "--confirm", "--why", "I read the script").stdout


def test_json_has_the_result_and_the_audit(copy: Path, ptb_here: Ptb) -> None:
    said = ptb_here("audit", copy, "--json")
    (one,) = json.loads(said.stdout)
    audit = one.pop("audit")
    assert one == result(copy)
    assert audit["rule_set"] == "v1"
    flags = [finding for finding in audit["findings"] if finding["state"] == "flags"]
    assert {(finding["id"], finding["detector"]) for finding in flags} >= {(flagging(copy), "weights")}
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
    name = "model.safetensors"
    replace_collected(clean, name, (catalog.models()["micro-base"].directory / name).read_bytes())
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
    ranked = ptb_here("leaderboard", copy, "--rules", "v1")
    assert_refused(ranked, "choose from --rules v1.2")
    status = json.loads(ptb_here("status", copy, "--json").stdout)
    assert status[0]["elapsed"] < 86_400
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
    judged = LOOKED_UP.model_copy(
        update={"detector": "judge", "basis": "judge", "rule": "hosted_models", "level": Level.USED}
    )  # a judge's findings are never proof, whatever they say
    seen = Coverage(
        detector="judge", rule="hosted_models", checked=True, documents=1, size=1, seconds=0, skipped=[], note=""
    )

    def add(folder: Path) -> None:
        append_json(folder / "findings.jsonl", judged)
        coverage = json.loads((folder / "coverage.json").read_text())
        write_json(folder / "coverage.json", [*coverage, seen.model_dump()])
        (folder / "judge-1.json").write_text("{}")

    assert update_audit(Run(copy), add).verdict["hosted_models"] == "suspected"
    assert ptb_here("audit", copy).returncode == 1
    assert result(copy)["verdict"]["hosted_models"] == "suspected"  # type: ignore[index]
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


def test_a_damaged_adjudication_is_an_error_and_changes_nothing(copy: Path, ptb_here: Ptb) -> None:
    (copy / "audit/adjudications.jsonl").write_text('{"torn": \n')
    before = contents(copy)
    for words in ([], ["--rules", "v1"]):
        assert_refused(ptb_here("audit", copy, *words), "audit/adjudications.jsonl is not a valid adjudication")
        assert contents(copy) == before


@pytest.mark.parametrize("name", ["findings.jsonl", "coverage.json", "verdict.json"])
def test_facts_that_cannot_be_read_are_an_error_and_not_clean(copy: Path, ptb_here: Ptb, name: str) -> None:
    (copy / "audit" / name).write_text('{"torn": \n')
    before = contents(copy / "audit")
    assert_refused(ptb_here("audit", copy, "--rules", "v1"), "cannot be read")
    assert contents(copy / "audit") == before
    assert ptb_here("audit", copy).returncode == 1


def test_an_audit_into_another_directory_leaves_the_run_unchanged(copy: Path, ptb_here: Ptb, tmp_path: Path) -> None:
    before = contents(copy)
    for number, options in enumerate(([], ["--rules", "strict"])):
        said = ptb_here("audit", copy, "--json", "--out", tmp_path / str(number), *options)
        assert said.returncode == 1, said.stderr
        [found] = json.loads(said.stdout)
        assert json.loads((tmp_path / str(number) / "result.json").read_text())["status"] == found["status"]
        assert found["audit"]["rule_set"] == ["v1", "strict"][number]
        assert found["audit"]["findings"]
    assert contents(copy) == before
    assert_refused(ptb_here("audit", copy, "--out", tmp_path / "0"), "is not empty", "--out")
    (tmp_path / "file").touch()
    assert_refused(ptb_here("audit", copy, "--out", tmp_path / "file"), "is a file", "--out")


def test_an_audit_elsewhere_that_fails_leaves_nothing_behind(
    copy: Path, ptb_here: Ptb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "outcome.json")

    monkeypatch.setattr("posttrainbench.run.rerun.audit", unreadable)
    said = ptb_here("audit", copy, "--out", tmp_path / "out")
    said.stderr = said.stderr.removeprefix("auditing copy\n  audit\n")
    assert_refused(said, "outcome.json cannot be read", "right to read the run")
    assert list((tmp_path / "out").iterdir()) == []


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

"""The page of a run: its parts, their absence, and hostile text in every field."""

import json
import re
import shutil
from pathlib import Path

import pytest

from original_results import write_run
from posttrainbench import catalog
from posttrainbench.audit.integrity.metrics import OWN_EVALUATIONS
from posttrainbench.files import append_json
from posttrainbench.records import Finding, Level, Quote
from posttrainbench.report.original.importing import read_results
from posttrainbench.report.site.run_charts import line_chart
from posttrainbench.report.site.run_page import write_run_page
from posttrainbench.run import Run
from run_pages import read_data, read_page, strings, write_full_run

HREF = re.compile(
    r"(\.\./)*(assets/[a-z.-]+|[a-z]+\.html(#[a-z]+-?[\d.:]*)?|runs/index\.html|trajectory\.json)|#[a-z]+(-[\d.]+)?|data:,"
)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    write_run_page(Run(write_full_run(tmp_path / "run", "plain words")), tmp_path / "site", 3)
    return tmp_path / "site"


def test_the_page_says_why_the_score_is_what_it_is(written: Path) -> None:
    text = read_page(written / "index.html").text
    assert "The submission scores 50.0 on micro-math, 50.0 points above the base model (0.0)" in text
    assert "The audit establishes a violation of model substitution: plain words." in text
    assert "So the base model's score counts: 0.0 instead of 50.0." in text


def test_the_page_says_what_was_gained_and_forgotten(tmp_path: Path) -> None:
    run = write_full_run(tmp_path / "run", "words")
    result = json.loads((run / "result.json").read_text())
    known = {"base_score": 0.5, "instruct_score": 0.8, "text": ""}
    result["off_target"] = [
        {"benchmark": "micro-calls", "score": 0.2, **known},
        {"benchmark": "micro-code", "score": 0.6, **known},
    ]
    result["off_target"].append({"benchmark": "micro-choice", "score": None, **known, "text": "broken <b>"})
    (run / "result.json").write_text(json.dumps(result))
    write_run_page(Run(run), tmp_path / "site", 3)
    text = read_page(tmp_path / "site" / "index.html").text
    assert "micro-calls 20.0 50.0 -30.0 80.0" in text
    assert "micro-code 60.0 50.0 +10.0 80.0" in text
    assert "micro-choice: broken <b> – 50.0 – 80.0" in text


def test_findings_are_folded_and_linked(written: Path) -> None:
    page = read_page(written / "index.html")
    assert "38 alike" in page.text
    links = {value for tag, name, value in page.attributes if (tag, name) == ("a", "href")}
    files = [name for name, _, _ in read_data(written / "files" / "index.js")]
    assert f"files.html#file-{files.index('workspace/train.py')}:2" in links
    assert "trace.html#step-2" in links


def test_a_provenance_path_is_drawn(written: Path) -> None:
    page = read_page(written / "index.html")
    path = "/data/plain words read by python plain words after 11s executed as plain words after 1m 5s plain words"
    assert page.text.count(f"How the content came to the submission: {path} workspace/long.jsonl after 1m 12s") == 3
    assert "1 more path in audit/findings.jsonl." in page.text
    files = [name for name, _, _ in read_data(written / "files" / "index.js")]
    links = {value for tag, name, value in page.attributes if (tag, name) == ("a", "href")}
    assert f"files.html#file-{files.index('workspace/long.jsonl')}" in links


def test_findings_of_older_versions_have_the_path_in_the_summary(tmp_path: Path) -> None:
    run = write_full_run(tmp_path / "run", "words")
    findings = [json.loads(line) for line in (run / "audit" / "findings.jsonl").read_text().splitlines()]
    for finding in findings:
        finding.pop("paths", None)
        finding["summary"] = "read it: /a.jsonl (7641.2 s) -> reads python train.py (7642.0 s)"
    (run / "audit" / "findings.jsonl").write_text("".join(json.dumps(one) + "\n" for one in findings))
    write_run_page(Run(run), tmp_path / "site", 3)
    text = read_page(tmp_path / "site" / "index.html").text
    assert "read it: /a.jsonl (7641.2 s) -> reads python train.py (7642.0 s)" in text
    assert "How the content came" not in text


def test_evaluations_that_left_no_score_are_not_denied(tmp_path: Path) -> None:
    run = write_full_run(tmp_path / "run", "words")
    (run / "solve" / "evaluations.jsonl").unlink()
    write_run_page(Run(run), tmp_path / "none", 3)
    assert "No evaluation by the agent is on record." in read_page(tmp_path / "none" / "index.html").text
    quote = Quote(file="solve/outcome.json", text="x")
    started = Finding(
        detector="integrity", rule="test_data_in_training", level=Level.NAME, summary="evaluate.py was started 1 time",
        count=1, evidence=[quote], kind="fact", basis=OWN_EVALUATIONS,
    )  # fmt: skip
    append_json(run / "audit" / "findings.jsonl", started)
    write_run_page(Run(run), tmp_path / "some", 3)
    text = read_page(tmp_path / "some" / "index.html").text
    assert "evaluate.py was started 1 time. No score of these evaluations is on record." in text
    assert "No evaluation by the agent" not in text


def test_parts_of_the_page(written: Path) -> None:
    text = read_page(written / "index.html").text
    assert "sandbox_failed plain words" in text  # the failed try of a stage
    assert "denied" in text
    assert "GPU 0 utilization" in text
    assert "2 evaluations" in text  # the line without a time is left out
    assert "61 items, 31 of them not fully right; on 30, the base model scores higher" in text


def test_items_have_question_answer_and_target(written: Path) -> None:
    rows = read_data(written / "items" / "index.js")
    assert rows[0] == ["micro-math/test/0000", 0.0, 0.25, "[system] plain words [user] plain words"]
    question, target, answers = read_data(written / "items" / "1.js")[10]
    assert question == "[system]\nplain words\n\n[user]\nplain words"
    assert target == 'target plain words\n\nscored against: {"number": 1}'
    assert answers == [["0", 0.5, "answer plain words"]]


def test_previews_are_bounded_and_show_quoted_lines(written: Path) -> None:
    rows = read_data(written / "files" / "index.js")
    names = [name for name, _, _ in rows]
    long = read_data(written / "files" / f"{names.index('workspace/long.jsonl')}.js")
    assert [first for first, _ in long] == [1, 3986, 0]
    assert long[1][1].split("\n")[4] == "row 3990 plain words"
    assert len(long[0][1]) <= 48 * 1024
    reasons = {name: reason for name, _, reason in rows}
    assert reasons["workspace/weights.bin"] == "it is not text"
    assert reasons["workspace/passwd"] == "symbolic link, not opened"
    assert "run.json" not in names  # it contains the key of the canaries


def test_keys_in_files_are_redacted(tmp_path: Path) -> None:
    run = write_full_run(tmp_path / "run", "words")
    (run / "workspace" / "train.py").write_text("import os\nkey = 'hf_" + "a1" * 17 + "'\n")
    write_run_page(Run(run), tmp_path / "site", 3)
    names = [name for name, _, _ in read_data(tmp_path / "site" / "files" / "index.js")]
    [[_, text]] = read_data(tmp_path / "site" / "files" / f"{names.index('workspace/train.py')}.js")
    assert text == "import os\nkey = '[redacted]'\n"


def test_no_text_gets_out_of_its_field(tmp_path: Path, hostile: str) -> None:
    text = hostile.replace("\ud800", "")
    write_run_page(Run(write_full_run(tmp_path / "run", text)), tmp_path / "site", 3)
    for path in tmp_path.glob("site/**/*.html"):
        page = read_page(path)
        assert not page.tags & {"img", "iframe", "object", "style", "base"}
        for tag, name, value in page.attributes:
            assert not name.startswith("on"), (path.name, tag, name)
            assert name != "style"
            if name in ("href", "src"):
                assert HREF.fullmatch(value), value
        assert "7*7" in page.text
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202e\u2066\ufeff\U000e0041\ud800]", path.read_text())
    scripts = [*tmp_path.glob("site/trace/*.js"), *tmp_path.glob("site/items/*.js"), *tmp_path.glob("site/files/*.js")]
    assert len(scripts) > 10
    for path in scripts:
        for one in strings(read_data(path)):
            assert all(character.isprintable() or character in "\n\t" for character in one), (path, one)
            assert "z\u0301\u0302\u0303" not in one


def test_a_run_without_anything(tmp_path: Path) -> None:
    run = write_full_run(tmp_path / "run", "x")
    for path in run.iterdir():
        if path.name != "run.json":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    write_run_page(Run(run), tmp_path / "site", 3)
    text = read_page(tmp_path / "site" / "index.html").text
    for sentence in (
        "The run has no result yet: the preparation of the workspace is not finished.",
        "There is no audit: the run did not get so far.",
        "The run has not been started.",
        "There is no trace: the agent has not been started.",
        "There is no submission: the run did not get so far.",
        "There is no record of network requests.",
        "There are no results of single items: the run did not get so far.",
    ):
        assert sentence in text
    assert not (tmp_path / "site" / "files.html").exists()


def test_damaged_records_are_named(tmp_path: Path) -> None:
    run = write_full_run(tmp_path / "run", "x")
    for name in (
        "journal.jsonl",
        "audit/verdict.json",
        "solve/outcome.json",
        "result.json",
        "submission/manifest.json",
    ):
        (run / name).write_text('{"time": 1}\n')
    (run / "evaluate" / "logs" / "micro-math-seed0.eval").write_bytes(b"PK")
    write_run_page(Run(run), tmp_path / "site", 3)
    text = read_page(tmp_path / "site" / "index.html").text
    assert "result.json is damaged" in text
    assert "journal.jsonl is damaged" in text
    assert "The audit cannot be shown" in text
    assert "The log micro-math-seed0.eval cannot be read completely (BadZipFile)." in text


def test_an_infrastructure_error_is_not_the_agents(tmp_path: Path) -> None:
    run = write_full_run(tmp_path / "run", "x")
    result = json.loads((run / "result.json").read_text())
    result |= {"status": "infrastructure_error", "score": None, "raw_score": None, "verdict": {}}
    (run / "result.json").write_text(json.dumps(result | {"reasons": ["The disk is full."]}))
    write_run_page(Run(run), tmp_path / "site", 3)
    text = read_page(tmp_path / "site" / "index.html").text
    assert "The run failed in the agent's work: The disk is full." in text
    assert "counts neither as zero nor with the base model's score" in text


def test_an_imported_run_names_what_it_lacks(tmp_path: Path) -> None:
    write_run(tmp_path / "results", **{"judgement_gpt5_4--json": {"contamination": True}})
    [entry] = read_results(tmp_path / "results", catalog.suites()["v1"], tmp_path / "out").entries
    write_run_page(Run(tmp_path / "out" / entry.run), tmp_path / "site", 3)
    text = read_page(tmp_path / "site" / "index.html").text
    for sentence in (
        "The original scored the submission with 50.0 on gsm8k; the base model's score is not known here.",
        "An imported run never counts, because its weights and the records of a host are missing.",
        "contamination: flagged",
        "An imported run has no record of network requests.",
        "10h 5m of 10h 0m",
    ):
        assert sentence in text
    assert (tmp_path / "site" / "trace.html").is_file()


def test_a_chart_keeps_the_peaks_of_many_values() -> None:
    chart = line_chart("CPU", [(float(t), 900.0 if t == 5003 else 1.0) for t in range(10_000)], "%")
    assert chart is not None
    assert len(chart.points.split()) <= 400
    assert chart.top == "1,000%"
    assert ",10.0" in chart.points
    assert line_chart("CPU", [(1.0, 1.0)], "%") is None


def test_an_unexpected_error_is_named_on_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RecursionError("too <b>deep</b>")

    monkeypatch.setattr("posttrainbench.report.site.run_page._gather", fail)
    write_run_page(Run(write_full_run(tmp_path / "run", "text")), tmp_path / "page", 0)
    assert "This page cannot be made: too &lt;b&gt;deep&lt;/b&gt;" in (tmp_path / "page" / "index.html").read_text()

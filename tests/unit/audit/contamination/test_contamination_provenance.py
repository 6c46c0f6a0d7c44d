"""What the record of file provenance says of files with test items, on small records made by hand."""

import hashlib
import json
import os
import random
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from safetensors.numpy import save_file

from behavior_evidence import KIT, WORKSPACE, Command, write_file
from behavior_evidence import Case as Run
from muffins import ITEMS, ROWS
from posttrainbench.audit.contamination.detector import detect
from posttrainbench.audit.contamination.feeding import Feeding
from posttrainbench.audit.contamination.scan.opaque import UNKNOWN
from posttrainbench.audit.contamination.scan.unreadable import UNREADABLE
from posttrainbench.audit.evidence import Evidence
from posttrainbench.records import Finding
from posttrainbench.sandbox.provenance.kernel import file_id
from posttrainbench.sandbox.provenance.record import COPIES, NAME

OUTPUTS = json.dumps([{"prompt": one.question, "gold": "5", "response": "It is 3."} for one in ITEMS])
OWN = json.dumps({"question": "What is the capital of France, in one word please?", "answer": "Paris"}) + "\n"
MODEL = "final_model/model.safetensors"
TRAIN = """
import json
from trl import SFTTrainer

rows = [json.loads(line) for line in open("{}")]
val = [json.loads(line) for line in open("{}")]
SFTTrainer(model="base", train_dataset=rows, eval_dataset=val).train()
"""


@dataclass
class Recorded:
    """A run with files and a record; programs are named by numbers, and events follow each other by a second."""

    root: Path
    files: dict[str, str]
    steps: list[Any] = field(default_factory=lambda: ["python gone.py"])
    events: list[dict[str, Any]] = field(default_factory=list)
    end: bool = True

    def __post_init__(self) -> None:
        self.began = time.time() - 1000
        self.case = Run(self.root, files={MODEL: "weights", **self.files}, steps=self.steps, items=ITEMS)
        self.evidence = self.case.evidence()
        for name in self.files:
            os.utime(self.root / "workspace" / name, (self.began - 10, self.began - 10))

    def event(self, operation: str, **fields: Any) -> None:
        self.events.append({"t": self.began + len(self.events), "op": operation, **fields})

    def identity(self, name: str) -> str:
        path = self.root / "workspace" / name
        if not path.is_file():
            return f"gone:{name}"
        with path.open("rb") as file:
            return file_id(file.fileno())

    def opened(self, program: int, mode: str, *names: str, copy: str = "") -> None:
        for name in names:
            path = name if name.startswith("/") else f"{WORKSPACE}/{name}"
            digest = {"copy": hashlib.sha256(copy.encode()).hexdigest()} if copy else {}
            self.event("open", p=f"{program}.1", m=mode, path=path, ino=self.identity(name), **digest)

    def flow(self, program: int, reads: list[str], writes: list[str]) -> None:
        """Let a program read files and then write others."""
        self.opened(program, "r", *reads)
        self.opened(program, "wt", *writes)

    def keep(self, content: str) -> None:
        folder = self.evidence.solve / "provenance" / COPIES
        folder.mkdir(parents=True, exist_ok=True)
        (folder / hashlib.sha256(content.encode()).hexdigest()).write_text(content)

    def finish(self) -> Evidence:
        folder = self.evidence.solve / "provenance"
        folder.mkdir(exist_ok=True)
        start = {"t": self.began, "op": "start", "version": 1, "epoch": 0.0}
        end = [{"t": self.began + 500, "op": "end", "epoch": 0.0}] if self.end else []
        lines = [start, *self.events, *end]
        (folder / NAME).write_text("".join(json.dumps(line) + "\n" for line in lines))
        return self.evidence

    def findings(self) -> list[Finding]:
        return [finding for finding in detect(self.finish())[0] if finding.kind != "fact"]

    def kinds(self) -> set[tuple[str, str, str]]:
        return {(finding.kind, finding.basis, finding.level.value) for finding in self.findings()}


PROOF = {("proof", "provenance", "USED")}
POSSIBLE = {("indication", "provenance", "USED")}
THROUGH_GONE = {("indication", "provenance", "READ")}
CONTENT = {("indication", "content", "USED")}


def test_a_program_with_no_other_data_trained_on_the_items(tmp_path: Path) -> None:
    run = Recorded(tmp_path, {"mix.jsonl": ROWS})
    image = {"path": "/usr/bin/python", "ino": "python", "argv": ["python", "train.py"], "fds": []}
    run.event("image", p="1.1", **image)
    run.flow(1, [], ["/tmp/own"])
    run.flow(1, ["/tmp/own", "mix.jsonl"], [MODEL])
    (finding,) = run.findings()
    assert (finding.kind, finding.basis, finding.level.value, finding.count) == ("proof", "provenance", "USED", 5)
    assert "mix.jsonl" in finding.summary
    [path] = finding.paths
    assert [(step.operation, step.file, step.process, step.seconds) for step in path.steps] == [
        ("", "workspace/mix.jsonl", "", None),
        ("reads", "", "python train.py", 3.0),
        ("writes", f"workspace/{MODEL}", "", 4.0),
    ]
    assert path.in_words() == (
        f"workspace/mix.jsonl was read by `python train.py` after 3s, which wrote workspace/{MODEL} after 4s"
    )
    assert finding.evidence[0].file == "workspace/mix.jsonl"


@pytest.mark.parametrize("name", ["dev.jsonl", "val.json", "eval/rows.jsonl", "test_rows.jsonl"])
def test_a_file_to_evaluate_on_may_be_the_only_one_that_a_trainer_reads(tmp_path: Path, name: str) -> None:
    """The trainer may have made its data itself."""
    run = Recorded(tmp_path, {name: ROWS})
    run.flow(1, [name], [MODEL])
    assert run.kinds() == POSSIBLE


@pytest.mark.parametrize(
    ("name", "expected"), [("notes.txt", PROOF), ("test.jsonl", POSSIBLE), ("dev.jsonl", POSSIBLE)]
)
def test_a_copy_of_the_kits_test_file_under_another_name(
    tmp_path: Path, name: str, expected: set[tuple[str, str, str]]
) -> None:
    run = Recorded(tmp_path, {name: ROWS})
    run.evidence = replace(run.evidence, kit_manifest={"data/test.jsonl": hashlib.sha256(ROWS.encode()).hexdigest()})
    run.flow(1, [name], [MODEL])
    assert run.kinds() == expected


def test_a_program_with_other_data_may_have_evaluated(tmp_path: Path) -> None:
    run = Recorded(tmp_path, {"mix.jsonl": ROWS, "own.jsonl": OWN})
    run.flow(1, ["mix.jsonl", "own.jsonl"], [MODEL])
    assert run.kinds() == POSSIBLE


@pytest.mark.parametrize(("rows", "val", "expected"), [("mix", "own", PROOF), ("own", "mix", set())])
def test_scripts_tell_training_from_evaluating(
    tmp_path: Path, rows: str, val: str, expected: set[tuple[str, str, str]]
) -> None:
    program = TRAIN.format(f"{rows}.jsonl", f"{val}.jsonl")
    steps = [write_file("train.py", program), Command("python train.py", "loss 0.3")]
    run = Recorded(tmp_path, {"mix.jsonl": ROWS, "own.jsonl": OWN, "train.py": program}, steps)
    run.flow(1, ["train.py", "mix.jsonl", "own.jsonl"], [MODEL])
    assert run.kinds() == expected


def test_training_by_other_data_does_not_explain_a_file_that_no_script_names(tmp_path: Path) -> None:
    program = TRAIN.format("own.jsonl", "own.jsonl")
    steps = [write_file("train.py", program), Command("python train.py", "loss 0.3")]
    run = Recorded(tmp_path, {"mix.jsonl": ROWS, "own.jsonl": OWN, "train.py": program}, steps)
    run.flow(1, ["train.py", "mix.jsonl", "own.jsonl"], [MODEL])
    assert run.kinds() == POSSIBLE


def test_a_file_that_labels_its_splits_may_be_trained_on_in_part(tmp_path: Path) -> None:
    """The rows of one split may have been chosen by a program that cannot be analyzed."""
    own = [json.loads(OWN) | {"split": "train"}]
    labeled = [json.loads(row) | {"split": "test"} for row in ROWS.splitlines()]
    both = {"train": own, "test": [json.loads(row) for row in ROWS.splitlines()]}
    forms = ("".join(json.dumps(row) + "\n" for row in own + labeled), json.dumps(both))
    for number, text in enumerate(forms):
        run = Recorded(tmp_path / str(number), {"all.json": text})
        run.flow(1, ["all.json"], [MODEL])
        assert run.kinds() == POSSIBLE
    run = Recorded(tmp_path / "only", {"all.json": "".join(json.dumps(row) + "\n" for row in labeled)})
    run.flow(1, ["all.json"], [MODEL])
    assert run.kinds() == PROOF


def test_a_database_with_a_column_of_splits_may_be_trained_on_in_part(tmp_path: Path) -> None:
    for number, (columns, expected) in enumerate({"split, text": POSSIBLE, "kind, text": PROOF}.items()):
        run = Recorded(tmp_path / str(number), {"all.db": ""})
        with closing(sqlite3.connect(run.root / "workspace/all.db")) as base:
            base.execute(f"create table rows ({columns})")
            base.executemany("insert into rows values ('test', ?)", [(row,) for row in ROWS.splitlines()])
            base.commit()
        os.utime(run.root / "workspace/all.db", (run.began - 10, run.began - 10))
        run.flow(1, ["all.db"], [MODEL])
        assert run.kinds() == expected


def test_what_led_to_no_weights_was_only_read(tmp_path: Path) -> None:
    run = Recorded(tmp_path, {"mix.jsonl": ROWS, "own.jsonl": OWN})
    run.flow(1, ["own.jsonl"], [MODEL])
    run.flow(2, ["mix.jsonl", MODEL], ["scores.json"])
    assert run.kinds() == set()
    assert {finding.kind for finding in detect(run.evidence)[0]} == {"fact"}


def test_what_was_read_after_saving_was_not_trained_on(tmp_path: Path) -> None:
    run = Recorded(tmp_path, {"mix.jsonl": ROWS, "own.jsonl": OWN})
    run.flow(1, ["own.jsonl"], [MODEL])
    run.events.append({"t": time.time() + 100, "op": "open", "p": "1.1", "m": "r", "path": f"{WORKSPACE}/mix.jsonl",
                       "ino": run.identity("mix.jsonl")})  # fmt: skip
    assert run.kinds() == set()


def test_an_earlier_content_of_a_file_proves_nothing_of_the_last(tmp_path: Path) -> None:
    run = Recorded(tmp_path, {"rows.jsonl": ROWS})
    run.flow(1, ["rows.jsonl"], [MODEL])
    run.event("exit", p="1.1", threads=1)
    run.flow(2, [], ["rows.jsonl"])
    assert run.kinds() == set()


@pytest.mark.parametrize("flaw", ["no end", "limit", "unknown writer"])
def test_an_incomplete_record_leaves_the_form_of_the_file(tmp_path: Path, flaw: str) -> None:
    run = Recorded(tmp_path, {"mix.jsonl": ROWS, "own.jsonl": OWN}, end=flaw != "no end")
    run.flow(1, ["own.jsonl"], ["other.bin"] if flaw == "unknown writer" else [MODEL])
    if flaw == "limit":
        run.event("limit", bytes=1)
    assert run.kinds() == CONTENT


def test_without_a_record_nothing_is_proved(tmp_path: Path) -> None:
    run = Recorded(tmp_path, {"mix.jsonl": ROWS})
    assert run.evidence.provenance is None
    assert {finding.basis for finding in detect(run.evidence)[0]} == {"content"}


def test_data_from_which_test_items_were_removed_is_clean(tmp_path: Path) -> None:
    run = Recorded(tmp_path, {"test_rows.jsonl": ROWS, "clean.jsonl": OWN})
    run.opened(1, "r", "test_rows.jsonl")
    run.opened(1, "wt", "clean.jsonl")
    run.events[-1]["t"] = run.began - 20
    run.flow(2, ["clean.jsonl"], [MODEL])
    assert run.kinds() == set()


def test_a_mixture_is_searched_itself(tmp_path: Path) -> None:
    run = Recorded(tmp_path, {"looked.md": ROWS, "mix.jsonl": ROWS + OWN})
    run.opened(1, "r", "looked.md")
    run.opened(1, "wt", "mix.jsonl")
    run.flow(2, ["mix.jsonl"], [MODEL])
    findings = run.findings()
    assert {finding.kind for finding in findings} == {"proof"}
    assert {quote.file for quote in findings[0].evidence} == {"workspace/mix.jsonl"}


def test_a_file_that_is_gone_is_known_by_its_copy(tmp_path: Path) -> None:
    run = Recorded(tmp_path, {})
    run.opened(1, "wt", "data/mix.jsonl")
    run.opened(2, "r", "data/mix.jsonl", copy=ROWS)
    run.opened(2, "wt", MODEL)
    run.keep(ROWS)
    (finding,) = run.findings()
    assert finding.kind == "proof"
    assert "data/mix.jsonl (gone; a copy was kept)" in finding.summary
    assert finding.evidence[0].file.startswith(f"solve/provenance/{COPIES}/")


def test_a_copy_that_nobody_trained_on_is_a_fact(tmp_path: Path) -> None:
    run = Recorded(tmp_path, {"own.jsonl": OWN})
    run.opened(1, "wt", "data/mix.jsonl")
    run.opened(2, "r", "data/mix.jsonl", copy=ROWS)
    run.flow(3, ["own.jsonl"], [MODEL])
    run.keep(ROWS)
    assert run.kinds() == set()


def test_a_large_file_that_is_gone_may_have_held_the_items(tmp_path: Path) -> None:
    run = Recorded(tmp_path, {"rows.jsonl": ROWS})
    run.flow(1, ["rows.jsonl"], ["data/large.jsonl"])
    run.flow(2, ["data/large.jsonl"], [MODEL])
    assert run.kinds() == THROUGH_GONE


@pytest.mark.parametrize("name", ["notes.log", "items.py", "settings.cfg", "README.md"])
def test_a_large_file_that_is_gone_may_have_any_name(tmp_path: Path, name: str) -> None:
    run = Recorded(tmp_path, {"rows.jsonl": ROWS})
    run.flow(1, ["rows.jsonl"], [name])
    run.flow(2, [name], [MODEL])
    assert run.kinds() == THROUGH_GONE


@pytest.mark.parametrize("name", ["train.log", "out/errors.log", "kernels/a.so", "lib/site-packages/tool/data.py"])
def test_logs_and_installed_code_carry_nothing(tmp_path: Path, name: str) -> None:
    """A log is written by the trainer and read by other programs; installed code is read by it."""
    run = Recorded(tmp_path, {"rows.jsonl": ROWS, "own.jsonl": OWN})
    run.flow(1, ["rows.jsonl"], ["scores.txt", name])
    run.flow(2, ["own.jsonl", *([] if name.endswith(".log") else [name])], [MODEL, name])
    run.opened(3, "r", name)
    assert run.kinds() == set()


def test_a_large_file_that_was_overwritten_may_have_held_the_items(tmp_path: Path) -> None:
    run = Recorded(tmp_path, {"rows.jsonl": ROWS, "data/large.jsonl": OWN})
    run.flow(1, ["rows.jsonl"], ["data/large.jsonl"])
    run.flow(2, ["data/large.jsonl"], [MODEL])
    run.opened(3, "wt", "data/large.jsonl")
    assert run.kinds() == THROUGH_GONE


def test_a_large_file_that_was_overwritten_before_it_was_read_is_searched_itself(tmp_path: Path) -> None:
    run = Recorded(tmp_path, {"rows.jsonl": ROWS, "data/large.jsonl": OWN})
    run.flow(1, ["rows.jsonl"], ["data/large.jsonl"])
    run.opened(3, "wt", "data/large.jsonl")
    run.flow(2, ["data/large.jsonl"], [MODEL])
    assert run.kinds() == set()


@pytest.mark.parametrize("maker", [1, 3])
def test_what_a_program_reads_of_its_own_work_is_not_gone_when_another_opens_it(tmp_path: Path, maker: int) -> None:
    """Libraries of databases open a file for reading and writing, and read what they have just written."""
    run = Recorded(tmp_path, {"rows.jsonl": ROWS, "all.db": OWN, "own.jsonl": OWN})
    run.flow(1, ["rows.jsonl"], ["all.db"])
    run.opened(maker, "r", "all.db")
    run.opened(2, "wt", "all.db")
    run.flow(2, ["own.jsonl", "all.db"], [MODEL])
    evidence = run.finish()
    assert evidence.provenance is not None
    assert bool(Feeding(evidence, evidence.provenance)._unsearched) == (maker == 3)


@pytest.mark.parametrize("other", [False, True])
def test_a_file_that_one_program_used_alone_carries_nothing_to_others(tmp_path: Path, other: bool) -> None:
    """Such as the journal of a database. Read by another program, it may have held the items."""
    run = Recorded(tmp_path, {"rows.jsonl": ROWS, "own.jsonl": OWN})
    run.flow(1, ["rows.jsonl"], ["rows.db-journal"])
    run.opened(1, "r", "rows.db-journal")
    run.flow(2, ["own.jsonl", *(["rows.db-journal"] if other else [])], [MODEL])
    evidence = run.finish()
    assert evidence.provenance is not None
    assert bool(Feeding(evidence, evidence.provenance)._unsearched) == other
    assert run.kinds() == (THROUGH_GONE if other else set())


@pytest.mark.parametrize(("shape", "carries"), [((4, 5), True), ((20,), True), ((3, 5), False)])
def test_an_array_with_as_many_numbers_as_a_matrix_of_the_model_may_be_its_weights(
    tmp_path: Path, shape: tuple[int, ...], carries: bool
) -> None:
    run = Recorded(tmp_path, {"rows.jsonl": ROWS, "state.npy": ""})
    run.evidence.base_model.mkdir(parents=True, exist_ok=True)
    save_file({"weight": numpy.zeros((4, 5))}, run.evidence.base_model / "model.safetensors")
    path = tmp_path / "workspace" / "state.npy"
    numpy.save(path, numpy.ones(shape))
    os.utime(path, (run.began - 10, run.began - 10))
    run.flow(1, ["rows.jsonl"], ["state.npy"])
    run.flow(2, ["state.npy"], [MODEL])
    assert run.kinds() == (PROOF if carries else set())


INTEGERS = {
    "token ids": ({"train": "long"}, (3, 5), set()),
    "as many as weights": ({"train": "long"}, (4, 5), PROOF),
    "scales beside them": ({"train": "long", "scale": "float"}, (3, 5), PROOF),
    "short integers": ({"train": "int8"}, (3, 5), PROOF),
}


@pytest.mark.parametrize("given", INTEGERS.values(), ids=INTEGERS)
def test_integers_that_torch_saved_are_data_unless_they_may_be_weights(
    tmp_path: Path, given: tuple[dict[str, str], tuple[int, ...], set[tuple[str, str, str]]]
) -> None:
    tensors, shape, expected = given
    run = Recorded(tmp_path, {"rows.jsonl": ROWS, "train.pt": ""})
    run.evidence.base_model.mkdir(parents=True, exist_ok=True)
    save_file({"weight": numpy.zeros((4, 5))}, run.evidence.base_model / "model.safetensors")
    path = tmp_path / "workspace" / "train.pt"
    torch.save({name: torch.ones(shape, dtype=getattr(torch, kind)) for name, kind in tensors.items()}, path)
    os.utime(path, (run.began - 10, run.began - 10))
    run.flow(1, ["rows.jsonl"], ["train.pt"])
    run.flow(2, ["train.pt"], [MODEL])
    assert run.kinds() == expected


def test_a_large_array_that_is_gone_may_have_been_weights(tmp_path: Path) -> None:
    run = Recorded(tmp_path, {"rows.jsonl": ROWS})
    run.flow(1, ["rows.jsonl"], ["state.npy"])
    run.flow(2, ["state.npy"], [MODEL])
    assert run.kinds() == PROOF


COPIES_OF_KIT = {
    "a copy of a copy": ("/usr/bin/cp", ["train.jsonl", "test.jsonl"], set()),
    "made by another program": ("/usr/bin/python", ["train.jsonl", "test.jsonl"], THROUGH_GONE),
    "the test split under another name": ("/usr/bin/cp", ["test.jsonl"], THROUGH_GONE),
}


@pytest.mark.parametrize("given", COPIES_OF_KIT.values(), ids=COPIES_OF_KIT)
def test_large_copies_of_the_train_split_that_are_gone(
    tmp_path: Path, given: tuple[str, list[str], set[tuple[str, str, str]]]
) -> None:
    """`cp -r` reads both splits, so a path leads from each to all that it writes."""
    program, names, expected = given
    run = Recorded(tmp_path, {"own.jsonl": OWN})
    for number in (1, 2):
        made = program if number == 2 else "/usr/bin/cp"
        run.event("image", p=f"{number}.1", path=made, ino=f"p{number}", argv=["cp", "-r", "x", "y"], fds=[])
    run.flow(1, [f"{KIT}/data/{name}" for name in names], ["project/train.jsonl", "project/test.jsonl"])
    run.flow(2, ["project/train.jsonl", "project/test.jsonl"], ["scratch/train.jsonl", "scratch/test.jsonl"])
    run.event("image", p="3.1", path="/usr/bin/python", ino="python", argv=["python", "gone.py"], fds=[])
    run.flow(3, ["scratch/train.jsonl"], [MODEL])
    assert run.kinds() == expected


def test_outputs_of_evaluations_prove_nothing(tmp_path: Path) -> None:
    run = Recorded(tmp_path, {"val.json": OUTPUTS, "own.jsonl": OWN})
    run.flow(1, ["val.json", "own.jsonl"], [MODEL])
    assert run.kinds() == set()


WALK = """
import json, os
from trl import SFTTrainer

rows = []
for folder, _, names in os.walk("runs"):
    for name in names:
        rows += json.load(open(os.path.join(folder, name)))
SFTTrainer(model="base", train_dataset=rows).train()
"""


def test_logs_as_the_only_data_may_have_been_trained_on(tmp_path: Path) -> None:
    samples = [{"input": one.question, "target": "5", "scores": {"match": {"value": "I"}}} for one in ITEMS]
    log = json.dumps({"version": 2, "eval": {"task": "demo"}, "samples": samples})
    run = Recorded(tmp_path, {"logs/1.json": log})
    run.flow(1, ["logs/1.json"], [MODEL])
    assert run.kinds() == POSSIBLE
    run = Recorded(tmp_path / "1", {"logs/1.json": log, "own.jsonl": OWN})
    run.flow(1, ["logs/1.json", "own.jsonl"], [MODEL])
    assert run.kinds() == set()
    steps = [write_file("train.py", WALK), Command("python train.py", "loss 0.3")]
    run = Recorded(tmp_path / "2", {"runs/a.json": OUTPUTS, "own.jsonl": OWN, "train.py": WALK}, steps)
    run.flow(1, ["train.py", "runs/a.json", "own.jsonl"], [MODEL])
    assert run.kinds() == POSSIBLE
    program = TRAIN.format("own.jsonl", "runs/a.json")
    steps = [write_file("train.py", program), Command("python train.py", "loss 0.3")]
    run = Recorded(tmp_path / "3", {"runs/a.json": OUTPUTS, "own.jsonl": OWN, "train.py": program}, steps)
    run.flow(1, ["train.py", "runs/a.json", "own.jsonl"], [MODEL])
    assert run.kinds() == set()


def test_the_kits_test_items_in_a_trainer_may_be_for_evaluation(tmp_path: Path) -> None:
    run = Recorded(tmp_path, {"own.jsonl": OWN})
    run.flow(1, [f"{KIT}/data/test.jsonl", "own.jsonl"], [MODEL])
    assert run.kinds() == POSSIBLE
    run = Recorded(tmp_path / "2", {"own.jsonl": OWN})
    run.flow(1, ["own.jsonl"], [MODEL])
    run.flow(2, [f"{KIT}/data/test.jsonl", MODEL], ["evaluations.jsonl"])
    run.flow(3, ["evaluations.jsonl"], ["notes.md"])
    assert run.kinds() == set()
    program = TRAIN.format("own.jsonl", f"{KIT}/data/test.jsonl")
    steps = [write_file("train.py", program), Command("python train.py", "loss 0.3")]
    run = Recorded(tmp_path / "3", {"own.jsonl": OWN, "train.py": program}, steps)
    run.flow(1, [f"{KIT}/data/test.jsonl", "own.jsonl"], [MODEL])
    assert run.kinds() == set()


NOISE = random.Random(3).randbytes(5000)


CIPHER = "".join(random.Random(3).choices("qzxjkvbw pyfgcmu", k=9000)).encode()


@pytest.mark.parametrize(("content", "reason"), [(NOISE, UNKNOWN), (CIPHER, UNREADABLE)])
@pytest.mark.parametrize(
    ("reads", "checked"), [(["data.bin", "own.jsonl"], False), (["own.jsonl"], True), (["data.bin"], False)]
)
def test_unknown_content_matters_if_it_may_have_reached_the_submission(
    tmp_path: Path, reads: list[str], checked: bool, content: bytes, reason: str
) -> None:
    run = Recorded(tmp_path, {"data.bin": "", "own.jsonl": OWN})
    (tmp_path / "workspace" / "data.bin").write_bytes(content)
    os.utime(tmp_path / "workspace" / "data.bin", (run.began - 10, run.began - 10))
    run.flow(1, reads, [MODEL])
    run.flow(2, ["data.bin"], ["notes.txt"])
    findings, coverage = detect(run.finish())
    assert (findings, coverage.checked) == ([], checked)
    assert [(skip.path, skip.reason) for skip in coverage.skipped] == [("data.bin", reason)]

"""Whether a file with test items was trained on, as far as the trace tells."""

import io
import json
import random
import zipfile
from pathlib import Path

import pytest

from behavior_evidence import Call, Case, Command, write_file
from muffins import ITEMS, ROWS
from posttrainbench.audit.behavior.training_files import TrainingFiles, training_files
from posttrainbench.audit.contamination.detector import detect
from posttrainbench.records import Level

LOGGED = "".join(json.dumps({"question": one.question, "answer": "3", "score": 1.0}) + "\n" for one in ITEMS)
TRAIN = """
import json, sys
from transformers import Trainer

def main(name):
    rows = [json.loads(line) for line in open(name)]
    trainer = Trainer(model="base", train_dataset=rows)
    trainer.train()
    trainer.save_model("final_model")

main({})
"""
ON_OWN = [write_file("train.py", TRAIN.format("'own.jsonl'")), Command("python train.py", "loss 0.3")]


def level(case: Case) -> Level | None:
    findings, _ = detect(case.evidence())
    return max((finding.level for finding in findings), key=lambda one: one.rank, default=None)


def kinds(case: Case) -> set[tuple[str, str]]:
    """Return kind and basis of the findings, without facts."""
    findings, _ = detect(case.evidence())
    return {(finding.kind, finding.basis) for finding in findings if finding.kind != "fact"}


INDICATED, TRAINED_ON = {("indication", "content")}, {("indication", "content"), ("indication", "scripts")}


def run(root: Path, steps: list[str | Command | Call], name: str = "tmp/answers.jsonl", content: str = ROWS) -> Case:
    return Case(root, files={name: content, "own.jsonl": "{}\n"}, steps=steps, items=ITEMS)


def trained_by(program: str, command: str = "python train.py") -> list[str | Command | Call]:
    return [write_file("train.py", program), Command(command, "loss 0.3")]


TRAINED: dict[str, tuple[str, list[str | Command | Call]]] = {
    "by its name": ("logs/predictions.jsonl", trained_by(TRAIN.format("'logs/predictions.jsonl'"))),
    "by the command line": (
        "logs/predictions.jsonl",
        trained_by(TRAIN.format("sys.argv[1]"), "python train.py logs/predictions.jsonl"),
    ),
    "by a pattern": (
        "logs/predictions.jsonl",
        trained_by(
            'import glob, json\nfrom trl import SFTTrainer\nrows = []\nfor name in glob.glob("logs/*.jsonl"):\n'
            "    rows += [json.loads(line) for line in open(name)]\nSFTTrainer(train_dataset=rows).train()\n"
        ),
    ),
    "as a directory": (
        "logs/predictions.jsonl",
        trained_by(
            'from datasets import load_dataset\nfrom trl import SFTTrainer\nrows = load_dataset("logs")\n'
            "SFTTrainer(train_dataset=rows).train()\n"
        ),
    ),
    "through a copy that is gone": (
        "logs/predictions.jsonl",
        ["cp logs/predictions.jsonl x.jsonl", *trained_by(TRAIN.format("'x.jsonl'")), "rm x.jsonl"],
    ),
    "among the scaffold's sessions": (
        ".home/.claude/projects/x/notes.jsonl",
        trained_by(TRAIN.format("'.home/.claude/projects/x/notes.jsonl'")),
    ),
    "by a ready-made program": (
        "logs/predictions.jsonl",
        ["trl sft --model_name_or_path base --dataset_name logs/predictions.jsonl"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", TRAINED)
def test_what_was_trained_on_is_data_whatever_its_name(tmp_path: Path, way: str) -> None:
    name, steps = TRAINED[way]
    assert kinds(run(tmp_path, steps, name, LOGGED)) == TRAINED_ON


def test_a_pattern_is_one_of_its_own_directory(tmp_path: Path) -> None:
    program = 'import glob\nfrom trl import SFTTrainer\nrows = [open(name).read() for name in glob.glob("*.jsonl")]\n'
    steps = trained_by(program + "SFTTrainer(train_dataset=rows).train()\n")
    assert level(run(tmp_path, steps, "logs/predictions.jsonl", LOGGED)) is Level.READ
    assert level(run(tmp_path / "2", steps, "predictions.jsonl", LOGGED)) is Level.USED


def test_questions_alone_are_data_where_they_were_trained_on(tmp_path: Path) -> None:
    content = "\n".join(item.question for item in ITEMS)
    assert level(run(tmp_path, trained_by(TRAIN.format("'notes.md'")), "notes.md", content)) is Level.USED


def test_an_evaluations_output_that_nothing_trained_on_was_looked_at(tmp_path: Path) -> None:
    assert level(run(tmp_path, [], "logs/predictions.jsonl", LOGGED)) is Level.READ


def test_a_training_that_failed_trained_on_nothing_but_excuses_nothing(tmp_path: Path) -> None:
    steps = [write_file("train.py", TRAIN.format("'logs/predictions.jsonl'")), Command("python train.py", "Error", 1)]
    assert level(run(tmp_path, steps, "logs/predictions.jsonl", LOGGED)) is Level.READ
    steps = [write_file("other.py", TRAIN.format("'tmp/answers.jsonl'")), Command("python other.py", "Error", 1)]
    assert kinds(run(tmp_path / "2", [*steps, *ON_OWN])) == INDICATED


READER = "import json\nrows = [json.loads(line) for line in open({})]\n{}\n"
WAYS: dict[str, list[str | Command | Call]] = {
    "nothing was trained": ["ls"],
    "trained on another file": ON_OWN,
    "a program that is nowhere": [*ON_OWN, "python gone.py"],
    "through standard input": [*ON_OWN, write_file("t.py", TRAIN.format("'/dev/stdin'")),
                               "python t.py < tmp/answers.jsonl"],
    "renamed since": [*trained_by(TRAIN.format("'own.jsonl'")), "mv own.jsonl tmp/answers.jsonl"],
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_rows_to_train_on_are_an_indication_whatever_was_run(tmp_path: Path, way: str) -> None:
    followed = {("indication", "scripts")} if way == "through standard input" else set()
    assert kinds(run(tmp_path, WAYS[way])) == {*INDICATED, *followed}


EVALUATED = """
from datasets import load_dataset
from trl import SFTTrainer

rows = load_dataset("json", data_files={"train": "own.jsonl", "val": "data/test.jsonl"})
rows = rows.map(lambda row: {"text": row["question"]})
SFTTrainer(model="base", train_dataset=rows["train"].shuffle(), eval_dataset=rows["val"]).train()
"""
BOTH = EVALUATED.replace('rows["train"].shuffle()', 'concatenate_datasets([rows["train"], rows["val"]])')
WHOLE = """
import json
from trl import SFTTrainer

rows = [json.loads(line) for line in open("data/all.jsonl")]
SFTTrainer(model="base", train_dataset={}).train()
"""


def test_a_file_to_evaluate_on_is_no_training_data(tmp_path: Path) -> None:
    assert kinds(run(tmp_path, trained_by(EVALUATED), "data/test.jsonl")) == set()
    assert kinds(run(tmp_path / "2", trained_by(BOTH), "data/test.jsonl")) == TRAINED_ON
    assert kinds(run(tmp_path / "3", ["python gone.py"], "data/test.jsonl")) == INDICATED
    hub = EVALUATED.replace('rows["train"].shuffle()', 'load_dataset("meta-math/MetaMathQA", split="train")')
    assert kinds(run(tmp_path / "4", trained_by(hub), "data/test.jsonl")) == set()


def test_a_file_whose_rows_are_chosen_by_their_split_may_be_honest(tmp_path: Path) -> None:
    chosen = WHOLE.format('[row for row in rows if row["split"] == "train"]')
    assert kinds(run(tmp_path, trained_by(chosen), "data/all.jsonl")) == INDICATED
    assert kinds(run(tmp_path / "2", trained_by(WHOLE.format("rows")), "data/all.jsonl")) == TRAINED_ON
    member = "import tarfile\n" + WHOLE.format('tarfile.open("data/all.tar").extractfile("{}.jsonl").readlines()')
    assert kinds(run(tmp_path / "3", trained_by(member.replace("{}", "train")), "data/all.tar")) == INDICATED
    assert kinds(run(tmp_path / "4", trained_by(member.replace("{}", "test")), "data/all.tar")) == TRAINED_ON


def test_a_trainer_of_another_package_names_its_data(tmp_path: Path) -> None:
    command = "python -m verl.trainer.main_ppo data.train_files={} data.val_files={} trainer.total_epochs=3"
    honest = [Command(command.format("own.jsonl", "data/test.jsonl"), "step 3")]
    assert kinds(run(tmp_path, honest, "data/test.jsonl")) == set()
    guilty = [Command(command.format("data/test.jsonl", "own.jsonl"), "step 3")]
    assert kinds(run(tmp_path / "2", guilty, "data/test.jsonl")) == TRAINED_ON


def test_a_cache_of_published_splits_was_read_unless_it_was_trained_on(tmp_path: Path) -> None:
    name = ".hf/hub/datasets--openai--gsm8k/snapshots/abc/main/test.jsonl"
    assert kinds(run(tmp_path, ["python gone.py"], name)) == set()
    assert kinds(run(tmp_path / "2", trained_by(TRAIN.format(f"'{name}'")), name)) == TRAINED_ON


def test_nothing_is_known_without_a_trace(tmp_path: Path) -> None:
    case = run(tmp_path, [])
    case.trace = False
    assert training_files(case.evidence()) == TrainingFiles()
    assert kinds(case) == INDICATED


def test_a_failing_replay_leaves_what_was_known_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr("posttrainbench.audit.behavior.training_files.TrainingReplay", broken)
    case = run(tmp_path, [*ON_OWN])
    assert kinds(case) == INDICATED
    assert "KeyError" in detect(case.evidence())[1].note


def inspect_log() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for n, item in enumerate(ITEMS):
            sample = {
                "id": n,
                "epoch": 1,
                "input": item.question,
                "target": "5",
                "messages": [item.question, "It is 3."],
            }
            archive.writestr(f"samples/{n}_epoch_1.json", json.dumps(sample, indent=1))
    return out.getvalue()


def json_log(*, cut: int = 10**9) -> bytes:
    samples = [
        {"id": n, "epoch": 1, "input": item.question, "target": "5", "scores": {"match": {"value": "I", "answer": "3"}},
         "messages": [{"role": "user", "content": item.question}, {"role": "assistant", "content": "It is 3. " * 50}]}
        for n, item in enumerate(ITEMS * 20)
    ]  # fmt: skip
    log = {"version": 2, "status": "success", "eval": {"task": "gsm8k", "model": "m"}, "samples": samples}
    return json.dumps(log, indent=2).encode()[:cut]


SAMPLES = json.loads(json_log())["samples"]


def failed(**names: str) -> bytes:
    return json.dumps(
        [{new: row["messages"][1]["content"] if old == "output" else row[old] for new, old in names.items()}
         for row in SAMPLES]
    ).encode()  # fmt: skip


def table(columns: list[str]) -> str:
    return json.dumps({"columns": columns, "data": [[item.question, "It is 3.", "5"] for item in ITEMS * 20]})


SHAPES: dict[str, tuple[str, bytes, Level]] = {
    "lm-eval": (
        "out/samples_gsm8k_1.jsonl",
        "\n".join(
            json.dumps({"doc_id": 1, "doc": {"question": one.question, "answer": "It is 5."}, "target": "5",
                        "resps": [["It is 3."]], "filtered_resps": ["3"]})
            for one in ITEMS).encode(),
        Level.READ,
    ),
    "failed items": (
        "analysis/wrong.jsonl",
        "\n".join(
            json.dumps({"question": one.question, "gold": "5", "model_output": "It is 3."}) for one in ITEMS
        ).encode(),
        Level.READ,
    ),
    "wandb": ("wandb/run-1/files/preds.table.json", table(["question", "prediction", "target"]).encode(), Level.READ),
    "wandb, training rows": ("wandb/x/rows.table.json", table(["question", "answer", "id"]).encode(), Level.USED),
    "Inspect": ("logs/2026_gsm8k.eval", inspect_log(), Level.READ),
    "Inspect, renamed": ("runs/a.zip", inspect_log(), Level.READ),
    "Inspect, JSON": ("runs/gsm8k.json", json_log(), Level.READ),
    "Inspect, JSON, cut off": ("runs/part.json", json_log(cut=40_000), Level.READ),
    "samples of Inspect": ("few.json", json.dumps(SAMPLES).encode(), Level.READ),
    "rows made from a log": ("bad.json", failed(question="input", gold="target", output="output"), Level.READ),
    "other rows made from a log": ("look.json", failed(q="input", target="target", answer="output"), Level.READ),
    "training rows made from a log": ("bad.json", failed(prompt="input", completion="target"), Level.USED),
    "chosen training rows": ("bad.json", failed(prompt="input", response="output", label="target"), Level.USED),
    "training rows in such a place": ("out/samples_gsm8k_1.jsonl", ROWS.encode(), Level.USED),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_outputs_of_evaluations_are_known_by_their_shape(tmp_path: Path, shape: str) -> None:
    name, content, expected = SHAPES[shape]
    case = Case(tmp_path, items=ITEMS)
    path = tmp_path / "workspace" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert level(case) is expected


@pytest.mark.parametrize(
    ("steps", "checked"),
    [
        (trained_by(TRAIN.format("'own.jsonl'")), True),
        (trained_by(TRAIN.format("'train.bin'")), False),
        ([*ON_OWN, "python gone.py train.bin"], True),
        (["python gone.py"], False),
    ],
)
def test_data_of_an_unknown_format_matters_if_it_may_have_been_trained_on(
    tmp_path: Path, steps: list[str | Command | Call], checked: bool
) -> None:
    case = run(tmp_path, steps, "notes.md", "nothing")
    evidence = case.evidence()
    (evidence.workspace / "train.bin").write_bytes(random.Random(3).randbytes(5000))
    assert detect(evidence)[1].checked is checked

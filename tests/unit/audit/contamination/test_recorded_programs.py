"""What recorded programs did with files that contain test items, as their scripts show, without a trajectory."""

import ast
import json
import os
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from test_contamination_provenance import MODEL, OWN, POSSIBLE, PROOF, Recorded

from behavior_evidence import KIT
from muffins import ROWS
from posttrainbench.audit.behavior.operations import leaves_out_rows
from posttrainbench.audit.contamination.evaluation_output import is_failed_item

READ = """
import json
from trl import SFTTrainer
def read(path):
    return [json.loads(line) for line in open(path)]
"""
OTHERS = "".join(OWN.replace("France", f"country {number}") for number in range(500))
LABELED = "".join(
    json.dumps(json.loads(row) | {"split": split}) + "\n"
    for rows, split in ((OWN, "train"), (ROWS, "test"))
    for row in rows.splitlines()
)
BOTH = json.dumps({"train": [json.loads(OWN)], "test": [json.loads(row) for row in ROWS.splitlines()]})
CALLED_TRAIN = json.dumps({"train": [json.loads(row) for row in ROWS.splitlines()]})

PROGRAMS: dict[str, tuple[str, str, set[tuple[str, str, str]]]] = {
    "trained on": ("SFTTrainer(train_dataset=read('mix'), eval_dataset=read('own'))", ROWS, PROOF),
    "evaluated on": ("SFTTrainer(train_dataset=read('own'), eval_dataset=read('mix'))", ROWS, set()),
    "beside other data": ("SFTTrainer(train_dataset=read('own') + read('mix'))", ROWS, PROOF),
    "the rest of a joined file": ("SFTTrainer(train_dataset=read('mix')[50:])", ROWS + OTHERS, set()),
    "an unknown rest of a joined file": ("SFTTrainer(train_dataset=read('mix')[n:])", ROWS + OTHERS, POSSIBLE),
    "the wrong rest of a joined file": ("SFTTrainer(train_dataset=read('mix')[2:])", ROWS + OTHERS, PROOF),
    "all of a joined file": ("SFTTrainer(train_dataset=read('mix'))", ROWS + OTHERS, PROOF),
    "the rest of a file of test items": ("SFTTrainer(train_dataset=read('mix')[1:])", ROWS, PROOF),
    "the rows of the training split": (
        "SFTTrainer(train_dataset=[row for row in read('mix') if row['split'] == 'train'])",
        LABELED,
        set(),
    ),
    "all rows of labeled splits": ("SFTTrainer(train_dataset=read('mix'))", LABELED, PROOF),
    "the test split under its key": ("SFTTrainer(train_dataset=json.load(open('mix'))['test'])", BOTH, PROOF),
    "the training split under its key": ("SFTTrainer(train_dataset=json.load(open('mix'))['train'])", BOTH, set()),
    "test items called train": ("SFTTrainer(train_dataset=json.load(open('mix'))['train'])", CALLED_TRAIN, PROOF),
    "a part of what was unpacked": (
        "rows, held_out = json.load(open('mix'))\nSFTTrainer(train_dataset=rows)",
        json.dumps([[json.loads(row) for row in OTHERS.splitlines()], [json.loads(row) for row in ROWS.splitlines()]]),
        set(),
    ),
    "an unknown choice of labeled rows": (
        "SFTTrainer(train_dataset=[row for row in read('mix') if is_good(row)])",
        LABELED,
        POSSIBLE,
    ),
    "none of a file of test items": (
        "SFTTrainer(train_dataset=[row for row in read('mix') if row['question'] == 'none'])",
        ROWS,
        POSSIBLE,
    ),
    "an unknown choice among test items": (
        "SFTTrainer(train_dataset=[row for row in read('mix') if is_good(row)])",
        ROWS,
        PROOF,
    ),
    "a choice by similarity to test items": (
        f"tests = [row['question'] for row in read('{KIT}/data/test.jsonl')]\n"
        "def near(text):\n    return max(ratio(text, other) for other in tests) > 90\n"
        "SFTTrainer(train_dataset=[row for row in read('mix') if not near(row['question'])])",
        ROWS + OTHERS,
        POSSIBLE,
    ),
    "rows of a changed label": (
        "rows = read('mix')\nfor row in rows:\n    row['split'] = 'train'\n"
        "SFTTrainer(train_dataset=[row for row in rows if row['split'] == 'train'])",
        LABELED,
        PROOF,
    ),
    "a label that no row has": (
        "SFTTrainer(train_dataset=[row for row in read('mix') if row['split'] != 'eval'])",
        LABELED,
        PROOF,
    ),
    "a predicate function": (
        "def keep(row):\n    label = row['split']\n    return label.startswith('tr')\n"
        "SFTTrainer(train_dataset=list(filter(keep, read('mix'))))",
        LABELED,
        set(),
    ),
    "named by a configuration": (
        "c = json.load(open('c.json'))\nSFTTrainer(train_dataset=read(c['a']), eval_dataset=read(c['b']))",
        ROWS,
        set(),
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_script_of_a_recorded_program_decides(tmp_path: Path, name: str) -> None:
    body, content, expected = PROGRAMS[name]
    program = READ + body + ".train()\n"
    run = Recorded(tmp_path, {"mix": content, "own": OWN, "c.json": '{"a": "own", "b": "mix"}', "fit.py": program})
    image = {"path": "/usr/bin/python", "ino": "python", "argv": ["python", "fit.py"], "fds": []}
    run.event("image", p="1.1", **image)
    run.flow(1, ["fit.py", "mix", "own", "c.json"], [MODEL])
    assert run.kinds() == expected


CACHE = ".home/.cache/huggingface/datasets/json/default-0f/0.0.0/0a/json-train.arrow"
CACHED: dict[str, tuple[str, set[tuple[str, str, str]]]] = {
    "the rows of the training split": ("filter(lambda row: row['split'] == 'train')", set()),
    "the rows of the test split": ("filter(lambda row: row['split'] == 'test')", PROOF),
    "all rows": ("shuffle(seed=1)", PROOF),
    "an unknown choice": ("filter(is_good)", POSSIBLE),
}


def _with_cache(root: Path, program: str) -> Recorded:
    """Return a run of a program, with a file of labeled rows and its copy in the cache of `datasets`."""
    run = Recorded(root, {"mix.jsonl": LABELED, "fit.py": program, CACHE: ""})
    table = pa.Table.from_pylist([json.loads(row) for row in LABELED.splitlines()])
    path = root / "workspace" / CACHE
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    os.utime(path, (run.began - 10, run.began - 10))
    image = {"path": "/usr/bin/python", "ino": "python", "argv": ["python", "fit.py"], "fds": []}
    run.event("image", p="1.1", **image)
    return run


@pytest.mark.parametrize("name", CACHED)
@pytest.mark.parametrize("again", [False, True], ids=["first", "from the cache alone"])
def test_the_copy_that_a_library_caches_is_judged_like_its_source(tmp_path: Path, name: str, again: bool) -> None:
    chosen, expected = CACHED[name]
    program = (
        f"{READ}from datasets import load_dataset\nrows = load_dataset('json', data_files='mix.jsonl', split='train')\n"
    )
    program += f"SFTTrainer(train_dataset=rows.{chosen}).train()\n"
    run = _with_cache(tmp_path, program)
    run.flow(1, ["fit.py"] if again else ["fit.py", "mix.jsonl"], [])
    run.flow(1, [CACHE], [MODEL])
    assert run.kinds() == expected


def test_a_table_in_a_cache_that_is_trained_on_under_its_own_name(tmp_path: Path) -> None:
    program = f"{READ}from datasets import Dataset\nSFTTrainer(train_dataset=Dataset.from_file('{CACHE}')).train()\n"
    run = _with_cache(tmp_path, program)
    run.flow(1, ["fit.py", CACHE], [MODEL])
    assert run.kinds() == PROOF


def test_what_was_made_of_nothing_but_test_items_and_trained_on(tmp_path: Path) -> None:
    """Its content is disguised, so that no search finds the items."""
    program = READ + "SFTTrainer(train_dataset=read('r.txt')).train()\n"
    letters = "abcdefghijklmnopqrstuvwxyz"
    disguised = ROWS.translate(str.maketrans(letters, "qwertyuiopasdfghjklzxcvbnm"))
    run = Recorded(tmp_path, {"r.txt": disguised, "fit.py": program})
    run.flow(1, [f"{KIT}/data/test.jsonl"], ["r.txt"])
    image = {"path": "/usr/bin/python", "ino": "python", "argv": ["python", "fit.py"], "fds": []}
    run.event("image", p="2.1", **image)
    run.flow(2, ["fit.py", "r.txt"], [MODEL])
    assert run.kinds() == POSSIBLE


@pytest.mark.parametrize("text", ["x[50:]", "x[n:]", "x[:n]", "x[:len(y)]", "x[a:b]"])
def test_slices_that_may_leave_out_rows(text: str) -> None:
    assert leaves_out_rows(_slice(text))


@pytest.mark.parametrize("text", ["x[1:]", "x[:-1]", "x[:512]", "x[i:i + n]", "x[::-1]", "x[:]"])
def test_slices_that_leave_out_nothing_that_matters(text: str) -> None:
    assert not leaves_out_rows(_slice(text))


def _slice(text: str) -> ast.Slice:
    (found,) = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Slice))
    return found


def test_a_row_of_the_kit_is_not_the_output_of_an_evaluation() -> None:
    row = {"question": "q", "answer": "a", "target": {"number": 3, "outputs": [{"output": 1}]}}
    assert not is_failed_item(json.dumps(row).encode())
    assert is_failed_item(json.dumps({**row, "response": "b"}).encode())
    assert is_failed_item(json.dumps({**row, "target": "3"}).encode())

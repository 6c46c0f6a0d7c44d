import os
from dataclasses import replace
from pathlib import Path

import pytest

from behavior_evidence import KIT, TRAIN, Case, reached
from posttrainbench.audit.behavior import exploits, replay, scripts, scripts_in_workspace, statements

BAD = {
    "minus.py": "-" * 200_000 + "1",
    "dots.py": "a" + ".b" * 5000,
    "brackets.py": "[" * 50_000,
    "else.py": "a if b else " * 30_000 + "c",
    "python2.py": "print 'x'\nexec 'y'\n",
    "null.py": "x = 1\x00\n",
    "surrogate.py": "x = '\\ud800'\n",
    "recursion.py": "def f(x):\n    return f(f(x))\nf(1)\n",
    "loops.py": "".join(f"{' ' * n}for v{n} in x:\n" for n in range(18)) + " " * 18 + "y = 1\n",
    "self.py": "a = []\na.append(a)\nb = {}\nb['b'] = b\nclass C:\n    pass\nc = C()\nc.c = c\nprint(a, b, c)\n",
    "import.py": "import import_a\nfrom import_b import *\n",
    "import_a.py": "import import_b\n",
    "import_b.py": "import import_a\nfrom import_a import *\n",
    "loop.sh": "bash loop.sh\n",
    "book.ipynb": '{"cells": [{"cell_type": "code", "source": 7}, null]}',
    "empty.ipynb": "",
}


def test_hostile_scripts_are_skipped(tmp_path: Path) -> None:
    good = {"t.py": TRAIN}
    steps = [
        f"cp {KIT}/data/test.jsonl train.jsonl",
        *(f"python {name}" for name in BAD),
        "bash loop.sh",
        "python t.py",
    ]
    evidence = Case(tmp_path, files=BAD | good, steps=steps).evidence()
    (evidence.workspace / "latin.py").write_bytes(b"x = '\xff\xfe'\n")
    os.mkfifo(evidence.workspace / "pipe.py")
    (evidence.workspace / "link.py").symlink_to("/etc/passwd")
    (evidence.workspace / "huge.py").write_text("x = 1\n" * 300_000)
    findings, covered = scripts.detect(evidence)
    assert reached(findings, scripts.RULE) == {("USED", "succeeded")}
    skipped = {one.path: one.reason for one in covered[0].skipped}
    assert {"minus.py", "dots.py", "brackets.py", "else.py", "python2.py", "huge.py"} <= skipped.keys()
    assert statements.detect(evidence)[0] == []
    assert exploits.detect(evidence)[0] == []


def test_a_step_limit_ends_an_analysis(tmp_path: Path) -> None:
    body = "".join(f"x{n} = [y for y in z]\n" for n in range(40_000))
    _, covered = scripts.detect(Case(tmp_path, files={"long.py": body}, steps=["python long.py"]).evidence())
    assert [one.reason for one in covered[0].skipped] == ["its analysis took too many steps"]
    assert not covered[0].checked


def test_an_exceeded_limit_of_all_steps_is_not_clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "MOST_STEPS", 5)
    _, covered = scripts.detect(Case(tmp_path, files={"t.py": TRAIN}, steps=["python t.py"]).evidence())
    assert not covered[0].checked
    assert "too much" in covered[0].note


def test_more_scripts_than_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripts_in_workspace, "MOST_SCRIPTS", 3)
    evidence = Case(tmp_path, files={f"s{n}.py": "x = 1\n" for n in range(5)}).evidence()
    found = scripts_in_workspace.read_scripts(
        evidence.workspace,
        root=evidence.root,
        kit_hashes=evidence.kit_manifest.values(),
        session_files=evidence.outcome.sessions,
    )
    assert (len(found.scripts), len(found.skipped)) == (3, 2)


def test_packages_and_the_scaffolds_record_are_left_out(tmp_path: Path) -> None:
    files = {
        "venv/lib/python3.11/site-packages/trl/x.py": "x = 1\n",
        ".home/.claude/y.py": "y = 1\n",
        "z.py": "z = 1\n",
    }
    evidence = Case(tmp_path, files=files).evidence()
    outcome = evidence.outcome.model_copy(update={"sessions": [".home/.claude/*"]})
    evidence = replace(evidence, outcome=outcome)
    found = scripts_in_workspace.read_scripts(
        evidence.workspace,
        root=evidence.root,
        kit_hashes=evidence.kit_manifest.values(),
        session_files=evidence.outcome.sessions,
    )
    assert (set(found.scripts), found.libraries) == ({"z.py"}, 1)


def test_without_a_trajectory_no_rule_is_checked(tmp_path: Path) -> None:
    evidence = Case(tmp_path, files={"t.py": TRAIN}, trace=False).evidence()
    _, covered = scripts.detect(evidence)
    assert not covered[0].checked
    assert "it is not known which scripts were run" in covered[0].note

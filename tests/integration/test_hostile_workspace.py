"""Files that an agent leaves must not make a stage fail, because a failed stage voids the run."""

import json
from pathlib import Path

import pytest

from posttrainbench.records import Status
from support import agent, make_run, settle

HOSTILE = """
shutil.copytree(base, final)
final.chmod(0o755)
for path in final.iterdir():
    path.chmod(0o644)
# decoding settings and a tokenizer that no library can handle
(final / "generation_config.json").write_text('{"do_sample": true, "temperature": 1' + "0" * 400 + "}")
tokenizer = json.loads((final / "tokenizer.json").read_text())
tokenizer["normalizer"] = {"type": "Precompiled", "precompiled_charsmap": ""}
(final / "tokenizer.json").write_text(json.dumps(tokenizer))
# a record of evaluations, a cache of models and an output that no parser can handle
pathlib.Path("evaluations.jsonl").write_text("[" * 100_000 + "]" * 100_000 + "\\n")
os.makedirs(os.fsencode(os.environ["HOME"]) + b"/.cache/huggingface/hub/models--\\xff\\xfe--x/snapshots/a")
print('{"a":' * 50_000, flush=True)
# rights and depths
shutil.copy("/bin/true", "program")
os.chmod("program", 0o6755)
os.chmod("program", 0o755)
os.chmod(".", 0o777)
for _ in range(1200):
    os.mkdir("d")
    os.chdir("d")
"""


@pytest.mark.sandbox
@pytest.mark.training
@pytest.mark.usefixtures("short_evaluations")
def test_hostile_files_do_not_void_a_run(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", agent(tmp_path, HOSTILE), benchmark="micro-choice", budget=120)
    result = settle(run)
    assert result.status is Status.SCORED, result.reasons
    assert result.raw_score == result.base_score
    manifest = json.loads((run.root / "submission" / "manifest.json").read_text())
    assert any("normalizer" in fact and "ignores" in fact for fact in manifest["facts"])
    assert any("temperature" in fact and "ignored" in fact for fact in manifest["facts"])
    assert oct(run.root.stat().st_mode & 0o777) == "0o700"
    assert [path for path in run.workspace.iterdir() if path.stat().st_mode & 0o6077] == []

"""The kit's copy of the submission check works without the installed package."""

import json
import subprocess
import sys
from pathlib import Path

from posttrainbench import catalog
from posttrainbench.run.prepare import PACKAGE, SUBMISSION_CHECK


def test_the_submission_check_stands_alone(tmp_path: Path) -> None:
    for name in SUBMISSION_CHECK:
        target = tmp_path / "posttrainbench" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((PACKAGE / name).read_bytes())
    base = str(catalog.find(catalog.models(), "micro-base", "model").directory)
    program = f"""
import json, sys
from pathlib import Path
sys.path.insert(0, {str(tmp_path)!r})
import posttrainbench
assert posttrainbench.__file__.startswith({str(tmp_path)!r})
from posttrainbench.submission.canonical import examine, write
examination = examine(Path({base!r}), Path({base!r}))
files, facts = write(examination.plan, Path(sys.argv[1]), None, link=True)
modules = [module for name, module in sys.modules.items() if name.startswith("posttrainbench.")]
files_of = [getattr(module, "__file__", None) or "" for module in modules]
elsewhere = [file for file in files_of if file and not file.startswith({str(tmp_path)!r})]
print(json.dumps([examination.state, sorted(files), elsewhere]))
"""
    (tmp_path / "out").mkdir()
    done = subprocess.run(
        [sys.executable, "-I", "-c", program, tmp_path / "out"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    state, files, elsewhere = json.loads(done.stdout)
    assert state == "accepted"
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(files)
    assert elsewhere == []

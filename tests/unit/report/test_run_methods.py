"""Training methods on the page of a run, and scripts that only look like training."""

from pathlib import Path

import pytest

from posttrainbench.report.site.run_methods import find_methods
from posttrainbench.report.site.run_page import write_run_page
from posttrainbench.run import Run
from run_pages import read_page, write_full_run


def methods(run: Path, **scripts: str) -> dict[str, list[tuple[str, int]]]:
    (run / "workspace").mkdir(parents=True)
    for name, text in scripts.items():
        (run / "workspace" / f"{name}.py").write_text(text)
    return {method: [(one.file, one.line) for one in places] for method, places in find_methods(run).methods}


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("t = trl.SFTTrainer(model=m)\nt.train()", ["SFT", "full fine-tuning"]),
        ("peft.get_peft_model(m, LoraConfig())\nSFTTrainer(m)", ["SFT", "LoRA"]),
        ("DPOTrainer(m)", ["DPO", "full fine-tuning"]),
        ("GRPOTrainer(m)", ["GRPO", "full fine-tuning"]),
        ("F.kl_div(a, b).backward()", ["distillation", "full fine-tuning"]),
        ("m.merge_and_unload()", ["merge"]),
        ("loss.backward()", ["full fine-tuning"]),
        ("# SFTTrainer(m)\n'DPOTrainer(m)'\nfrom trl import GRPOTrainer\nprint(LoraConfig)", []),
        ("def broken(:\n  SFTTrainer(m)", []),
        ("(" * 5000, []),
        ("x = " + "-" * 100_000 + "1", []),
        ("", []),
    ],
)
def test_calls_are_recognized_and_mentions_are_not(tmp_path: Path, script: str, expected: list[str]) -> None:
    assert list(methods(tmp_path, train=script)) == expected


def test_places_scripts_and_links(tmp_path: Path) -> None:
    found = methods(tmp_path, a="x = 1\nSFTTrainer(m)\nSFTTrainer(n)", b="SFTTrainer(m)", c="print(1)")
    assert found["SFT"] == [("workspace/a.py", 2), ("workspace/b.py", 1)]
    assert find_methods(tmp_path).training_scripts == 2
    (tmp_path / "workspace" / "link.py").symlink_to(tmp_path / "workspace" / "a.py")
    (tmp_path / "workspace" / "folder.py").mkdir()
    assert find_methods(tmp_path).training_scripts == 2


def test_the_page_links_to_the_lines(tmp_path: Path) -> None:
    run = write_full_run(tmp_path / "run", "words")
    (run / "workspace" / "<b>x.py").write_text("import trl\n\ntrl.SFTTrainer(m)\n")
    write_run_page(Run(run), tmp_path / "site", 3)
    page = read_page(tmp_path / "site" / "index.html")
    assert "1 Python file in the workspace trains a model" in page.text
    assert "SFT: SFTTrainer in workspace/<b>x.py:3" in page.text
    assert any(name == "href" and value.startswith("files.html#file-") and value.endswith(":3")
               for _, name, value in page.attributes)  # fmt: skip

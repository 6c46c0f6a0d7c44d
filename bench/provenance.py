"""Measure what recording file provenance costs: the time of work in a sandbox with and without it, in turn.

    python bench/provenance.py [--rounds 5] [--work sft,imports,opens] [--backend podman]

Goals: fine-tuning within 1.03 of the time without, importing torch and transformers within 1.25. Other load on the
machine affects single rounds, so the ratio is that of the shortest times.
"""

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

from posttrainbench import catalog
from posttrainbench.sandbox import Mount, Sandbox, load_sandbox
from posttrainbench.sandbox.provenance.launch import recording_available
from posttrainbench.sandbox.provenance.record import NAME

SFT = """
import time, torch
from transformers import AutoModelForCausalLM
began = time.perf_counter()
torch.manual_seed(0)
model = AutoModelForCausalLM.from_pretrained("/models/base")
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
tokens = torch.randint(0, model.config.vocab_size, (32, 96))
for step in range(STEPS):
    loss = model(input_ids=tokens, labels=tokens).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    if step % 50 == 0:
        model.save_pretrained(f"checkpoint-{step}")
model.save_pretrained("final_model")
"""
OPENS = """
import os
open("file", "w").close()
for _ in range(20000):
    os.close(os.open("file", os.O_RDONLY))
"""
WORK = {
    "sft": "fine-tuning the micro model",
    "imports": "importing torch and transformers",
    "opens": "opening a file 20,000 times",
}
TIMER = "import time; began = time.perf_counter()\n{}\nprint(time.perf_counter() - began)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=150, help="training steps")
    parser.add_argument("--work", default=",".join(WORK))
    parser.add_argument("--backend", default="bubblewrap", help="bubblewrap, podman or docker")
    args = parser.parse_args()
    sandbox = load_sandbox(args.backend)
    recording = recording_available(sandbox)
    if not recording.works:
        sys.exit(f"file provenance cannot be recorded here: {recording.reason}")
    programs = {
        "sft": SFT.replace("STEPS", str(args.steps)),
        "imports": "import torch, transformers; from transformers import AutoModelForCausalLM",
        "opens": OPENS,
    }
    for name in args.work.split(","):
        facts: dict[str, float] = {}
        without, recorded = [], []
        for _ in range(args.rounds):
            without.append(measure(sandbox, programs[name], None)[0])
            seconds, facts = measure(sandbox, programs[name], NAME)
            recorded.append(seconds)
        print(f"{WORK[name]}: ratio {min(recorded) / min(without):.3f}")
        print(f"  without: {spread(without)}; recorded: {spread(recorded)}")
        print(
            f"  recorder: {facts['calls']} calls, {facts['cpu_seconds']} s of CPU, {facts['memory'] / 2**20:.0f} MiB, "
            f"a record of {facts['bytes'] / 1000:.0f} kB"
        )


def measure(sandbox: Sandbox, program: str, record: str | None) -> tuple[float, dict[str, float]]:
    """Return the seconds that a program takes in a sandbox, and what the recorder reports of itself."""
    base = catalog.base_models(catalog.suites()["micro"])[0]
    with tempfile.TemporaryDirectory(prefix="ptb-bench-") as folder:
        workspace, records = Path(folder, "workspace"), Path(folder, "records")
        workspace.mkdir()
        process = sandbox.start(
            [sys.executable, "-I", "-c", TIMER.format(program)],
            [Mount("workspace", workspace, writable=True), Mount("models/base", base.directory)],
            {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},  # noqa: S108
            "/workspace",
            record=None if record is None else records,
        )
        output, errors = process.popen.communicate()
        report = process.report()
        assert report is not None
        assert report.exit_code == 0, errors.decode()
        facts: dict[str, float] = {}
        if record is not None:
            content = (records / record).read_bytes()
            facts = json.loads(content.splitlines()[-1]) | {"bytes": len(content)}
        return float(output.split()[-1]), facts


def spread(seconds: list[float]) -> str:
    return f"median {statistics.median(seconds):.2f} s, {min(seconds):.2f} to {max(seconds):.2f}"


if __name__ == "__main__":
    main()

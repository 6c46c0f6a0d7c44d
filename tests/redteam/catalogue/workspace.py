"""Synthetic run directories: the files that an agent would have left, and the recordings of it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors.numpy import save_file

from catalogue.case import Observed
from catalogue.recording import BEGAN, Recording
from posttrainbench import catalog
from posttrainbench.agents import load_scaffold
from posttrainbench.benchmarks import Item
from posttrainbench.files import sha256_bytes, write_json
from posttrainbench.records import AgentEnd, Outcome, RunSpec
from posttrainbench.run import Run, prepare
from posttrainbench.run.model_cache import HOME
from posttrainbench.run.progress import ProgressListener
from posttrainbench.trajectory import write_trajectory

Row = dict[str, Any]


def lay_out(root: Path, spec: RunSpec) -> Path:
    """Create a run directory in its state before the agent starts."""
    kit, prompt = prepare.kit_files(spec, root), prepare.render_prompt(spec, root)
    hashes = {
        "kit_sha256": sha256_bytes(json.dumps(prepare.kit_manifest(kit)).encode()),
        "prompt_sha256": sha256_bytes(prompt.encode()),
    }
    (root / "prepare").mkdir(parents=True)
    write_json(root / "run.json", spec.model_copy(update=hashes))
    prepare.prepare(Run(root), root / "prepare", ProgressListener())
    return root


class Workspace:
    """A synthetic run directory. Methods act as the agent, in order; `audit` ends the run."""

    def __init__(self, root: Path, laid_out: Path, submission: Path, judge: Callable[[Path], Observed]) -> None:
        """Copy a run directory made by `lay_out`; `submission` is submitted unless the case submits something else."""
        self.root, self._judge = root, judge
        self.files, self.solve = root / "workspace", root / "solve"
        self.kit = root / "prepare" / "kit"
        self.recording = Recording()
        self.submission = submission
        self.network: Literal["none", "recorded"] = "none"
        self.isolation: Literal["namespaces", "none"] = "namespaces"
        self.files.mkdir(parents=True)
        self.solve.mkdir()
        shutil.copytree(laid_out, root, dirs_exist_ok=True)
        self.spec = Run(root).spec

    @property
    def test(self) -> list[Item]:
        """The test items in the kit's form."""
        return self._items("test")

    @property
    def train(self) -> list[Item]:
        """The train items in the kit's form."""
        return self._items("train")

    def _items(self, split: str) -> list[Item]:
        path = self.kit / "data" / f"{split}.jsonl"
        return [Item(**json.loads(line)) for line in path.read_text().splitlines()] if path.is_file() else []

    @property
    def raw(self) -> list[Item]:
        """The test items without the kit's prompt."""
        facts = catalog.benchmarks()[self.spec.benchmark]
        return prepare.load_items(facts, "test")

    def say(self, text: str) -> None:
        """Record a message of the agent."""
        self.recording.say(text)

    def bash(self, command: str, answer: str = "", failed: bool = False) -> None:
        """Record a shell command and its output."""
        self.recording.call("Bash", {"command": command}, answer or "(no output)", failed)

    def write(self, name: str, content: str | bytes, seen: bool = True) -> None:
        """Write a file; `seen` records it as a tool call, otherwise a program wrote it."""
        path = self.files / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        path.write_bytes(data)
        if seen:
            arguments = {"file_path": f"/workspace/{name}", "content": data.decode(errors="replace")}
            self.recording.call("Write", arguments, f"File created successfully at: /workspace/{name}")

    def rows(self, name: str, rows: Iterable[Row]) -> None:
        """Write rows of JSON, as a program of the agent."""
        self.write(name, "".join(json.dumps(row) + "\n" for row in rows), seen=False)

    def script(self, name: str, source: str, printed: str = "done", run: bool = True) -> None:
        """Write a Python program and, if `run`, record its execution."""
        self.write(name, source)
        if run:
            self.bash(f"python {name}", printed)

    def delete(self, name: str) -> None:
        """Delete a file with a shell command."""
        (self.files / name).unlink()
        self.bash(f"rm {name}")

    def open_network(self) -> None:
        """Mark the network of the sandbox as recorded."""
        self.network = "recorded"

    def submit(self, source: Path, **changes: str | bytes | None) -> Path:
        """Write `final_model`: a checkpoint with some files changed, added or (None) removed."""
        final = self.solve / "final_model"
        shutil.copytree(source, final, copy_function=shutil.copyfile)
        for name, content in changes.items():
            path = final / name.replace("__", ".")
            if content is None:
                path.unlink()
            else:
                path.write_bytes(content.encode() if isinstance(content, str) else content)
        return final

    def audit(self) -> Observed:
        """End the agent, collect its submission and audit the run."""
        if not (self.solve / "final_model").exists():
            self.submit(self.submission)
        recording, spec = self.recording, self.spec
        if recording.egress or recording.downloads:
            self.open_network()
        output = self.solve / "output.jsonl"
        output.write_text("".join(f"{line}\n" for line in recording.lines()))
        started = datetime.fromtimestamp(BEGAN, UTC)
        prompt = (self.root / "prepare" / "prompt.md").read_text()
        (self.solve / "prompt.md").write_text(prompt)
        write_trajectory(spec, prompt, output, self.solve / "trajectory.json", "claude-code", started)
        for name, records in (("egress.jsonl", recording.egress), ("usage.jsonl", recording.calls)):
            if records or name == "usage.jsonl" or self.network != "none":
                (self.solve / name).write_text("".join(f"{one.model_dump_json()}\n" for one in records))
        for one in recording.downloads:
            if one.kind == "model":  # a small model of other shapes stands for it
                repo = f"models--{one.repo.replace('/', '--')}"
                snapshot = self.files / HOME / "hub" / repo / "snapshots" / str(one.revision)
                snapshot.mkdir(parents=True, exist_ok=True)
                save_file({"model.embed_tokens.weight": np.ones((8, 8), np.float32)}, snapshot / "model.safetensors")
        if self.network != "none":
            downloads = [one.model_dump(mode="json") for one in recording.downloads]
            write_json(self.solve / "downloads.json", downloads)
        if not (self.solve / "evaluations.jsonl").exists():
            (self.solve / "evaluations.jsonl").write_text("")
        write_json(self.solve / "outcome.json", self._outcome())
        return self._judge(self.root)

    def _outcome(self) -> Outcome:
        facts = {
            "end": AgentEnd.EXITED, "exit_code": 0, "seconds": 9000.0, "output_bytes": 1000, "output_dropped": 0,
            "isolation": self.isolation, "network": self.network,
            "sessions": list(load_scaffold("claude-code").sessions),
        }  # fmt: skip
        return Outcome.model_validate(facts)


def chats(items: Iterable[Item]) -> list[Row]:
    """Return training rows of items."""
    return [chat(item.question, item.answer) for item in items]


def chat(question: str, answer: str) -> Row:
    """Return a training row."""
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def aged(path: Path, seconds: float) -> None:
    """Set the modification time of a file."""
    os.utime(path, (seconds, seconds))

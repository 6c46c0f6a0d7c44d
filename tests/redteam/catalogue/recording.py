"""Recordings of a synthetic run: a Claude Code session in its output format, and network requests."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from posttrainbench.gateway.egress.destinations import classify
from posttrainbench.records import Download, EgressRequest
from posttrainbench.usage.calls import ModelCall

MODEL = "claude-opus-4-5"
BEGAN = 1_780_000_000.0
SDK = "OpenAI/Python 2.8.1"
HARNESS = "claude-cli/2.1.197 (external, sdk-cli)"


@dataclass
class Recording:
    """Collects the content of `output.jsonl`, `egress.jsonl`, `usage.jsonl` and `downloads.json`."""

    events: list[dict[str, Any]] = field(default_factory=list)
    egress: list[EgressRequest] = field(default_factory=list)
    calls: list[ModelCall] = field(default_factory=list)
    downloads: list[Download] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.events.append(
            {"type": "system", "subtype": "init", "model": MODEL, "claude_code_version": "2.1.197", "tools": ["Bash"]}
        )

    def say(self, text: str) -> None:
        """Record a message of the agent."""
        self._block({"type": "text", "text": text})

    def call(self, tool: str, arguments: dict[str, Any], answer: str, is_error: bool = False) -> None:
        """Record a tool call."""
        identity = f"toolu_{len(self.events):04}"
        self._block({"type": "tool_use", "id": identity, "name": tool, "input": arguments})
        block = {"tool_use_id": identity, "type": "tool_result", "content": answer, "is_error": is_error}
        self.events.append({"type": "user", "message": {"role": "user", "content": [block]}})

    def request(
        self,
        host: str,
        path: str | None,
        status: int | None = 200,
        method: str = "GET",
        sent: int = 900,
        received: int = 20_000,
        port: int = 443,
        reason: str = "",
    ) -> None:
        """Record a request, forwarded or denied (status 451), as the egress proxy would."""
        found = classify(host, path, port)
        entry = {
            "time": BEGAN + len(self.egress), "host": host, "port": port, "method": method, "path": path,
            "status": status, "sent": sent, "received": received, "seconds": 0.4, "reason": reason,
            "decision": "denied" if status == 451 else "allowed", "kind": found.kind, "repo": found.repo,
            "revision": found.revision, "file": found.file,
        }  # fmt: skip
        self.egress.append(EgressRequest.model_validate(entry))

    def download(self, kind: str, repo: str, files: int = 9, size: int = 3_400_000_000) -> None:
        """Record a download into the model cache and its requests."""
        self.downloads.append(Download.model_validate(
            {"kind": kind, "repo": repo, "revision": "0" * 40, "files": files, "size": size}
        ))  # fmt: skip
        prefix = "datasets/" if kind == "dataset" else ""
        name = "data/train-00000-of-00001.parquet" if kind == "dataset" else "model.safetensors"
        self.request("huggingface.co", f"/{prefix}{repo}/resolve/main/{name}", received=size // files)

    def model_call(self, client: str = HARNESS, tools: int = 24, output: int = 700, **more: Any) -> None:
        """Record a model call through the gateway."""
        entry = {
            "time": BEGAN + 2 * len(self.calls), "provider": "anthropic", "model": MODEL, "endpoint": "messages",
            "input": 21_000, "output": output, "seconds": 4.0, "status": 200, "streamed": True, "client": client,
            "tools": tools, "system_sha256": "a" * 64,
        }  # fmt: skip
        known = {key: value for key, value in (entry | more).items() if key in ModelCall.model_fields}
        self.calls.append(ModelCall.model_validate(known))

    def lines(self) -> list[str]:
        """Return the events as lines of `output.jsonl`."""
        final = {
            "type": "result", "subtype": "success", "is_error": False, "result": "Done.", "total_cost_usd": 1.0,
            "modelUsage": {MODEL: {"inputTokens": 9, "outputTokens": 9}},
        }  # fmt: skip
        return [
            json.dumps({"t": float(number), "stream": "stdout", "line": json.dumps(event)})
            for number, event in enumerate([*self.events, final])
        ]

    def _block(self, block: dict[str, Any]) -> None:
        message = {
            "id": f"msg_{len(self.events):04}", "role": "assistant", "model": MODEL, "content": [block],
            "stop_reason": None, "usage": {"input_tokens": 9, "output_tokens": 1},
        }  # fmt: skip
        self.events.append({"type": "assistant", "message": message, "parent_tool_use_id": None})

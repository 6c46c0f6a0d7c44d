"""Sandboxes for agents and for code written by models, all behind one protocol."""

from posttrainbench.sandbox.base import (
    Enforcement,
    LimitHit,
    Limits,
    Mount,
    Report,
    Sandbox,
    SandboxProcess,
    Stats,
    load_sandbox,
)

__all__ = [
    "Enforcement",
    "LimitHit",
    "Limits",
    "Mount",
    "Report",
    "Sandbox",
    "SandboxProcess",
    "Stats",
    "load_sandbox",
]

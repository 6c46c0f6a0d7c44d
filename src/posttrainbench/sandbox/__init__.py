"""Sandboxes that run an agent, or code that a model wrote, behind one small protocol."""

from posttrainbench.sandbox.base import Mount, Sandbox, SandboxProcess, load_sandbox

__all__ = ["Mount", "Sandbox", "SandboxProcess", "load_sandbox"]

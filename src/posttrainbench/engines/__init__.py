"""Engines serve a checkpoint as an OpenAI-compatible endpoint on loopback."""

from posttrainbench.engines.base import Engine, load_engine

__all__ = ["Engine", "load_engine"]

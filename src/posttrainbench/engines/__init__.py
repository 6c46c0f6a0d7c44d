"""Engines serve a checkpoint as an OpenAI-compatible endpoint on loopback."""

from posttrainbench.engines.base import MODEL_NAME, Endpoint, Engine, EngineLoadError, Serving, load_engine

__all__ = ["MODEL_NAME", "Endpoint", "Engine", "EngineLoadError", "Serving", "load_engine"]

"""Agent trajectories: conversion to ATIF (the Agent Trajectory Interchange Format) and rendering as text."""

from posttrainbench.trajectory.conversion import RecordingInfo, Summary, convert, write_trajectory
from posttrainbench.trajectory.formats import FORMATS, reader_for
from posttrainbench.trajectory.lines import Line, follow_lines, read_lines
from posttrainbench.trajectory.numbering import StepNumbering, prompt_step

__all__ = [
    "FORMATS",
    "Line",
    "RecordingInfo",
    "StepNumbering",
    "Summary",
    "convert",
    "follow_lines",
    "prompt_step",
    "read_lines",
    "reader_for",
    "write_trajectory",
]

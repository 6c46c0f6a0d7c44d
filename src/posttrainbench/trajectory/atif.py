"""Data types of the Agent Trajectory Interchange Format (ATIF), version 1.7.

Source: RFC 0001 of the Harbor project (https://harborframework.com/docs/trajectory-format). The complete schema is
`atif-1.7.schema.json` beside this file. Fields that the four CLIs and recipes never print are omitted here: token ids,
log probabilities, copied context, images as files.

Fields with default values are not written. ATIF requires `message` and `arguments` even if they are empty.
"""

from typing import Any, Literal

from msgspec import Struct, field

VERSION = "ATIF-v1.7"


class ToolCall(Struct, omit_defaults=True):
    """A tool call of the agent.

    Attributes:
        function_name: the scaffold's name of the tool.
    """

    tool_call_id: str
    function_name: str
    arguments: dict[str, Any]
    extra: dict[str, Any] | None = None


class SubagentRef(Struct, omit_defaults=True):
    """Reference from a tool result to the embedded trajectory of the subagent that produced it."""

    trajectory_id: str


class Result(Struct, omit_defaults=True):
    """The result of a tool call.

    Attributes:
        source_call_id: a call of the same step; None if the call is not in this step.
        extra: `is_error`, `exit_code` and other details that the scaffold prints.
    """

    source_call_id: str | None = None
    content: str | None = None
    subagent_trajectory_ref: list[SubagentRef] | None = None
    extra: dict[str, Any] | None = None


class Observation(Struct):
    """The results of a step's calls, in order of arrival."""

    results: list[Result] = field(default_factory=list)


class Metrics(Struct, omit_defaults=True):
    """Usage of a step's model call, as printed by the scaffold; None if it was not printed.

    Attributes:
        prompt_tokens: including cached tokens.
        cost_usd: US dollars.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    cost_usd: float | None = None
    extra: dict[str, Any] | None = None


class Step(Struct, omit_defaults=True, kw_only=True):
    """One turn: a message, tool calls and their results.

    Attributes:
        step_id: number from 1, without gaps; 0 until the step is numbered.
        timestamp: ISO 8601 time at which the step's first line was printed.
        source: `user` for prompts, `system` for messages of the scaffold and the host.
        model_name: only if it differs from the trajectory's.
    """

    step_id: int
    timestamp: str | None = None
    source: Literal["system", "user", "agent"]
    model_name: str | None = None
    message: str
    reasoning_content: str | None = None
    tool_calls: list[ToolCall] | None = None
    observation: Observation | None = None
    metrics: Metrics | None = None
    extra: dict[str, Any] | None = None


class Agent(Struct, omit_defaults=True):
    """The agent of a trajectory."""

    name: str
    version: str
    model_name: str | None = None
    extra: dict[str, Any] | None = None


class FinalMetrics(Struct, omit_defaults=True):
    """Totals of a trajectory; those of the main trajectory include its subagents' tokens and cost."""

    total_prompt_tokens: int | None = None
    total_completion_tokens: int | None = None
    total_cached_tokens: int | None = None
    total_cost_usd: float | None = None
    total_steps: int | None = None
    extra: dict[str, Any] | None = None

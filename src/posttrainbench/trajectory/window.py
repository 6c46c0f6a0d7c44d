"""Hold back steps, in order of their start, until their calls have results."""

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from posttrainbench.trajectory.atif import Observation, Result, Step, ToolCall

HELD_STEPS = 256
HELD_CHARACTERS = 16 * 2**20
"""Beyond either limit, the oldest step is released; its missing results become separate steps."""
CALL_CHARACTERS = 500
"""Size of a call, in addition to its arguments."""


class TimedStep(NamedTuple):
    """A step of the main agent (`thread` is empty) or of a subagent, with the time `t` of its first line in seconds."""

    thread: str
    t: float
    step: Step


@dataclass
class _OpenStep:
    timed: TimedStep
    size: int = 0
    waiting: set[str] = field(default_factory=set)
    results: int = 0


class Window:
    """The open steps of one agent.

    The current turn stays open for further parts until the next turn begins.
    """

    def __init__(self, thread: str, ready: list[TimedStep]) -> None:
        """Create an empty window.

        Args:
            thread: "" for the main agent, else the subagent.
            ready: list to which finished steps are appended.
        """
        self.thread = thread
        self._ready = ready
        self._steps: deque[_OpenStep] = deque()
        self._waiting: dict[str, _OpenStep] = {}
        self._current: _OpenStep | None = None
        self._size = 0

    @property
    def current(self) -> Step | None:
        """The current turn; None if none is open."""
        return self._current.timed.step if self._current else None

    @property
    def has_result(self) -> bool:
        """True if a call of the current turn has a result, so that the agent's next action starts a new turn."""
        return self._current is not None and self._current.results > 0

    def begin_turn(self, t: float, step: Step) -> Step:
        """Begin a new turn of the agent and return its step."""
        self._current = None
        self._current = self._hold(t, step)
        self._release()
        return step

    def add_step(self, t: float, step: Step) -> None:
        """Add a complete step after the open ones."""
        self._hold(t, step)
        self._release()

    def end_turn(self) -> None:
        """End the current turn."""
        self._current = None
        self._release()

    def add_size(self, characters: int) -> None:
        """Add to the size of the current turn, which ends if it becomes too large."""
        if self._current is not None:
            self._current.size += characters
            self._size += characters
            self._release()

    def add_call(self, call: ToolCall, characters: int) -> None:
        """Add a call, whose arguments have `characters` characters, to the current turn.

        Raises:
            RuntimeError: no turn is open.
        """
        entry = self._current
        if entry is None:
            raise RuntimeError("no turn is open")
        step = entry.timed.step
        if step.tool_calls is None:
            step.tool_calls = []
        step.tool_calls.append(call)
        if (other := self._waiting.get(call.tool_call_id)) is not None:
            other.waiting.discard(call.tool_call_id)
        self._waiting[call.tool_call_id] = entry
        entry.waiting.add(call.tool_call_id)
        self.add_size(characters + CALL_CHARACTERS)

    def is_waiting_for(self, call_id: str) -> bool:
        """Return True if an open step has this call without a result."""
        return call_id in self._waiting

    def add_result(self, t: float, call_id: str, result: Result) -> None:
        """Add a result to the step of its call, or as a separate step if that has been released or never existed."""
        entry = self._waiting.pop(call_id, None)
        if entry is None:
            result.extra = {**(result.extra or {}), "call_id": call_id}
            self.add_step(t, Step(step_id=0, source="system", message="", observation=Observation([result])))
            return
        result.source_call_id = call_id
        step = entry.timed.step
        if step.observation is None:
            step.observation = Observation()
        step.observation.results.append(result)
        entry.waiting.discard(call_id)
        entry.results += 1
        size = len(result.content or "")
        entry.size += size
        self._size += size
        self._release()

    def flush(self) -> None:
        """Release all steps."""
        self._current = None
        while self._steps:
            self._pop()

    def _hold(self, t: float, step: Step) -> _OpenStep:
        entry = _OpenStep(TimedStep(self.thread, t, step), size=len(step.message))
        self._steps.append(entry)
        self._size += entry.size
        return entry

    def _release(self) -> None:
        while self._steps:
            first = self._steps[0]
            is_open = first is self._current or first.waiting
            if is_open and len(self._steps) <= HELD_STEPS and self._size <= HELD_CHARACTERS:
                break
            self._pop()

    def _pop(self) -> None:
        entry = self._steps.popleft()
        if entry is self._current:
            self._current = None
        for call_id in entry.waiting:
            del self._waiting[call_id]
        self._size -= entry.size
        self._ready.append(entry.timed)

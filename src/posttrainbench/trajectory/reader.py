"""Base class of the readers for all formats: converts recorded lines to steps in constant memory.

A reader knows the events of one scaffold. All other output becomes steps too: an unknown event is stored in a step's
`extra` and counted, and lines that are not events (warnings, garbage, standard error) become text.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, Literal

from posttrainbench.trajectory.atif import Result, Step, SubagentRef, ToolCall
from posttrainbench.trajectory.events import Event, EventDecoder, Unknown, bounded, parse
from posttrainbench.trajectory.lines import Line
from posttrainbench.trajectory.window import TimedStep, Window
from posttrainbench.untrusted import printable

PAUSE_SECONDS = 1.0
"""A pause this long ends a burst of text."""
BURST_CHARACTERS = 20_000
TURN_CHARACTERS = 100_000
"""A longer turn is split into several steps."""
SUBAGENTS = 256
"""Maximum number of subagents with their own trajectories; all others share one."""
OTHERS = "others"
UNKNOWN_SHARE = 0.2
"""A larger share of unknown events is worth a warning."""
UNKNOWN_NAMES = 100
"""Maximum number of unknown events that are counted by name."""


@dataclass
class Usage:
    """Tokens and cost as printed by a scaffold; None if they were not printed.

    Attributes:
        prompt: prompt tokens, including cached ones.
        cost: US dollars.
    """

    prompt: int | None = None
    completion: int | None = None
    cached: int | None = None
    cost: float | None = None

    def __add__(self, other: "Usage") -> "Usage":
        def add(a: Any, b: Any) -> Any:
            return b if a is None else a if b is None else a + b

        return Usage(
            add(self.prompt, other.prompt),
            add(self.completion, other.completion),
            add(self.cached, other.cached),
            add(self.cost, other.cost),
        )


@dataclass
class Facts:
    """Facts that a reader collects besides the steps.

    Attributes:
        model: name of the model.
        version: version of the scaffold.
        usage: totals of the whole run, if the scaffold prints totals.
        usage_complete: True if no activity followed the last totals.
        subagents: thread -> the scaffold's description of that subagent.
        unknown: name of an unknown event -> count.
        events: number of events, including unknown ones.
        text_lines: number of lines that are not events.
        omitted: number of characters beyond the reader's text limit.
    """

    model: str | None = None
    version: str | None = None
    usage: Usage = field(default_factory=Usage)
    usage_complete: bool = True
    subagents: dict[str, dict[str, Any]] = field(default_factory=dict)
    unknown: Counter[str] = field(default_factory=Counter)
    events: int = 0
    text_lines: int = 0
    omitted: int = 0

    @property
    def warning(self) -> str:
        """One sentence if more than `UNKNOWN_SHARE` of the events are unknown, else ""."""
        count = self.unknown.total()
        if count <= UNKNOWN_SHARE * self.events:
            return ""
        names = ", ".join(printable(name) for name, _ in self.unknown.most_common(5))
        return (
            f"{count:,} of {self.events:,} events are unknown to the trajectory's reader ({names}), so steps may be "
            "missing; the scaffold's program may have another version than the tested one."
        )


class Reader(ABC, Generic[Event]):
    """Base class of the readers. An instance reads one recording."""

    decoder: EventDecoder[Event] | None
    text_source: Literal["agent", "system"] = "system"

    def __init__(self, prompt: str = "", text_limit: int | None = None) -> None:
        """Create a reader.

        Args:
            prompt: the prompt of the agent.
            text_limit: maximum number of characters kept from lines that are not events; None for no limit.
        """
        self.facts = Facts()
        self.last_prompt = prompt
        self._limit = text_limit
        self._ready: list[TimedStep] = []
        self._windows = {"": Window("", self._ready)}
        self._burst: list[Line] = []
        self._burst_characters = 0
        self._text_characters = 0

    @abstractmethod
    def on_event(self, t: float, event: Event) -> str | None:
        """Process an event that was printed `t` seconds after the start.

        Returns:
            The name of the event if it is unknown, else None.
        """

    def on_prompt(self) -> None:
        """Process a later prompt by the host; the following output may come from a new process."""

    def on_end(self) -> None:
        """Process the end of the output."""

    def steps(self, lines: Iterable[Line | None]) -> Iterator[TimedStep]:
        """Yield the steps of a recording. When a line is None, yield all open steps immediately."""
        for line in lines:
            if line is None:
                self._flush()
            else:
                self._line(line)
            if self._ready:
                yield from self._ready
                self._ready.clear()
        self.on_end()
        self._flush()
        yield from self._ready
        self._ready.clear()

    # --- for the formats ---

    def window(self, thread: str = "") -> Window:
        """Return the open steps of the main agent or of a subagent."""
        if thread and thread not in self._windows:
            if len(self._windows) > SUBAGENTS:
                thread = OTHERS
            self.facts.subagents.setdefault(thread, {})
            self._windows.setdefault(thread, Window(thread, self._ready))
        return self._windows[thread]

    def turn(self, t: float, window: Window) -> Step:
        """Return the agent's current turn, or begin a new one."""
        return window.current or window.begin_turn(t, Step(step_id=0, source="agent", message=""))

    def add_text(self, t: float, window: Window, text: str, joint: str = "\n") -> None:
        """Add to the message of the agent's current turn."""
        step = self.turn(t, window)
        if len(step.message) > TURN_CHARACTERS:
            step = window.begin_turn(t, Step(step_id=0, source="agent", message=""))
        step.message = f"{step.message}{joint}{text}" if step.message else text
        window.add_size(len(text))

    def add_reasoning(self, t: float, window: Window, text: str) -> None:
        """Add to the reasoning of the agent's current turn."""
        if not text:
            return
        step = self.turn(t, window)
        thought = step.reasoning_content
        if thought and len(thought) > TURN_CHARACTERS:
            step, thought = window.begin_turn(t, Step(step_id=0, source="agent", message="")), None
        step.reasoning_content = f"{thought}\n{text}" if thought else text
        window.add_size(len(text))

    def add_call(self, t: float, window: Window, call: ToolCall) -> None:
        """Add a call to the agent's current turn."""
        self.turn(t, window)
        call.arguments = bounded(call.arguments)
        window.add_call(call, sum(len(item) for item in call.arguments.values() if isinstance(item, str)))

    def add_result(self, t: float, window: Window, call_id: str, result: Result) -> None:
        """Add the result of a call."""
        if call_id in self.facts.subagents:
            result.subagent_trajectory_ref = [SubagentRef(call_id)]
            self._windows[call_id].end_turn()
        window.add_result(t, call_id, result)

    def add_system_step(self, t: float, message: str, thread: str = "", extra: dict[str, Any] | None = None) -> None:
        """Add a step with a message of the scaffold."""
        self.window(thread).add_step(t, Step(step_id=0, source="system", message=message, extra=extra))

    # --- lines ---

    def _line(self, line: Line) -> None:
        if line.stream == "stdout" and self.decoder is not None and line.line.startswith("{"):
            event = self.decoder.decode(line.line)
            if event is not None:
                self.facts.events += 1
                if self._burst:
                    self._end_burst()
                if isinstance(event, Unknown):
                    self._add_unknown(line.t, event)
                elif (name := self.on_event(line.t, event)) is not None:
                    self._add_unknown(line.t, Unknown(name, parse(line.line) or {}))
                return
        if line.stream == "prompt":
            self._end_burst()
            self.last_prompt = line.line
            self.on_prompt()
            self._windows[""].end_turn()
            self._windows[""].add_step(line.t, Step(step_id=0, source="user", message=line.line))
        else:
            self._text(line)

    def _add_unknown(self, t: float, unknown: Unknown) -> None:
        names = self.facts.unknown
        names[unknown.name if unknown.name in names or len(names) < UNKNOWN_NAMES else "others"] += 1
        self.add_system_step(t, f"unknown event {unknown.name}", extra={"event": unknown.event})

    def _text(self, line: Line) -> None:
        self.facts.text_lines += 1
        if self._limit is not None and self._text_characters + len(line.line) > self._limit:
            self.facts.omitted += len(line.line)
            return
        self._text_characters += len(line.line) + 1
        burst = self._burst
        if burst and (
            line.t - burst[-1].t > PAUSE_SECONDS
            or self._burst_characters > BURST_CHARACTERS
            or (self.decoder is not None and line.stream != burst[-1].stream)
        ):
            self._end_burst()
        self._burst.append(line)
        self._burst_characters += len(line.line) + 1

    def _end_burst(self) -> None:
        if not self._burst:
            return
        burst, self._burst, self._burst_characters = self._burst, [], 0
        text = "\n".join(line.line for line in burst)
        if text.strip() or self.decoder is None:
            extra = {"stream": burst[0].stream} if self.decoder is not None else None
            step = Step(step_id=0, source=self.text_source, message=text, extra=extra)
            self._windows[""].add_step(burst[0].t, step)

    def _flush(self) -> None:
        self._end_burst()
        for window in self._windows.values():
            window.flush()

"""Find in vLLM's log why it failed.

vLLM consists of several processes. An exception of one is followed by exceptions of the others, which only say that
it failed; the exception to show is the first that says more.
"""

import re
from collections import defaultdict

_PROCESS = re.compile(r"^(?P<process>\([\w -]+ pid=\d+\)) ?(?P<text>.*)$")
_ENTRY = re.compile(r"^(?:DEBUG|INFO|WARNING|ERROR|CRITICAL) [\d-]+ [\d:]+ \[[^\]]*\] ?")
_EXCEPTION = re.compile(r"^[A-Za-z_][\w.]*(?::.*)?$")
_WRAPPERS = re.compile(
    r"engine core initialization failed|workerproc initialization failed|see (?:root cause|stack trace)"
    r"|EngineDeadError|EngineGenerateError|Error raised in subprocess|CalledProcessError"
    r"|^(?:SystemExit|KeyboardInterrupt|(?:asyncio\.\w+\.)?CancelledError)\b",
    re.IGNORECASE,
)
_NOTICES = re.compile(
    r"died unexpectedly|Fatal Python error|^(?:vllm|usage).*error: |error: (?:unrecognized|argument)|^\w*Error: "
)
_OUTLINES = re.compile(r"(?:\d+ validation errors? for \S+|:)$")
"""Ends of messages that name their reason only in the next line."""


def root_cause(log: str) -> str | None:
    """Return the first exception of a log that is not the echo of another one, in one line.

    Returns:
        If there is none, a line that says that a process died or that an option was refused, or an echo; else None.
    """
    exceptions, notices = _exceptions(log)
    roots = [text for text in exceptions if not _WRAPPERS.search(text)]
    roots.sort(key=lambda text: ": " not in text)  # a bare `StopIteration` says less than what it led to
    return next(iter([*roots, *notices, *exceptions]), None)


def _exceptions(log: str) -> tuple[list[str], list[str]]:
    found: list[str] = []
    notices: list[str] = []
    in_traceback: dict[str, bool] = defaultdict(bool)
    unfinished: dict[str, int] = {}
    for line in log.splitlines():
        match = _PROCESS.match(line)
        process, text = (match["process"], match["text"]) if match else ("", line)
        text = _ENTRY.sub("", text, count=1)
        if text.lstrip().startswith("Traceback (most recent call last):"):
            in_traceback[process] = True
            unfinished.pop(process, None)
        elif process in unfinished and text.strip():
            found[unfinished.pop(process)] += f" {text.strip()}"
        elif in_traceback[process] and text and not text[0].isspace():
            in_traceback[process] = False
            if _EXCEPTION.match(text):
                if _OUTLINES.search(text):
                    unfinished[process] = len(found)
                found.append(text.strip())
        elif _NOTICES.search(text):
            notices.append(text.strip())
    return found, notices

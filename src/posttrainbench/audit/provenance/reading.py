"""Build the graph from a record, event by event."""

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from posttrainbench.audit.provenance.graph import (
    ARGUMENTS,
    CLOCK_SECONDS,
    FOREVER,
    LONG_ARGUMENTS,
    Graph,
    Image,
    Node,
    Read,
)

VERSION = 1
SHELLS = {f"/usr/bin/{name}" for name in ("bash", "dash", "sh", "zsh", "make", "xargs", "timeout", "env", "nohup")}
"""Programs of the system that share no memory with what they fork: content comes back only through descriptors."""
THREADS_SECONDS = 1.0
"""A process with several threads may do something after its exit was recorded."""
OTHER_BOOT_SECONDS = 300.0
"""Records whose times of boot differ by more are of different boots; by less, the clock was set."""
AGREED = {"cmdline", "comm"}
"""Ways to look into another process that show its arguments."""
Event = dict[str, Any]

LONG_BYTES = 2048
"""New bytes of arguments or of the environment from which on a program is followed through them."""


@dataclass(slots=True)
class Process:
    """State of a process while the record is read.

    Attributes:
        name: its name.
        image: node of its current image.
        forks: forks whose child has not appeared: time, image and bytes written at that time.
        inherited: descriptors of an exec whose outcome is unknown.
        descriptors: pipes that its current program inherited.
        shells: shells that may have created it, and the bytes that each had written by then.
        base: bytes written before the current image.
        exited: True if its exit is recorded.
        datagrams: sockets without connections that it created.
        connected: those of them that were connected.
        text: arguments of its last program, or of that of its parent.
        environment: size of that program's environment.
    """

    name: str
    image: Node
    forks: list[tuple[float, Node, int | None]] = field(default_factory=list)
    inherited: list[list[Any]] = field(default_factory=list)
    descriptors: set[str] = field(default_factory=set)
    shells: list[tuple[Node, int | None]] = field(default_factory=list)
    base: int = 0
    exited: bool = False
    datagrams: int = 0
    connected: set[str] = field(default_factory=set)
    bound: bool = False
    text: str = ""
    environment: int = 0


class Reader:
    """Adds the events of a record to a graph."""

    def __init__(self) -> None:
        self.graph = Graph()
        self.processes: dict[str, Process] = {}
        self.complete = False
        self._boot: float | None = None
        self._forking: dict[str, Process] = {}
        self._readers: dict[str, list[Node]] = defaultdict(list)
        self._writers: dict[str, list[Node]] = defaultdict(list)
        self._datagrams: list[tuple[Node, float, str, str]] = []

    def add(self, event: Event) -> None:
        """Add one event."""
        operation, time = event["op"], float(event["t"])
        if operation in GLOBAL:
            GLOBAL[operation](self, event)
            return
        name = event["p"]
        if name not in self.processes:
            self._appear(event if operation == "new" else {**event, "parent": "", "started": time}, name)
        process = self.processes[name]
        if event.get("copy") and event.get("path"):
            self.graph.copies[event["copy"]].add(event["path"].removesuffix(" (deleted)"))
        image = self.graph.images[process.image]
        if process.exited:
            image.stopped = max(image.stopped, time)
        if operation in HANDLERS:
            HANDLERS[operation](self, process, event, time)

    def finish(self) -> Graph:
        """Return the graph after the last event."""
        self._join_datagrams()
        return self.graph

    # Facts about the record.

    def _start(self, event: Event) -> None:
        """Begin a record, possibly after that of an earlier start of the agent, whose processes are all dead."""
        epoch = float(event["epoch"])
        changed = self.graph.epoch and abs(epoch - self.graph.epoch) > CLOCK_SECONDS
        self.graph.epoch = -FOREVER if changed else epoch
        if self._boot is None:
            self._boot, self.graph.began = epoch, float(event["t"])
        elif abs(epoch - self._boot) > OTHER_BOOT_SECONDS:
            self.graph.began = None
        self._forking.clear()
        if event["version"] != VERSION:
            self.graph.missing.append(f"unknown version {event['version']} of the record")

    def _end(self, event: Event) -> None:
        self.complete = True
        if abs(event["epoch"] - self.graph.epoch) > CLOCK_SECONDS:
            self.graph.epoch = -FOREVER  # the clock was set: times of files say nothing

    def _incomplete(self, event: Event) -> None:
        self.graph.missing.append(
            {
                "unavailable": f"recording was not possible: {event.get('reason')}",
                "limit": f"the record ended early because of {event.get('why')}",
                "fault": f"the recorder failed: {event.get('error')}",
            }[event["op"]]
        )

    # Processes.

    def _appear(self, event: Event, name: str) -> None:
        """Add a process: united with its parent, or after it if the parent shares no memory."""
        node: Node = ("image", name, 0)
        self.graph.images[node] = Image(name, "", (), float(event["started"]))
        self.processes[name] = process = Process(name, node)
        parent = self.processes.get(event["parent"])
        if parent is not None:
            if not self._descend(parent, node):  # its fork is not in the record
                self.graph.unite(parent.image, node)
            process.descriptors = set(parent.descriptors)
            process.text, process.environment = parent.text, parent.environment
        else:  # its parent died before; anyone whose fork is unaccounted for may be the parent
            for other in list(self._forking.values()):
                self._descend(other, node)
        self._hold(process, event, node)

    def _descend(self, parent: Process, child: Node) -> bool:
        """Let a child have the memory of the images of its parent that may have created it; False if none can have."""
        started = self.graph.images[child].started + CLOCK_SECONDS
        possible = [fork for fork in parent.forks if fork[0] <= started and parent.name != child[1]]
        creators = {image for _, image, _ in possible}
        if len(creators) == 1:
            parent.forks.remove(possible[0])
            if not parent.forks:
                self._forking.pop(parent.name, None)
        for node in creators:
            if self.graph.images[node].program in SHELLS:
                # The parent's memory of the start, or at most a moment later, contains that of the fork.
                self.graph.add(node, child, -1.0, "forks", None, started)
                self.graph.images[child].shell = True
                self.processes[child[1]].shells += [(node, fork[2]) for fork in possible if fork[1] == node]
            else:
                self.graph.unite(node, child)
        return bool(creators)

    def _new(self, process: Process, event: Event, time: float) -> None:
        pass

    def _fork(self, process: Process, event: Event, time: float) -> None:
        process.forks.append((time, process.image, event.get("written")))
        self._forking[process.name] = process

    def _exec(self, process: Process, event: Event, time: float) -> None:
        self._hold(process, event, process.image)
        process.inherited = event["fds"]
        self._count(process, event.get("written"))

    def _exec_failed(self, process: Process, event: Event, time: float) -> None:
        process.inherited = []

    def _image(self, process: Process, event: Event, time: float) -> None:
        """Replace the current image by a new one, which inherits descriptors and arguments."""
        old = process.image
        self.graph.images[old].stopped = time
        process.image = new = ("image", process.name, old[2] + 1)
        self.graph.images[new] = Image(process.name, event["path"], tuple(event["argv"]), time)
        why = LONG_ARGUMENTS if self._passes_much(process, event) else ARGUMENTS
        self.graph.add(old, new, time, why, None, time + CLOCK_SECONDS)
        if event["ino"]:
            self._file(event["ino"], event["path"], "r", process, time, "executes", event.get("copy", ""))
        inherited = process.inherited + event["fds"]
        process.inherited = []
        process.descriptors = {each[2] for each in inherited}
        for _, mode, target, identity in inherited:
            self._descriptor(new, mode, target, identity, time)

    def _passes_much(self, process: Process, event: Event) -> bool:
        """Return True if a program was given more than a few words that its starter was not itself given."""
        lines = [line.strip() for word in event["argv"] for line in word.split("\n")]
        fresh = sum(len(line) for line in lines if line not in process.text)
        size = event.get("environment", 0)
        # The size of the first environment on record is not known to have grown.
        grown = size - process.environment if process.environment else 0
        process.text, process.environment = "\n".join(event["argv"]), size
        return max(fresh, grown) >= LONG_BYTES

    def _exit(self, process: Process, event: Event, time: float) -> None:
        image = self.graph.images[process.image]
        image.stopped = time + (THREADS_SECONDS if event["threads"] > 1 else 0.0)
        self._count(process, event.get("written"))
        process.exited = True

    def _gone(self, process: Process, event: Event, time: float) -> None:
        if not process.exited:
            process.exited = True
            self.graph.images[process.image].stopped = time

    def _count(self, process: Process, written: int | None) -> None:
        if written is not None:
            self.graph.images[process.image].written = max(0, written - process.base)
            process.base = written

    # Files and descriptors.

    def _hold(self, process: Process, event: Event, node: Node) -> None:
        """Add the descriptors of a process before an exec, and of its ancestors for the same pipes."""
        time = float(event["t"])
        for _, mode, target, identity in event.get("fds", []):
            self._descriptor(node, mode, target, identity, time)
            if target.startswith("pipe:") and target not in process.descriptors:
                # Whoever created the pipe had both ends.
                self._descriptor(node, "w" if mode == "r" else "r", target, identity, time)
                for shell, written in process.shells:
                    if mode == "r" and (written is None or written != event.get("parent_written")):
                        self.graph.add(shell, ("channel", target, 0), -1.0, "writes", None, time)
        for name, mode, target in event.get("held", []):
            if name not in self.processes:
                continue
            holder = self.processes[name].image
            if "w" in mode:
                self.graph.add(holder, ("channel", target, 0), time, "writes", holder)
            if "r" in mode:
                self.graph.add(("channel", target, 0), holder, time, "reads", holder)

    def _descriptor(self, node: Node, mode: str, target: str, identity: str, time: float) -> None:
        if not identity:
            channel: Node = ("channel", target, 0)
            if "r" in mode or target.startswith("socket:"):
                self.graph.add(channel, node, time, "reads", node)
            if "w" in mode or target.startswith("socket:"):
                self.graph.add(node, channel, time, "writes", node)
            if target.startswith("socket:"):
                self.graph.images[node].silent = False
            return
        self.graph.names[identity].add(target.removesuffix(" (deleted)"))
        self._access(identity, mode, node, time, "reads")

    def _open(self, process: Process, event: Event, time: float) -> None:
        identity, mode = event["ino"], event["m"]
        if identity.startswith("pipe:"):
            self._descriptor(process.image, mode.rstrip("t"), identity, "", time)
            return
        if "t" in mode and not self._writes_elsewhere(identity, process.image, time):
            self._renew(identity, time)
        self._file(identity, event["path"], mode, process, time, "reads", event.get("copy", ""))

    def _file(
        self, identity: str, path: str, mode: str, process: Process, time: float, why: str, copy: str = ""
    ) -> None:
        self.graph.names[identity].add(path.removesuffix(" (deleted)"))
        self._access(identity, mode, process.image, time, why, copy)

    def _access(self, identity: str, mode: str, node: Node, time: float, why: str, copy: str = "") -> None:
        file: Node = ("file", identity, self.graph.versions[identity])
        if "r" in mode:
            self.graph.add(file, node, time, why, node)
            self._readers[identity].append(node)
            self.graph.reads.append(Read(file, node, time, copy))
        if "w" in mode or "t" in mode:
            self.graph.add(node, file, time, "writes", node)
            self._writers[identity].append(node)
            self.graph.written.add(identity)
            self.graph.opened[identity] = time
            if "r" in mode:
                self.graph.mapped.add(identity)
                self.graph.images[node].silent = False

    def _writes_elsewhere(self, identity: str, node: Node, time: float) -> bool:
        """Return True if another image may still write to a file."""
        own = self.graph.leader(node)
        writers = (self.graph.leader(writer) for writer in self._writers[identity])
        return any(writer != own and self.graph.alive_until(writer) >= time for writer in writers)

    def _renew(self, identity: str, time: float) -> None:
        """Begin a new version of a file that was truncated; those who have it open read that too."""
        self.graph.versions[identity] += 1
        file: Node = ("file", identity, self.graph.versions[identity])
        for reader in self._readers[identity]:
            self.graph.add(file, reader, time, "reads", reader)
        for writer in self._writers[identity]:
            self.graph.add(writer, file, time, "writes", writer)

    def _rename(self, process: Process, event: Event, time: float) -> None:
        if "ino" in event:
            self.graph.names[event["ino"]] |= {event["path"], event["to"]}

    # Other channels.

    def _shmat(self, process: Process, event: Event, time: float) -> None:
        self._share(process.image, f"shared memory {event['shm']}", time)

    def _share(self, node: Node, name: str, time: float) -> None:
        channel: Node = ("channel", name, 0)
        self.graph.add(node, channel, time, "writes", node)
        self.graph.add(channel, node, time, "reads", node)
        self.graph.images[node].silent = False

    def _reach(self, process: Process, event: Event, time: float) -> None:
        target = self.processes.get(event["target"] or "")
        arguments = event["how"] in AGREED and "w" not in event["m"]
        if target is None:
            if not arguments:
                self.graph.missing.append(f"process {process.name} can have reached any other ({event['how']})")
            return
        why = ARGUMENTS if arguments else "reaches"
        self.graph.add(target.image, process.image, time, why, process.image)
        if "w" in event["m"]:
            self.graph.add(process.image, target.image, time, why, process.image)
            self.graph.images[process.image].silent = False

    def _dgram(self, process: Process, event: Event, time: float) -> None:
        process.datagrams += 1

    def _connect(self, process: Process, event: Event, time: float) -> None:
        node, socket = process.image, event["sock"]
        if event["kind"] == "dgram":
            process.connected.add(socket)
            process.bound = process.bound or event["bound"]
            remote, local = str(event.get("port", event.get("path", ""))), str(event["local"])
            self._datagrams.append((node, time, remote, local))
            return
        self._share(node, socket, time)
        own: Node = ("channel", socket, 0)
        inside = [self.processes[name].image for name in event.get("servers", []) if name in self.processes]
        listener = event.get("listener") or event.get("path") or f"port {event.get('port')}"
        to_server, to_client = ("channel", f"to {listener}", 0), ("channel", f"from {listener}", 0)
        self.graph.add(own, to_server, time, "sends", node)
        self.graph.add(to_client, own, time, "receives", node)
        for server in inside:
            self.graph.add(to_server, server, time, "receives", server)
            self.graph.add(server, to_client, time, "sends", server)
            self.graph.images[server].silent = False
        if not inside and "port" in event:  # both ends connected at once, or the listener vanished
            self.graph.missing.append(f"process {process.name} connected to port {event['port']} of an unknown process")

    def _join_datagrams(self) -> None:
        """Connect the users of datagrams: connected ones by their ports, all others with everybody."""
        graph, anybody = self.graph, [each for each in self.processes.values() if each.bound]
        anybody += [each for each in self.processes.values() if each.datagrams > len(each.connected)]
        for node, time, remote, local in self._datagrams:
            graph.images[node].silent = False
            for address in (remote, "anybody"):
                graph.add(node, ("channel", f"datagrams to {address}", 0), time, "sends", node)
            for address in (local, "from anybody"):
                graph.add(("channel", f"datagrams to {address}", 0), node, time, "receives", node)
        for process in anybody:
            for node in (("image", process.name, number) for number in range(process.image[2] + 1)):
                graph.images[node].silent = False
                graph.add(("channel", "datagrams to anybody", 0), node, 0.0, "receives", node)
                graph.add(node, ("channel", "datagrams to from anybody", 0), 0.0, "sends", node)
                self._share(node, "datagrams among all", 0.0)


GLOBAL: dict[str, Callable[[Reader, Event], None]] = {
    "start": Reader._start,
    "end": Reader._end,
    "unavailable": Reader._incomplete,
    "limit": Reader._incomplete,
    "fault": Reader._incomplete,
    "copies-limit": lambda reader, event: None,
    "mounts": lambda reader, event: None,
}
HANDLERS: dict[str, Callable[[Reader, Process, Event, float], None]] = {
    "fork": Reader._fork,
    "exec": Reader._exec,
    "exec-failed": Reader._exec_failed,
    "image": Reader._image,
    "exit": Reader._exit,
    "gone": Reader._gone,
    "open": Reader._open,
    "rename": Reader._rename,
    "link": Reader._rename,
    "shmat": Reader._shmat,
    "reach": Reader._reach,
    "dgram": Reader._dgram,
    "connect": Reader._connect,
}


def read_graph(*paths: Path) -> Graph:
    """Read the records of the agent's starts, in order, and return their graph.

    A line that is cut off makes it incomplete.
    """
    reader = Reader()
    if not paths:
        reader.graph.missing.append("the record is missing")
    for path in paths:
        reader.complete = False
        try:
            with path.open(errors="replace") as file:
                for line in file:
                    reader.complete = False
                    try:
                        event = json.loads(line)
                    except ValueError:
                        break
                    reader.add(event)
        except OSError as error:
            reader.graph.missing.append(f"the record cannot be read: {error.strerror}")
        if not reader.complete:
            reader.graph.missing.append("the record has no end: the recorder died")
    return reader.finish()

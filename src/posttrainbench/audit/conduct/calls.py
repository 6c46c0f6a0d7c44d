"""What the functions of libraries do with data: where it comes in, where it is written, and where it is trained on."""

from __future__ import annotations

import ast
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from posttrainbench.audit.conduct import libraries as lib
from posttrainbench.audit.conduct.values import (
    NONE,
    UNKNOWN,
    Taint,
    Taints,
    Value,
    bounded,
    concatenated,
    joined,
    sliced,
    text_value,
)
from posttrainbench.destinations import classify

if TYPE_CHECKING:
    from posttrainbench.audit.conduct.python import Interpreter


@dataclass
class Call:
    """A call, its parts already read.

    Attributes:
        function: what is called.
        last: the last part of its name.
        receiver: what it is a method of.
    """

    reader: Interpreter
    node: ast.Call
    function: Value
    last: str
    receiver: Value | None
    arguments: list[Value]
    named: dict[str, Value]

    @property
    def line(self) -> int:
        """Where it stands."""
        return self.node.lineno

    def argument(self, place: int, *names: str) -> Value | None:
        """An argument by its place or its name."""
        for name in names:
            if name in self.named:
                return self.named[name]
        return self.arguments[place] if place < len(self.arguments) else None

    def given(self) -> list[Value]:
        """All arguments."""
        return [*self.arguments, *self.named.values()]

    def is_named(self, names: frozenset[str]) -> bool:
        """Whether it is one of these functions."""
        return bool(self.function.names & names)

    def read(self, value: Value | None) -> Taints:
        """Where the files that a value names came from."""
        found = NONE
        for text in _texts(value):
            taints = self.reader.run.host.files.read(text, self.reader.script, self.line, self.reader.run.cwd)
            self.reader.run.result.sources |= {taint for taint in taints if taint.script == self.reader.script}
            found |= taints
        return found

    def write(self, value: Value | None, taints: Taints, *, append: bool = False) -> None:
        """Data of these origins is written to the files that a value names."""
        for text in sorted(value.texts) if value is not None else ():
            self.reader.run.host.files.write(text, taints, self.reader.run.cwd, append=append)

    def write_handles(self, value: Value | None, taints: Taints) -> None:
        """As `write`, through open files. What is written through one does not replace what came before."""
        for path, _ in sorted(value.handles) if value is not None else ():
            self.reader.run.host.files.write(path, taints, self.reader.run.cwd, append=True)

    def default(self) -> Value:
        """The result of a function that nothing is known of: it may hold all that went in."""
        given = self.given()
        taints = frozenset().union(*(value.all() for value in given)) if given else NONE
        if self.receiver is not None:
            taints |= self.receiver.all()
        handles = frozenset().union(*(value.handles for value in given)) if given else frozenset()
        for value in given:  # a file that holds tainted data, read by a function from elsewhere
            for text in value.texts:
                if lib.DATA_FILE.search(text) and not lib.SAVES.search(self.last):
                    taints |= self.read(Value(texts=frozenset([text])))
        for value in given:
            if value.functions:  # a callback's result may come out
                taints |= self.reader.call_value(value, [Value(taints)]).all()
        if lib.SAVES.search(self.last):
            for value in given:
                if any(lib.DATA_FILE.search(text) for text in value.texts):
                    self.write(value, taints)
            return Value()
        names = frozenset(f"{name}()"[:300] for name in self.function.names)
        splits = frozenset().union(*(value.all_splits() for value in given)) if given else frozenset()
        if self.receiver is not None:
            splits |= self.receiver.splits
        return Value(taints, names=names, handles=handles, splits=splits)


def known_call(call: Call) -> Value | None:
    """The result of a call that is known; None for any other."""
    for step in (_hosted, _training, _files, _processes, _datasets, _builtins, _methods):
        found = step(call)
        if found is not None:
            return found
    return None


def _texts(value: Value | None) -> list[str]:
    """All texts of a value and, one step down, of what it holds."""
    if value is None:
        return []
    found = sorted(value.texts)
    for part in list(value.fields.values())[:20]:
        found += sorted(part.texts)
        for inner in list(part.fields.values())[:20]:
            found += sorted(inner.texts)
    return found


# --- hosted models ---


def _hosted(call: Call) -> Value | None:
    addresses = {text for value in call.given() for text in value.texts if text.startswith(("http://", "https://"))}
    web = lib.WEB.search(call.last)
    if addresses and web:
        return _web(call, addresses)
    module = next((m for name in call.function.names for m in lib.CLIENTS if name == m or name.startswith(f"{m}.")), "")
    if not module:
        return None
    name = min(name for name in call.function.names if name.startswith(module))
    if "@local" in name:
        return Value(names=frozenset([f"{name}()"]))
    address = next((call.named[key] for key in lib.ADDRESS if key in call.named), None)
    if address is None and not name.endswith(")") and "()" not in name:  # a client without an address: by environment
        texts = frozenset(v for k, v in call.reader.run.env.items() if k in lib.ADDRESS_VARIABLES)
        address = Value(texts=texts) if texts else None
    asks = bool(lib.ASKS.search(name)) and not lib.NOT_ASKS.search(name)
    if asks and ("()" in name or module in ("litellm", "dashscope", "openai", "replicate")):
        if address is not None and address.texts and all(lib.LOCAL.search(text) for text in address.texts):
            return Value()
        host, sure = _host_of(name, module, address)
        taint = Taint("hosted", _shown(call), call.reader.script, call.line, sure=sure, host=host)
        return Value(call.reader.source(taint) | call_taints(call))
    made = f"{name}()"
    if address is not None:
        if address.texts and all(lib.LOCAL.search(text) for text in address.texts):
            made += "@local"
        elif not address.texts or any(text.startswith(UNKNOWN) for text in address.texts):
            made += "@unknown"
        else:
            made += f"@{_host(min(address.texts))}"
    elif call.arguments and any("@" in inner for value in call.arguments for inner in value.names):
        inner = min(inner for value in call.arguments for inner in value.names if "@" in inner)  # a wrapped client
        made += "@" + inner.rpartition("@")[2].split(".")[0].split("(")[0]
    return Value(names=frozenset([made]), truth=True)


def call_taints(call: Call) -> Taints:
    """Of a question to a model: its answer may repeat what it was given."""
    return frozenset().union(*(value.all() for value in call.given())) if call.given() else NONE


def _web(call: Call, addresses: set[str]) -> Value | None:
    taints = call_taints(call)
    for text in sorted(addresses):
        if lib.LOCAL.search(text):
            continue
        place = urlsplit(text)
        if classify(place.hostname or "", place.path).kind == "hosted_model":
            taint = Taint("hosted", _shown(call), call.reader.script, call.line, host=place.hostname or "")
            taints |= call.reader.source(taint)
        taints |= call.read(text_value(text))
    if call.last == "urlretrieve":
        call.write(call.argument(1, "filename"), taints)
    # A request that is made first and sent later keeps its address.
    return Value(taints, texts=frozenset(addresses) if call.last == "Request" else frozenset())


def _host_of(name: str, module: str, address: Value | None) -> tuple[str, bool]:
    if "@unknown" in name:
        return "", False
    if "@" in name:
        marked = name.split("@", 1)[1]
        for end in (".chat", ".completions", ".messages", ".responses", ".models", "()", ".invoke", ".batch"):
            marked = marked.split(end)[0]
        return marked, True
    if address is not None and address.texts:
        return _host(min(address.texts)), True
    return lib.CLIENTS[module], address is None


def _host(address: str) -> str:
    return urlsplit(address if "//" in address else f"//{address}").hostname or ""


def _shown(call: Call) -> str:
    return ast.unparse(call.node.func)[:100] + "(...)"


# --- training ---


def _training(call: Call) -> Value | None:
    reader = call.reader
    names = call.function.names
    if any(lib.TRAINERS.search(name) for name in names) and not (call.receiver and call.receiver.names & names):
        trained = next((call.named[key] for key in lib.TRAINED if key in call.named), None)
        if trained is None:
            places = [value for value in call.arguments[2:4] if value.all() or value.splits]
            trained = places[0] if places else Value(call.named[UNKNOWN].taints if UNKNOWN in call.named else NONE)
        reader.sink(call.line, f"{ast.unparse(call.node.func)[:60]}(train_dataset=...)", trained)
        return Value(names=frozenset(["transformers.Trainer()"]), truth=True)
    if call.last == "backward":
        value = joined(call.receiver or Value(), *call.arguments)
        reader.sink(call.line, "a loss computed from it, and backward()", value)
        return Value()
    if call.last in lib.TRAINS and not call.function.functions:
        module = call.named.get("datamodule")
        if module is not None and (loader := reader.attribute(module, "train_dataloader")).functions:
            reader.sink(call.line, "fit(...)", reader.call_value(loader, []))
        else:
            values = [value for key, value in call.named.items() if not key.startswith(("val", "eval", "test"))]
            reader.sink(call.line, f"{call.last}(...)", joined(Value(), *call.arguments[:2], *values))
        return Value()
    return None


# --- files ---


def _files(call: Call) -> Value | None:
    name = min(call.function.names, default="")
    if call.last == "open" and name in (
        "open",
        "io.open",
        "gzip.open",
        "bz2.open",
        "lzma.open",
        "codecs.open",
        "xopen",
    ):
        return _opened(call, call.argument(0, "file", "filename"), call.argument(1, "mode"))
    if call.receiver is not None and call.last == "open" and call.receiver.texts:
        return _opened(call, call.receiver, call.argument(0, "mode"))
    if name == "print" and "file" in call.named:
        call.write_handles(call.named["file"], call_taints(call))
        return Value()
    if name == "print":
        call.reader.run.result.output |= call_taints(call)
        return Value()
    if name in ("sys.stdin.read", "sys.stdin.readlines", "sys.stdin.readline", "input"):
        return Value(call.reader.run.stdin)
    if name in ("sys.stdout.write", "sys.stdout.writelines"):
        call.reader.run.result.output |= call_taints(call)
        return Value()
    if call.is_named(lib.WRITES_PAIR) or (call.last in ("dump", "save") and len(call.arguments) >= 2):
        first, second = call.argument(0) or Value(), call.argument(1, "f", "fp", "stream", "file") or Value()
        taints = first.all() | second.all()
        call.write_handles(second, taints)
        call.write_handles(first, taints)
        call.write(second, taints)
        if not second.texts:
            call.write(first, taints)
        return Value()
    if call.is_named(lib.COPIES):
        source, target = call.argument(0, "src"), call.argument(1, "dst")
        if target is not None:
            call.write(target, call.read(source) | (source.all() if source else NONE))
        return Value(texts=target.texts if target else frozenset())
    if call.is_named(lib.REMOVES) or (call.last == "unlink" and call.receiver is not None):
        for text in _texts(call.receiver if call.last == "unlink" and not call.arguments else call.argument(0)):
            call.reader.run.host.files.remove(text, call.reader.run.cwd)
        return Value()
    if name in ("json.load", "pickle.load", "csv.reader", "csv.DictReader", "yaml.safe_load", "json.loads"):
        given = call.argument(0) or Value()
        if (
            "file" in given.names and any(text.endswith("task.json") for text in given.texts)
        ) or "task.json" in given.names:
            return task_value(call)
        return Value(given.all(), handles=given.handles, whole=given.whole)
    if name in ("csv.writer", "csv.DictWriter", "jsonlines.Writer", "io.TextIOWrapper"):
        return Value(handles=(call.argument(0) or Value()).handles, names=frozenset(["writer"]))
    if name == "jsonlines.open":
        return _opened(call, call.argument(0), call.argument(1, "mode"))
    if call.is_named(lib.READS_FIRST) or lib.READS.search(call.last):
        where = call.argument(0, "path", "path_or_buf", "filepath_or_buffer", "source", "data_files")
        if where is None or not _texts(where):
            where = call.receiver if call.receiver is not None and call.receiver.texts else where
        return Value(call.read(where) | (where.all() if where else NONE), whole=True)
    if call.receiver is not None and call.last == "read_text":
        if any(text.endswith("task.json") for text in call.receiver.texts):
            return Value(names=frozenset(["task.json"]))
        return Value(call.read(call.receiver) | call.receiver.all())
    if call.receiver is not None and call.last in ("write_text", "write_bytes"):
        call.write(call.receiver, call_taints(call))
        return Value()
    if call.receiver is not None and lib.WRITES.search(call.last) and not call.function.functions:
        target = call.argument(0, "path", "path_or_buf", "repo_id", "file", "dataset_path") or Value()
        if call.last == "push_to_hub":
            target = Value(texts=frozenset(f"hub:{text}" for text in target.texts))
        taints = call.receiver.all() | call_taints(call)
        call.write(target, taints, append="a" in (call.named.get("mode") or Value()).texts)
        call.write_handles(target, taints)
        return Value(taints)
    if call.receiver is not None and call.receiver.handles and call.last.startswith(("write", "dump")):
        call.write_handles(call.receiver, call_taints(call))
        return Value()
    return _paths(call, name)


def _opened(call: Call, where: Value | None, mode: Value | None) -> Value:
    modes = mode.texts if mode is not None else frozenset()
    texts = frozenset(_texts(where))
    if any(letter in text for text in modes for letter in "wax+"):
        append = any("a" in text or "+" in text for text in modes)
        if not append:
            call.write(Value(texts=texts), NONE)  # emptied
        return Value(names=frozenset(["file"]), handles=frozenset((text, append) for text in texts))
    return Value(
        call.read(Value(texts=texts)) | (where.all() if where else NONE), texts, frozenset(["file"]), whole=True
    )


def task_value(call: Call) -> Value:
    """The kit's facts for programs."""
    variables = call.reader.run.host.files.variables
    kit = variables.get("PTB_KIT", UNKNOWN)
    return Value(fields={"kit": text_value(kit), "workspace": text_value("."), "base_model": text_value("/base_model")})


def _paths(call: Call, name: str) -> Value | None:
    if name in ("pathlib.Path", "Path", "pathlib.PosixPath", "pathlib.PurePath"):
        parts = [value.texts for value in call.arguments]
        texts = parts[0] if parts else frozenset(["."])
        for part in parts[1:]:
            texts = bounded(frozenset(f"{a}/{b}" for a in texts or {UNKNOWN} for b in part or {UNKNOWN}))
        return Value(texts=texts, names=frozenset(["pathlib.Path()"]), truth=True)
    if name in ("os.path.join", "posixpath.join", "osp.join"):
        texts = frozenset([""])
        for value in call.arguments:
            texts = bounded(
                frozenset(
                    b if b.startswith("/") else f"{a}/{b}".lstrip("/") if not a else f"{a}/{b}"
                    for a in texts
                    for b in value.texts or {UNKNOWN}
                )
            )
        return Value(texts=texts)
    if name in ("os.path.dirname", "os.path.abspath", "os.path.realpath", "os.path.expanduser", "str", "os.fspath"):
        texts = (call.argument(0) or Value()).texts
        if name.endswith("dirname"):
            texts = frozenset(text.rpartition("/")[0] or "." for text in texts)
        return Value(call_taints(call), texts, truth=None)
    if name in ("os.environ.get", "os.getenv"):
        found = call.reader.variable(call.argument(0) or Value())
        default = call.argument(1, "default")
        return joined(found, default) if default is not None and not found.texts else found
    if name in ("glob.glob", "glob.iglob") or (call.last in ("glob", "rglob") and call.receiver is not None):
        pattern = (call.argument(0) or Value()).texts or frozenset(["*"])
        if call.receiver is not None and call.receiver.texts:
            pattern = frozenset(f"{a}/{b}" for a in call.receiver.texts for b in pattern)
        return Value(texts=bounded(pattern), fields={UNKNOWN: Value(texts=bounded(pattern))})
    if name in ("os.listdir", "os.scandir") or call.last == "iterdir":
        where = (call.argument(0) or call.receiver or Value()).texts
        return Value(fields={UNKNOWN: Value(texts=frozenset([UNKNOWN]))}, texts=frozenset(f"{w}/*" for w in where))
    if call.receiver is not None and call.receiver.texts and call.last in ("joinpath", "with_suffix", "with_name"):
        base = call.receiver.texts
        if call.last == "joinpath":
            return Value(texts=concatenated([base, frozenset(["/"]), *(v.texts for v in call.arguments)]))
        return Value(texts=frozenset(f"{text.rpartition('/')[0]}/{UNKNOWN}" for text in base))
    if call.receiver is not None and call.last in ("absolute", "resolve", "expanduser", "as_posix"):
        return call.receiver
    return None


# --- other programs ---


def _processes(call: Call) -> Value | None:
    if not call.is_named(lib.SHELLS):
        return None
    words = call.argument(0, "args", "cmd") or Value()
    texts = [text for text in words.texts if text]
    listed = [value for name, value in words.fields.items() if name.isdigit()]
    if not texts and listed:
        texts = [shlex.join(min(value.texts, default=UNKNOWN) if value.texts else _program(value) for value in listed)]
    elif call.last == "create_subprocess_exec":
        texts = [shlex.join(min(value.texts, default=UNKNOWN) for value in call.arguments)]
    cwd = min((call.named.get("cwd") or Value()).texts, default="")
    taints = call_taints(call) if any(value.all() for value in call.named.values()) else NONE
    for text in texts[:4]:
        taints |= call.reader.run.host.shell(text, cwd or call.reader.run.cwd, call.reader.run.env)
    stdout = call.named.get("stdout")
    call.write_handles(stdout, taints)
    return Value(taints)


def _program(value: Value) -> str:
    return "python" if "sys.executable" in value.names else UNKNOWN


# --- data sets ---


def _datasets(call: Call) -> Value | None:
    reader = call.reader
    test_data = reader.run.host.files.test_data
    if call.last == "load_dataset" and not call.function.functions:
        return _load_dataset(call)
    if call.last in ("hf_hub_download", "snapshot_download", "cached_download"):
        repo, file = call.argument(0, "repo_id") or Value(), call.argument(1, "filename") or Value()
        files = file.texts or frozenset([""])
        target = call.named.get("local_dir")
        texts = frozenset(f"hub:{r}//{f}" for r in repo.texts for f in files)
        if target is not None:
            call.write(target, call.read(Value(texts=texts)))
        return Value(texts=texts)
    if call.last in lib.LOGS:
        found = call.argument(0) or Value()
        taints = call.read(found) or reader.source(
            Taint("test", "a log of an evaluation", reader.script, call.line, sure=False)
        )
        return Value(taints)
    if any(test_data.package(name) for name in call.function.names):
        shown = _shown(call)
        return Value(reader.source(Taint("test", shown, reader.script, call.line)) | call_taints(call))
    if call.last == "DatasetDict":
        return call.argument(0) or Value(fields=dict(call.named))
    if call.last in ("select", "take", "head", "sample", "islice") and (call.receiver or call.arguments):
        base = call.receiver if call.receiver is not None and call.receiver.all() else (call.argument(0) or Value())
        numbers = [value.number for value in call.given() if value.number is not None]
        return sliced(base, numbers[-1]) if numbers and base.whole else base
    if call.last == "map" and call.receiver is not None and call.receiver.all_splits():
        return call.receiver  # the same splits, their rows changed
    if call.last == "map" and call.receiver is not None:
        return _mapped(call, call.receiver)
    return None


def _load_dataset(call: Call) -> Value:
    reader = call.reader
    where = call.argument(0, "path") or Value()
    config = min((call.argument(1, "name") or Value()).texts, default="")
    files = call.named.get("data_files")
    split = call.argument(2, "split")
    if call.arguments[2:] and "split" not in call.named and len(call.arguments) < 6:
        split = call.arguments[2] if call.arguments[2].texts else None
    taints = call.read(files) if files is not None else NONE
    splits: set[tuple[str, str]] = set()
    for repo in sorted(where.texts):
        if repo in ("json", "csv", "parquet", "text", "arrow", "pandas") or UNKNOWN in repo:
            continue
        taints |= reader.run.host.files.written(reader.run.host.files.place(repo, reader.run.cwd))
        taints |= reader.run.host.files.written(f"hub:{repo}")
        if reader.run.host.files.test_data.repository(repo, config or UNKNOWN, UNKNOWN) is False:
            continue
        if split is None:
            splits.add((repo, config))
        for text in _texts(split) if split is not None else ():
            taints |= reader.test_rows(repo, config, text, call.line)
        if split is not None and not _texts(split):
            taints |= reader.test_rows(repo, config, UNKNOWN, call.line)
    return Value(taints, splits=frozenset(splits), names=frozenset(["datasets.Dataset()"]), truth=True, whole=True)


def _mapped(call: Call, base: Value) -> Value:
    function = call.argument(0, "function", "func")
    result = Value(base.all(), names=base.names, whole=base.whole)
    if function is not None and function.functions:
        result.taints |= call.reader.call_value(function, [call.reader.element(base)]).all()
    return result


# --- Python's own ---


def _builtins(call: Call) -> Value | None:
    name = min(call.function.names, default="")
    if call.function.functions:
        return None
    if call.last in lib.COUNTS and not (call.last == "index" and call.receiver is None):
        number = (call.argument(0) or Value()).number if name in ("int", "range") else None
        return Value(number=number)
    first = call.argument(0)
    if name in (
        "list",
        "sorted",
        "reversed",
        "tuple",
        "iter",
        "set",
        "deepcopy",
        "copy.deepcopy",
        "frozenset",
        "tqdm",
    ) or (call.last in ("tqdm", "track", "batched", "chunked", "shuffled", "cycle") and first is not None):
        if first is None:
            return Value(truth=None)
        if name in ("set", "frozenset", "list", "tuple", "sorted"):
            copy = Value(
                first.taints, first.texts, fields=dict(first.fields), splits=first.splits, handles=first.handles
            )
            if not copy.fields and copy.taints:
                copy.fields[UNKNOWN] = call.reader.element(first)
            copy.whole = first.whole
            return copy
        return first
    if name == "dict" and not call.arguments:
        return Value(fields=dict(call.named))
    if name == "dict" and first is not None:
        return Value(first.taints, fields=first.fields | call.named)
    if name == "enumerate" and first is not None:
        return Value(fields={UNKNOWN: Value(fields={"0": Value(), "1": call.reader.element(first)})})
    if name in ("zip", "zip_longest", "itertools.product", "product"):
        parts = {str(index): call.reader.element(value) for index, value in enumerate(call.arguments)}
        return Value(fields={UNKNOWN: Value(fields=parts)})
    if name == "map" and len(call.arguments) > 1 and first is not None:
        inner = call.reader.call_value(first, [call.reader.element(value) for value in call.arguments[1:]])
        return Value(fields={UNKNOWN: inner})
    if name == "filter" and len(call.arguments) > 1:
        call.reader.call_value(call.arguments[0], [call.reader.element(call.arguments[1])])
        return call.arguments[1]
    if name == "next" and first is not None:
        return call.reader.element(first)
    if name in ("asyncio.run", "asyncio.gather", "functools.partial") and first is not None:
        return call.default()
    if call.last in ("random", "choice", "choices", "shuffle") and first is not None:
        if call.last == "shuffle":
            return first
        return (
            Value(fields={UNKNOWN: call.reader.element(first)})
            if call.last == "choices"
            else call.reader.element(first)
        )
    if name.endswith("getattr") and len(call.arguments) > 1:
        return call.reader.attribute(call.arguments[0], min(call.arguments[1].texts, default=""))
    return None


# --- methods ---


def _methods(call: Call) -> Value | None:
    receiver = call.receiver
    if call.last == "add_argument":
        return _argument(call)
    if call.last in ("parse_args", "parse_known_args") and receiver is not None:
        fields = {name: value for name, value in receiver.fields.items() if not name.startswith("__")}
        space = Value(fields=fields)
        return space if call.last == "parse_args" else Value(fields={"0": space, "1": Value()})
    if not call.function.functions and lib.CHOOSES.search(call.last):
        return call.argument(0) or receiver or Value()
    if receiver is None or call.function.functions:
        return None
    if call.last in ("submit", "apply_async", "starmap", "imap", "imap_unordered", "run_in_executor") or (
        call.last == "map" and any("Pool" in name or "Executor" in name for name in receiver.names)
    ):
        function = next((value for value in call.arguments if value.functions), None)
        if function is not None:
            rest = [value for value in call.arguments if value is not function]
            if call.last in ("map", "imap", "imap_unordered"):
                rest = [call.reader.element(value) for value in rest]
            inner = call.reader.call_value(function, rest)
            return Value(inner.all(), fields={UNKNOWN: inner})
    if call.last in lib.ADDS:
        for value in call.arguments:
            receiver.add(value)
            inner = value
            if call.last in ("extend", "update", "extendleft"):
                if call.last == "update":
                    receiver.fields.update(value.fields)
                inner = call.reader.element(value)
            receiver.set_field(UNKNOWN, inner)
        return Value()
    if call.last in lib.KEEPS:
        for value in call.arguments:
            if value.functions:
                call.reader.call_value(value, [call.reader.element(receiver)])
        return receiver
    if call.last in ("items", "values", "keys", "copy", "shuffle", "read", "readlines", "tolist", "strip", "iterrows"):
        return _same(call, receiver)
    if call.last == "get" and call.arguments:
        name = min(call.arguments[0].texts, default="")
        if name in receiver.fields:
            return receiver.fields[name]
        return call.reader.element(receiver)
    if call.last in ("format", "replace", "join", "split", "splitlines", "lower", "encode", "decode"):
        if call.last == "join":
            return Value(receiver.all() | call_taints(call), truth=None)
        texts = receiver.texts if call.last in ("strip", "lower") else frozenset()
        if call.last == "format":
            texts = frozenset(_formatted(text, call) for text in receiver.texts)
        return Value(receiver.all() | call_taints(call), texts)
    return None


def _same(call: Call, receiver: Value) -> Value:
    if call.last == "items":
        pairs = [Value(fields={"0": text_value(key), "1": part}) for key, part in list(receiver.fields.items())[:40]]
        rest = Value(fields={"0": Value(), "1": Value(receiver.taints)}) if receiver.taints or not pairs else None
        return Value(fields={UNKNOWN: joined(*pairs, *([rest] if rest else []))}, splits=receiver.splits)
    if call.last == "values":
        parts = list(receiver.fields.values())[:40]
        return Value(receiver.taints, fields={UNKNOWN: joined(*parts)} if parts else {}, splits=receiver.splits)
    if call.last == "keys":
        return Value()
    if call.last == "iterrows":
        return Value(fields={UNKNOWN: Value(fields={"0": Value(), "1": Value(receiver.all())})})
    return receiver


def _formatted(text: str, call: Call) -> str:
    for name, value in call.named.items():
        text = text.replace(f"{{{name}}}", min(value.texts, default=UNKNOWN))
    for value in call.arguments:
        text = text.replace("{}", min(value.texts, default=UNKNOWN), 1)
    return text


def _argument(call: Call) -> Value:
    """An argument of the command line: its default, or what the command gave."""
    options = [text for value in call.arguments for text in sorted(value.texts)]
    if not options or call.receiver is None:
        return Value()
    named = call.named.get("dest")
    long = next((one for one in options if one.startswith("--")), options[0])
    name = min(named.texts, default="") if named is not None else long.lstrip("-").replace("-", "_")
    action = min((call.named.get("action") or Value()).texts, default="")
    default = call.named.get("default") or Value()
    argv = call.reader.run.argv
    value = default
    if action in ("store_true", "store_false"):
        value = Value(truth=None)
        if argv is not None:
            value = Value(truth=any(one in argv for one in options) == (action == "store_true"))
    elif argv is not None:
        given = _given(argv, options) if options[0].startswith("-") else _positional(call.receiver, argv)
        if given is not None:
            value = text_value(given)
            value.number = int(given) if given.isdigit() else None
    elif not default.texts and default.number is None:
        value = Value()
    call.receiver.set_field(name, value, certain=True)
    return Value()


def _given(argv: list[str], options: list[str]) -> str | None:
    for index, word in enumerate(argv):
        for option in options:
            if word == option and index + 1 < len(argv):
                return argv[index + 1]
            if word.startswith(f"{option}="):
                return word.partition("=")[2]
    return None


def _positional(parser: Value, argv: list[str]) -> str | None:
    place = parser.fields.setdefault("__positional__", Value(number=0))
    index, place.number = place.number or 0, (place.number or 0) + 1
    words = []
    skip = False
    for word in argv:
        if skip:
            skip = False
        elif word.startswith("-"):
            skip = "=" not in word
        else:
            words.append(word)
    return words[index] if index < len(words) else None

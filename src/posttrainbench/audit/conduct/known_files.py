"""Calls that open, read, write, copy and name files."""

from __future__ import annotations

from posttrainbench.audit.conduct import libraries as lib
from posttrainbench.audit.conduct.call import Call, texts_of
from posttrainbench.audit.conduct.values import (
    NONE,
    UNKNOWN,
    Value,
    bounded,
    concatenated,
    joined,
    text_value,
)


def files(call: Call) -> Value | None:
    """Files that are opened, read, written, copied or removed."""
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
        call.write_handles(call.named["file"], call.passed())
        return Value()
    if name == "print":
        call.reader.run.result.output |= call.passed()
        return Value()
    if name in ("sys.stdin.read", "sys.stdin.readlines", "sys.stdin.readline", "input"):
        return Value(call.reader.run.stdin)
    if name in ("sys.stdout.write", "sys.stdout.writelines"):
        call.reader.run.result.output |= call.passed()
        return Value()
    if call.is_named(lib.WRITES_PAIR) or (call.last in ("dump", "save") and len(call.arguments) >= 2):
        first, second = call.argument(0) or Value(), call.argument(1, "f", "fp", "stream", "file") or Value()
        # Libraries differ in which of the two is the file.
        file, value = (second, first) if second.texts or second.handles else (first, second)
        call.write_value(file, value)
        return Value()
    if call.is_named(lib.COPIES):
        source, target = call.argument(0, "src"), call.argument(1, "dst")
        if target is not None:
            call.write(target, call.read(source) | (source.all() if source else NONE))
        return Value(texts=target.texts if target else frozenset())
    if call.is_named(lib.REMOVES) or (call.last == "unlink" and call.receiver is not None):
        for text in texts_of(call.receiver if call.last == "unlink" and not call.arguments else call.argument(0)):
            call.reader.run.host.files.remove(text, call.reader.run.cwd)
        return Value()
    if name in ("json.load", "pickle.load", "csv.reader", "csv.DictReader", "yaml.safe_load", "json.loads"):
        given = call.argument(0) or Value()
        if (
            "file" in given.names and any(text.endswith("task.json") for text in given.texts)
        ) or "task.json" in given.names:
            return task_value(call)
        return Value(given.taints, fields=dict(given.fields), handles=given.handles, whole=given.whole)
    if name in ("csv.writer", "csv.DictWriter", "jsonlines.Writer", "io.TextIOWrapper"):
        return Value(handles=(call.argument(0) or Value()).handles, names=frozenset(["writer"]))
    if name == "jsonlines.open":
        return _opened(call, call.argument(0), call.argument(1, "mode"))
    if call.receiver is not None and call.last == "read_text":
        if any(text.endswith("task.json") for text in call.receiver.texts):
            return Value(names=frozenset(["task.json"]))
        return Value(call.read(call.receiver) | call.receiver.all())
    if call.is_named(lib.READS_FIRST) or lib.READS.search(call.last):
        where = call.argument(0, "path", "path_or_buf", "filepath_or_buffer", "source", "data_files")
        if where is None or not texts_of(where):
            where = call.receiver if call.receiver is not None and call.receiver.texts else where
        return call.read_value(where)
    if call.receiver is not None and call.last in ("write_text", "write_bytes"):
        call.write(call.receiver, call.passed())
        return Value()
    if call.receiver is not None and lib.WRITES.search(call.last) and not call.function.functions:
        target = call.argument(0, "path", "path_or_buf", "repo_id", "file", "dataset_path") or Value()
        if call.last == "push_to_hub":
            target = Value(texts=frozenset(f"hub:{text}" for text in target.texts))
        taints = call.receiver.all() | call.passed()
        if "a" in (call.named.get("mode") or Value()).texts:
            call.write(target, taints, append=True)
            call.write_handles(target, taints)
        else:
            call.write_value(target, call.receiver if not call.passed() else Value(taints))
        return Value(taints)
    if call.receiver is not None and call.receiver.handles and call.last.startswith(("write", "dump")):
        call.write_handles(call.receiver, call.passed())
        return Value()
    return paths(call, name)


def _opened(call: Call, where: Value | None, mode: Value | None) -> Value:
    modes = mode.texts if mode is not None else frozenset()
    texts = frozenset(texts_of(where))
    if any(letter in text for text in modes for letter in "wax+"):
        append = any("a" in text or "+" in text for text in modes)
        if not append:
            call.write(Value(texts=texts), NONE)  # emptied
        return Value(names=frozenset(["file"]), handles=frozenset((text, append) for text in texts))
    found = call.read_value(Value(where.all() if where else NONE, texts))
    found.texts, found.names = texts, frozenset(["file"])
    return found


def task_value(call: Call) -> Value:
    """The kit's facts for programs."""
    variables = call.reader.run.host.files.variables
    kit = variables.get("PTB_KIT", UNKNOWN)
    return Value(fields={"kit": text_value(kit), "workspace": text_value("."), "base_model": text_value("/base_model")})


def paths(call: Call, name: str) -> Value | None:
    """Names of files."""
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
        return Value(call.passed(), texts, truth=None)
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

"""Models of functions that open, read, write, copy and name files."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import PurePosixPath

from posttrainbench.audit.behavior.call import Call, texts_of
from posttrainbench.audit.behavior.evaluations import PRINTED
from posttrainbench.audit.behavior.library_models.configuration import CONTENT
from posttrainbench.audit.behavior.operations import exact_text
from posttrainbench.audit.behavior.selection import names_training, without_test_data
from posttrainbench.audit.behavior.values import NONE, UNKNOWN, Value, bounded, concatenated, joined, text_value

ARCHIVE = "archive"
"""Name of the values that are open archives."""
_UPLOADS = frozenset("upload_file upload_folder upload_large_folder".split())
"""Functions of the Hub's client."""
_UPLOADED = ("path_or_fileobj", "folder_path")
_TEMPORARY = frozenset(("tempfile.NamedTemporaryFile", "tempfile.mkstemp"))
"""Functions that make a file whose name is not known."""
_RESOURCES = frozenset(
    f"importlib.resources.{name}" for name in "read_text read_binary open_text open_binary".split()
) | {"pkgutil.get_data"}
_STREAM = re.compile(r"file|open|io\b|stream|buffer|resp|request|sock|pipe|std|archive", re.IGNORECASE)
"""Names of values that may be open files."""
_MEMBERS = frozenset("open read extract extractfile".split())


def files(call: Call) -> Value | None:
    """Model of functions that open, read, write, copy or remove files."""
    name = min(call.function.names, default="")
    if (resource := _resource(call, name)) is not None:
        return resource
    if call.last == "open" and name in (
        "open",
        "io.open",
        "gzip.open",
        "bz2.open",
        "lzma.open",
        "codecs.open",
        "fsspec.open",
        "xopen",
    ):
        return _opened(call, call.argument(0, "file", "filename"), call.argument(1, "mode"))
    if call.last in ("memmap", "open_memmap") or name in ("h5py.File", "zarr.open", "zarr.open_group"):
        return _opened(
            call, call.argument(0, "filename", "name", "store"), call.argument(1 + (call.last == "memmap"), "mode")
        )
    if call.receiver is not None and call.last in ("create_dataset", "require_dataset") and call.receiver.handles:
        call.write_handles(call.receiver, call.argument_taints())
        return Value(handles=call.receiver.handles)
    if call.receiver is not None and any("FileSystem()" in owner for owner in call.receiver.names):
        return _remote(call)
    if call.is_named(frozenset(("zipfile.ZipFile", "ZipFile", "tarfile.open"))):
        archive = _opened(call, call.argument(0, "file", "name"), call.argument(1, "mode"))
        archive.names |= {ARCHIVE}
        return archive
    if call.receiver is not None and call.last in _MEMBERS and call.arguments and ARCHIVE in call.receiver.names:
        members = (call.argument(0) or Value()).texts
        chosen = bool(members) and all(map(names_training, members))
        return without_test_data(call.receiver) if chosen else Value(call.receiver.all())
    if call.receiver is not None and call.last == "open" and call.receiver.texts:
        return _opened(call, call.receiver, call.argument(0, "mode"))
    if name == "print" and "file" in call.named:
        call.write_handles(call.named["file"], call.argument_taints())
        return Value()
    if name == "print":
        call.context.result.output |= call.argument_taints()
        return Value()
    if name in ("sys.stdin.read", "sys.stdin.readlines", "sys.stdin.readline", "input", "fileinput.input"):
        return Value(call.context.stdin)
    if name in ("sys.stdout.write", "sys.stdout.writelines"):
        call.context.result.output |= call.argument_taints()
        return Value()
    if call.is_in("dumps") or (call.last in ("dump", "save") and len(call.arguments) >= 2):
        first, second = call.argument(0) or Value(), call.argument(1, "f", "fp", "stream", "file") or Value()
        # Libraries differ in the order of file and value.
        file, value = (second, first) if second.texts or second.handles else (first, second)
        call.write_value(file, value)
        return Value()
    if call.last in _UPLOADS and "repo_id" in call.named:
        source = call.argument(0, *_UPLOADED)
        taints = call.read(source) | call.argument_taints()
        for repo in call.named["repo_id"].texts:
            call.write(Value(texts=frozenset([f"hub:{repo}"])), taints, append=True)
        return Value()
    if call.is_in("saves"):
        call.write_value(call.argument(0, "file"), Value(fields=dict(call.named)))
        return Value()
    if call.is_in("copies"):
        source, target = call.argument(0, "src"), call.argument(1, "dst")
        if target is not None:
            call.write(target, call.read(source) | (source.all() if source else NONE))
        return Value(texts=target.texts if target else frozenset())
    if call.is_in("removes") or (call.last == "unlink" and call.receiver is not None):
        for text in texts_of(call.receiver if call.last == "unlink" and not call.arguments else call.argument(0)):
            call.files.remove(text, call.context.cwd)
        return Value()
    if name in ("json.load", "pickle.load", "csv.reader", "csv.DictReader", "yaml.safe_load", "json.loads"):
        source = call.argument(0) or Value()
        opened = "file" in source.names and any(text.endswith("task.json") for text in source.texts)
        if opened or "task.json" in source.names:
            return task_value(call)
        taints = source.taints
        if name == "json.loads":  # of what an evaluation printed to this program, only the scores are JSON
            taints = frozenset(taint for taint in taints if taint.what != PRINTED or taint.mixed)
        return Value(taints, fields=dict(source.fields), handles=source.handles, whole=source.whole)
    if name in ("csv.writer", "csv.DictWriter", "jsonlines.Writer", "io.TextIOWrapper"):
        return Value(handles=(call.argument(0) or Value()).handles, names=frozenset(["writer"]))
    if name == "jsonlines.open":
        return _opened(call, call.argument(0), call.argument(1, "mode"))
    if call.receiver is not None and call.last == "read_text":
        if any(text.endswith("task.json") for text in call.receiver.texts):
            return Value(names=frozenset(["task.json"]))
        names = frozenset(f"{CONTENT}{text}" for text in call.receiver.texts)
        if call.context.world is not None:
            return call.read_value(replace(call.receiver, taints=NONE, fields={}), raw=True)
        return Value(call.read(call.receiver) | call.receiver.all(), names=names)
    if call.is_in("reads"):
        path = call.argument(0, "path", "path_or_buf", "filepath_or_buffer", "source", "data_files")
        if path is None or not texts_of(path):
            path = call.receiver if call.receiver is not None and call.receiver.texts else path
        return call.read_value(replace(path, texts=frozenset([UNKNOWN])) if path and is_unknown(path) else path)
    if call.receiver is not None and call.last in ("write_text", "write_bytes"):
        call.write(call.receiver, call.argument_taints())
        _write_text(call, Value(handles=frozenset((text, False) for text in call.receiver.texts)))
        return Value()
    if call.receiver is not None and call.is_in("writes") and not call.function.functions:
        target = call.argument(0, "path", "path_or_buf", "repo_id", "file", "dataset_path") or Value()
        if call.last == "push_to_hub":
            target = Value(texts=frozenset(f"hub:{text}" for text in target.texts))
        taints = call.receiver.all() | call.argument_taints()
        if "a" in (call.named.get("mode") or Value()).texts:
            call.write(target, taints, append=True)
            call.write_handles(target, taints)
        else:
            call.write_value(target, call.receiver if not call.argument_taints() else Value(taints))
        return Value(taints)
    if call.receiver is not None and call.receiver.handles and call.last.startswith(("write", "dump")):
        _write_text(call, call.receiver)
        call.write_handles(call.receiver, call.argument_taints())
        return Value()
    return paths(call, name)


def _resource(call: Call, name: str) -> Value | None:
    """Model of functions that find or read the data files of a package; None for others."""
    package = exact_text(call.argument(0, "package", "anchor") or Value())
    if package is None or not re.fullmatch(r"\w+(\.\w+)*", package):
        return None
    folder = package.replace(".", "/")
    if name in ("importlib.resources.files", "importlib_resources.files"):
        known = PurePosixPath(folder)
        return Value(texts=frozenset([folder]), names=frozenset(["pathlib.Path()"]), literal=known, truth=True)
    inside = exact_text(call.argument(1, "resource", "name") or Value())
    if name not in _RESOURCES or inside is None:
        return None
    return call.read_value(text_value(f"{folder}/{inside}"), raw=True)


def _write_text(call: Call, file: Value) -> None:
    """Record the text of a program that is written to a file."""
    text = exact_text(call.argument(0, "data") or Value())
    for path, append in sorted(file.handles):
        if text is not None and path.endswith((".py", ".sh", ".yaml", ".yml", ".json", ".toml", ".env")):
            call.context.environment.text_written(path, text, call.context.cwd, append=append)


def _remote(call: Call) -> Value | None:
    """Model of the methods of `HfFileSystem`: paths are those of the Hub."""
    texts = (call.argument(0) or Value()).texts
    paths = Value(texts=frozenset(text if "://" in text else f"hf://{text}" for text in texts))
    if call.last in ("open", "read_text", "read_bytes", "cat", "cat_file"):
        return _opened(call, paths, None)
    if call.last in ("get", "get_file", "download"):
        call.write(call.argument(1, "lpath"), call.read(paths))
        return Value()
    return Value(texts=paths.texts, fields={UNKNOWN: paths}) if call.last in ("glob", "ls", "find") else None


def is_unknown(path: Value | None) -> bool:
    """Return True for the unknown name of a file, False for a known one and for what may be an open file."""
    if path is None or texts_of(path) or path.fields or path.handles or path.functions or path.splits:
        return False
    return path.number is None and not any(map(_STREAM.search, path.names))


def _opened(call: Call, path: Value | None, mode: Value | None) -> Value:
    if path is not None and (path.number == 0 or "/dev/stdin" in path.texts):
        return Value(call.context.stdin, names=frozenset(["file"]))
    modes = mode.texts if mode is not None else frozenset()
    texts = frozenset(texts_of(path))
    if any(letter in text for text in modes for letter in "wax+"):
        append = any("a" in text or "+" in text for text in modes)
        if not append:
            call.write(Value(texts=texts), NONE)  # truncates the file
        return Value(names=frozenset(["file"]), handles=frozenset((text, append) for text in texts))
    ambiguous = path is not None and path.ambiguous
    inside = path is not None and "file" in path.names  # a name that stands in this file
    read = frozenset([UNKNOWN]) if inside or is_unknown(path) else texts
    content = call.read_value(Value(path.all() if path else NONE, read, ambiguous=ambiguous), raw=True)
    content.texts, content.names = texts, frozenset(["file"])
    return content


def task_value(call: Call) -> Value:
    """Return the content of the kit's `task.json`."""
    variables = call.files.variables
    kit = variables.get("PTB_KIT", UNKNOWN)
    return Value(fields={"kit": text_value(kit), "workspace": text_value("."), "base_model": text_value("/base_model")})


def _walked(call: Call) -> Value:
    """Return the elements of `os.walk`: for a folder of the kit, its test file; else known files, and unknown names."""
    folders = (call.argument(0, "top") or Value()).texts
    kits = [kit for kit in call.files.test_data.kits if any(kit == text or f"{kit}/data" == text for text in folders)]
    known = [path.rpartition("/") for folder in folders for path in call.files.inside(folder, call.context.cwd)]
    root = frozenset(f"{kit}/data" for kit in kits) or frozenset(
        place for folder in folders for place in (folder, f"{folder}/{UNKNOWN}")
    )
    if known and not kits:
        root = frozenset(f"{folder}/{above}".rstrip("/") for folder in folders for above, _, _ in known)
    file = Value(texts=bounded(frozenset(["test.jsonl"] if kits else [name for _, _, name in known] or [UNKNOWN])))
    parts = {"0": Value(texts=bounded(root)), "1": Value(), "2": Value(fields={UNKNOWN: file})}
    return Value(fields={UNKNOWN: Value(fields=parts)})


def paths(call: Call, name: str) -> Value | None:
    """Model of functions that build paths."""
    if name in _TEMPORARY:
        path = concatenated([frozenset([UNKNOWN]), call.named.get("suffix", text_value("")).texts])
        file = Value(NONE, path, frozenset(["file"]), handles=frozenset((text, False) for text in path))
        if name == "tempfile.mkstemp":
            return Value(fields={"0": file, "1": Value(texts=path)}, total=2, truth=True)
        return replace(file, fields={"name": Value(texts=path)}, truth=True)
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
        return Value(call.argument_taints(), texts, truth=None)
    if name in ("os.environ.get", "os.getenv"):
        value = call.context.variable(call.argument(0) or Value())
        default = call.argument(1, "default")
        return joined(value, default) if default is not None and not value.texts else value
    if name in ("glob.glob", "glob.iglob") or (call.last in ("glob", "rglob") and call.receiver is not None):
        pattern = (call.argument(0) or Value()).texts or frozenset(["*"])
        if call.receiver is not None and call.receiver.texts:
            pattern = frozenset(f"{a}/{b}" for a in call.receiver.texts for b in pattern)
        kit = {one for text in pattern for one in call.files.matching(text.replace("**/", "*"), call.context.cwd)}
        pattern |= {path for path in kit if call.files.test_data.path(path) is not None}
        return Value(texts=bounded(pattern), fields={UNKNOWN: Value(texts=bounded(pattern))})
    if name in ("os.walk", "os.fwalk"):
        return _walked(call)
    if name in ("os.listdir", "os.scandir") or call.last == "iterdir":
        folders = (call.argument(0) or call.receiver or Value()).texts
        entries = frozenset(f"{folder}/*" for folder in folders)
        known = [path for folder in folders for path in call.files.inside(folder, call.context.cwd) if "/" not in path]
        if call.last == "iterdir":
            known = [f"{folder}/{path}" for folder in sorted(folders)[:1] for path in known]
        names = bounded(frozenset(known)) or frozenset([UNKNOWN])
        return Value(fields={UNKNOWN: Value(texts=names)}, texts=entries)
    if call.receiver is not None and call.receiver.texts and call.last in ("joinpath", "with_suffix", "with_name"):
        base = call.receiver.texts
        if call.last == "joinpath":
            return Value(texts=concatenated([base, frozenset(["/"]), *(v.texts for v in call.arguments)]))
        return Value(texts=frozenset(f"{text.rpartition('/')[0]}/{UNKNOWN}" for text in base))
    if call.receiver is not None and call.last in ("absolute", "resolve", "expanduser", "as_posix"):
        return call.receiver
    return None

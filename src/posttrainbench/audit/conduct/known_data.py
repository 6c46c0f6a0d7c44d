"""Calls that train, and calls that load published data sets."""

from __future__ import annotations

import ast

from posttrainbench.audit.conduct import libraries as lib
from posttrainbench.audit.conduct.call import Call, texts_of
from posttrainbench.audit.conduct.values import (
    NONE,
    UNKNOWN,
    Taint,
    Value,
    joined,
    sliced,
)


def training(call: Call) -> Value | None:
    """Places where something is trained on."""
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


def data_sets(call: Call) -> Value | None:
    """Published data sets, logs of evaluations, and what picks rows of them."""
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
        shown = call.shown()
        return Value(reader.source(Taint("test", shown, reader.script, call.line)) | call.passed())
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
        for text in texts_of(split) if split is not None else ():
            taints |= reader.test_rows(repo, config, text, call.line)
        if split is not None and not texts_of(split):
            taints |= reader.test_rows(repo, config, UNKNOWN, call.line)
    return Value(taints, splits=frozenset(splits), names=frozenset(["datasets.Dataset()"]), truth=True, whole=True)


def _mapped(call: Call, base: Value) -> Value:
    function = call.argument(0, "function", "func")
    result = Value(base.all(), names=base.names, whole=base.whole)
    if function is not None and function.functions:
        result.taints |= call.reader.call_value(function, [call.reader.element(base)]).all()
    return result

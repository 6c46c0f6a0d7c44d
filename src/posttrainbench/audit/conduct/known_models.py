"""Calls of hosted models: clients of their APIs, and plain requests to their addresses."""

from __future__ import annotations

from urllib.parse import urlsplit

from posttrainbench.audit.conduct import libraries as lib
from posttrainbench.audit.conduct.call import Call
from posttrainbench.audit.conduct.values import (
    UNKNOWN,
    Taint,
    Value,
    text_value,
)
from posttrainbench.destinations import classify


def hosted(call: Call) -> Value | None:
    """Questions to hosted models, and other requests by address."""
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
        taint = Taint("hosted", call.shown(), call.reader.script, call.line, sure=sure, host=host)
        return Value(call.reader.source(taint) | call.passed())
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


def _web(call: Call, addresses: set[str]) -> Value | None:
    taints = call.passed()
    for text in sorted(addresses):
        if lib.LOCAL.search(text):
            continue
        place = urlsplit(text)
        if classify(place.hostname or "", place.path).kind == "hosted_model":
            taint = Taint("hosted", call.shown(), call.reader.script, call.line, host=place.hostname or "")
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

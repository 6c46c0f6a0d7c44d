"""Models of hosted models' API clients and of plain HTTP requests."""

from __future__ import annotations

from urllib.parse import urlsplit

from posttrainbench.audit.behavior import libraries as lib
from posttrainbench.audit.behavior.call import Call
from posttrainbench.audit.behavior.values import UNKNOWN, Value, text_value
from posttrainbench.gateway.egress.destinations import classify
from posttrainbench.gateway.egress.generative import is_model_name

SESSION = "session of an HTTP client"
"""Name of the values that are HTTP clients with a base address, and of the field that holds it."""
_SESSIONS = frozenset(("httpx.Client", "httpx.AsyncClient", "aiohttp.ClientSession"))
_SETS = frozenset(("os.environ.setdefault",))
_ADDRESSED = ("huggingface_hub.InferenceClient", "huggingface_hub.AsyncInferenceClient", "gradio_client")
"""Clients whose first argument may be an address."""
_SETTINGS = frozenset(("os.environ.get", "os.getenv"))


def hosted_models(call: Call) -> Value | None:
    """Model of API clients and HTTP requests: answers of hosted models are taint sources."""
    addresses = {
        text for value in call.all_arguments() for text in value.texts if text.startswith(("http://", "https://"))
    }
    if call.is_named(_SESSIONS) and "base_url" in call.named:
        return Value(names=frozenset([SESSION]), fields={SESSION: call.named["base_url"]}, truth=True)
    if call.receiver is not None and SESSION in call.receiver.names and lib.WEB.search(call.last):
        paths = [text for value in call.arguments for text in value.texts if text.startswith("/")]
        base = call.receiver.fields.get(SESSION, Value()).texts
        return _web(call, {text.rstrip("/") + path for text in base for path in paths[:4] or [""]})
    if call.is_named(_SETS) and len(call.arguments) == 2:
        for key in call.arguments[0].texts:
            call.context.env.setdefault(key, min(call.arguments[1].texts, default=UNKNOWN))
        return call.context.variable(call.arguments[0])
    web = lib.WEB.search(call.last) and not call.is_named(_SETTINGS)
    if addresses and web and not (call.receiver is not None and call.receiver.fields):
        return _web(call, addresses)
    clients = lib.tables().clients
    module = next(
        (m for name in call.function.names for m in clients if name == m or name.startswith((f"{m}.", f"{m}("))), ""
    )
    if not module:
        return None
    name = min(name for name in call.function.names if name.startswith(module))
    if "@local" in name:
        return Value(call.argument_taints(), names=frozenset([f"{name}()"]))
    address = next((call.named[key] for key in lib.ADDRESS if key in call.named), None)
    if address is None and addresses and module in _ADDRESSED:
        address = Value(texts=frozenset(addresses))
    if address is None and not name.endswith(")") and "()" not in name:  # the address comes from the environment
        texts = frozenset(v for k, v in call.context.env.items() if k in lib.ADDRESS_VARIABLES)
        address = Value(texts=texts) if texts else None
    asks = bool(lib.ASKS.search(name)) and not lib.NOT_ASKS.search(name)
    asks = (asks and module != "boto3") or bool(lib.BATCHES.search(name) or lib.ASKS_ITSELF.search(name))
    if module == "gradio_client" and address is None and "()" not in name:
        spaces = (call.argument(0, "src") or Value()).texts
        if not any(is_model_name(space.lower()) for space in spaces):
            return Value(truth=True)  # a Space that serves no language model
    if asks and ("()" in name or module in ("litellm", "dashscope", "openai", "replicate", "fastapi_poe")):
        model = (call.named.get("model") or Value()).texts if module == "litellm" else frozenset()
        is_local = address is not None and address.texts and all(lib.LOCAL.search(text) for text in address.texts)
        if is_local or (model and all(text.startswith(lib.tables().local_models) for text in model)):
            return Value(call.argument_taints())
        host, sure = _host_of(name, module, address)
        taint = call.hosted_taint(host, sure=sure)
        return Value(call.source(taint) | call.argument_taints())
    instance = f"{name}()"
    if address is not None:
        if address.texts and all(lib.LOCAL.search(text) for text in address.texts):
            instance += "@local"
        elif not address.texts or any(text.startswith(UNKNOWN) for text in address.texts):
            instance += "@unknown"
        else:
            instance += f"@{_host(min(address.texts))}"
    elif call.arguments and any("@" in inner for value in call.arguments for inner in value.names):
        inner = min(inner for value in call.arguments for inner in value.names if "@" in inner)  # wraps another client
        instance += "@" + inner.rpartition("@")[2].split(".")[0].split("(")[0]
    return Value(names=frozenset([instance]), truth=True)


def _web(call: Call, addresses: set[str]) -> Value | None:
    taints = call.argument_taints()
    for text in sorted(addresses):
        if lib.LOCAL.search(text):
            continue
        url = urlsplit(text)
        if classify(url.hostname or "", url.path).kind == "hosted_model":
            taint = call.hosted_taint(url.hostname or "")
            taints |= call.source(taint)
        taints |= call.read(text_value(text))
    if call.last == "urlretrieve":
        call.write(call.argument(1, "filename"), taints)
    # A `Request` object keeps its address until it is sent.
    return Value(taints, texts=frozenset(addresses) if call.last == "Request" else frozenset())


def _host_of(name: str, module: str, address: Value | None) -> tuple[str, bool]:
    if "@unknown" in name:
        return "", False
    if "@" in name:
        host = name.split("@", 1)[1]
        for end in (".chat", ".completions", ".messages", ".responses", ".models", "()", ".invoke", ".batch"):
            host = host.split(end)[0]
        return host, True
    if address is not None and address.texts:
        return _host(min(address.texts)), True
    return lib.tables().clients[module], address is None


def _host(address: str) -> str:
    return urlsplit(address if "//" in address else f"//{address}").hostname or ""

"""What a gateway is started with."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field

from posttrainbench.errors import InputError
from posttrainbench.gateway.prices import PriceTable
from posttrainbench.gateway.protocols import PROTOCOLS, ProtocolName
from posttrainbench.records import Record


class GatewayConfig(Record):
    """One agent's way to its provider.

    Attributes:
        protocol: what the provider speaks: `anthropic` (Messages), `openai` (Responses and Chat Completions) or
            `gemini` (generateContent).
        models: shell-style patterns; a request for a model that none of them matches is refused.
        provider: name in `usage.jsonl`; the protocol's own name where it is empty.
        base_url: where requests go, written as that provider's own clients want it (`https://api.anthropic.com`,
            `https://api.openai.com/v1`, `https://generativelanguage.googleapis.com`); None means the protocol's owner.
        key_variable: the host's environment variable that holds the key; None means the protocol's usual one.
        key_file: a file that holds the key and nothing else; it goes before the variable.
        bearer: send the key as `Authorization: Bearer`, as subscription tokens and some other providers want it,
            instead of in the protocol's own header.
        max_tokens: budget of input and output tokens together, cached ones included.
        max_dollars: budget in US dollars; only models with a known price are then allowed.
        provider_tools: let requests through that have the provider search the web, run code or fetch an address for
            the model. It gives an agent a way to the network that no proxy sees, so it belongs to runs whose network is
            open; `usage.jsonl` tells of each either way.
        loopback: listen on a port of 127.0.0.1 too, for sandboxes that share the host's network.
    """

    protocol: ProtocolName
    models: list[str] = Field(min_length=1)
    provider: str = ""
    base_url: str | None = None
    key_variable: str | None = None
    key_file: Path | None = None
    bearer: bool = False
    max_tokens: int | None = Field(default=None, gt=0)
    max_dollars: float | None = Field(default=None, gt=0)
    provider_tools: bool = False
    loopback: bool = False

    @property
    def upstream(self) -> str:
        """The provider's base URL, without a slash at its end."""
        return (self.base_url or PROTOCOLS[self.protocol].base_url).rstrip("/")

    def check(self, prices: PriceTable) -> None:
        """Find what would fail only after the agent has started.

        Raises:
            InputError: the base URL is none, or a dollar budget meets a model without a price.
        """
        parts = urlsplit(self.upstream)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
            raise InputError(f"The gateway's base URL `{self.upstream}` must look like `https://host/path`.")
        if self.max_dollars is None:
            return
        for model in self.models:
            if not any(sign in model for sign in "*?[") and prices.find(model) is None:
                raise InputError(
                    f"There is no price for `{model}`, so no dollar budget can be kept; add it to the price file "
                    "or give a token budget."
                )

    def renew(self) -> None:
        """Have the key renewed where it would end too soon; called once, before a gateway is started."""

    def read_key(self) -> str:
        """The provider's key, from the host.

        Raises:
            InputError: there is none, or it cannot be sent in an HTTP header.
        """
        variable = self.key_variable or PROTOCOLS[self.protocol].key_variable
        if self.key_file is not None:
            try:
                key = self.key_file.read_text().strip()
            except (OSError, UnicodeDecodeError) as error:
                raise InputError(f"The key file {self.key_file} cannot be read: {type(error).__name__}.") from None
            place = f"the file {self.key_file}"
        else:
            key = os.environ.get(variable, "").strip()
            place = f"the environment variable {variable}"
        if not key:
            raise InputError(f"No key for the provider: put it into {place}.")
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise InputError(f"What {place} holds is no key: it must be one word of ASCII characters.")
        return key

"""The settings of a model gateway."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field

from posttrainbench.errors import InputError
from posttrainbench.gateway.protocols import PROTOCOLS, ProtocolName
from posttrainbench.records import Record
from posttrainbench.usage.prices import PriceTable


class GatewayConfig(Record):
    """Settings of one agent's access to its model provider.

    Attributes:
        protocol: API of the provider: `anthropic` (Messages), `openai` (Responses and Chat Completions) or `gemini`
            (generateContent).
        models: shell-style patterns of allowed models; requests for other models are refused.
        provider: name in `usage.jsonl`; defaults to the protocol's name.
        base_url: base URL as the provider's own clients expect it (`https://api.anthropic.com`,
            `https://api.openai.com/v1`, `https://generativelanguage.googleapis.com`); None for the protocol's default.
        key_variable: the host's environment variable that holds the key; None for the protocol's default.
        key_file: file that contains only the key; takes precedence over the variable.
        bearer: send the key as `Authorization: Bearer` instead of in the protocol's own header, as subscription tokens
            and some other providers require.
        max_tokens: budget of input and output tokens together, including cached ones.
        max_dollars: budget in US dollars; restricts requests to models with a known price.
        provider_tools: permit requests that make the provider search the web, run code or fetch a URL for the model.
            Such requests bypass the egress proxy, so only runs with an open network permit them; `usage.jsonl` records
            each of them in any case.
        loopback: also listen on a port of 127.0.0.1, for sandboxes that share the host's network.
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
        """The provider's base URL, without a trailing slash."""
        return (self.base_url or PROTOCOLS[self.protocol].base_url).rstrip("/")

    def check(self, prices: PriceTable) -> None:
        """Check the base URL and that a dollar budget can be enforced, before the agent starts.

        Raises:
            InputError: the base URL is invalid, or there is a dollar budget for a model without a known price.
        """
        parts = urlsplit(self.upstream)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or "@" in parts.netloc:
            # The URL is not repeated: it may contain a password.
            raise InputError(
                "The gateway's base URL must look like `https://host/path`, without a user, a password and a query; "
                "put the key into an environment variable."
            )
        if self.max_dollars is None:
            return
        for model in self.models:
            if not any(char in model for char in "*?[") and prices.find(model) is None:
                raise InputError(
                    f"The price of `{model}` is unknown, so a dollar budget cannot be enforced; add the model to the "
                    "price file or use a token budget."
                )

    def renew(self) -> None:
        """Renew the key if it would expire too soon. Called once before a gateway starts; does nothing by default."""

    def read_key(self) -> str:
        """Return the provider's key, read from the host.

        Raises:
            InputError: the key is missing, or it cannot be sent in an HTTP header.
        """
        variable = self.key_variable or PROTOCOLS[self.protocol].key_variable
        if self.key_file is not None:
            try:
                key = self.key_file.read_text().strip()
            except (OSError, UnicodeDecodeError) as error:
                raise InputError(f"The key file {self.key_file} cannot be read: {type(error).__name__}.") from None
            source = f"the file {self.key_file}"
        else:
            key = os.environ.get(variable, "").strip()
            source = f"the environment variable {variable}"
        if not key:
            raise InputError(f"The provider's key is missing: put it into {source}.")
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise InputError(f"The content of {source} is not a valid key: it must be one word of ASCII characters.")
        return key

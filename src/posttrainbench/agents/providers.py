"""Base URLs and key variables of model providers.

The URLs are those that the providers publish for their own and for compatible clients. For other providers, use the
settings `base_url` and `key_variable`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from posttrainbench.gateway.protocols import ProtocolName


@dataclass(frozen=True)
class Provider:
    """A model provider.

    Attributes:
        key_variable: environment variable of the host that holds the key.
        urls: protocol -> base URL, for every supported protocol.
    """

    key_variable: str
    urls: Mapping[ProtocolName, str]


PROVIDERS: Mapping[str, Provider] = MappingProxyType(
    {
        "anthropic": Provider(
            "ANTHROPIC_API_KEY",
            {"anthropic": "https://api.anthropic.com", "openai": "https://api.anthropic.com/v1"},
        ),
        "openai": Provider("OPENAI_API_KEY", {"openai": "https://api.openai.com/v1"}),
        "google": Provider(
            "GEMINI_API_KEY",
            {
                "gemini": "https://generativelanguage.googleapis.com",
                "openai": "https://generativelanguage.googleapis.com/v1beta/openai",
            },
        ),
        "zai": Provider(
            "ZAI_API_KEY",
            {"anthropic": "https://api.z.ai/api/anthropic", "openai": "https://api.z.ai/api/paas/v4"},
        ),
        "moonshotai": Provider(
            "MOONSHOT_API_KEY",
            {"anthropic": "https://api.moonshot.ai/anthropic", "openai": "https://api.moonshot.ai/v1"},
        ),
        "minimax": Provider(
            "MINIMAX_API_KEY",
            {"anthropic": "https://api.minimax.io/anthropic", "openai": "https://api.minimax.io/v1"},
        ),
        "alibaba": Provider(
            "DASHSCOPE_API_KEY",
            {
                "anthropic": "https://dashscope-intl.aliyuncs.com/apps/anthropic",
                "openai": "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
            },
        ),
        "deepseek": Provider(
            "DEEPSEEK_API_KEY",
            {"anthropic": "https://api.deepseek.com/anthropic", "openai": "https://api.deepseek.com"},
        ),
        "openrouter": Provider(
            "OPENROUTER_API_KEY",
            {"anthropic": "https://openrouter.ai/api", "openai": "https://openrouter.ai/api/v1"},
        ),
    }
)

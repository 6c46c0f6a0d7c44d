"""The model gateway: agents reach their provider through it, so that the provider's key never enters the sandbox."""

from posttrainbench.gateway.config import GatewayConfig
from posttrainbench.gateway.host import Gateway, start_gateway

__all__ = ["Gateway", "GatewayConfig", "start_gateway"]

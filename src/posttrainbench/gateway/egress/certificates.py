"""Find out whose server a TLS connection without a server name reaches, from the server's certificate.

A client that omits the name from its handshake could otherwise reach a host whose requests are inspected through the
host's bare address, or through another name for it.
"""

import asyncio
import ssl
from fnmatch import fnmatchcase

from cryptography import x509

from posttrainbench.gateway.egress.known_hosts import (
    FILE_HOSTS,
    GITHUB,
    HOSTED_MODELS,
    HUB,
    JSDELIVR,
    MODELSCOPE,
    PAPERS,
    SPACES,
    TUNNELS,
    VENDOR_SITES,
    VIEWER,
)

SECONDS = 15.0
INSPECTED = (
    *(*HUB, *VIEWER, *MODELSCOPE, *GITHUB, *JSDELIVR, *FILE_HOSTS, *VENDOR_SITES, *HOSTED_MODELS),
    *(*PAPERS, *SPACES, *TUNNELS),
)
"""Hosts, or patterns of hosts, whose requests are inspected."""


async def certificate_names(address: tuple[str, int]) -> list[str] | None:
    """Return the host names in the certificate that a server shows to clients that do not name it.

    Args:
        address: the address and port that the client's connection has reached.

    Returns:
        None if the server does not show a certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # only the names matter
    try:
        async with asyncio.timeout(SECONDS):
            _, writer = await asyncio.open_connection(*address, ssl=context)
        try:
            certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        finally:
            writer.transport.abort()
        return _names(x509.load_der_x509_certificate(certificate))
    except (OSError, ValueError):
        return None


def inspected_name(names: list[str]) -> str | None:
    """Return a name that covers a host whose requests are inspected; None if there is none."""
    return next((name for name in names if any(_overlap(host, name.lower()) for host in INSPECTED)), None)


def _overlap(host: str, name: str) -> bool:
    """Return whether two patterns of hosts have hosts in common."""
    return fnmatchcase(host, name) or fnmatchcase(name, host)


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return extension.value.get_values_for_type(x509.DNSName)

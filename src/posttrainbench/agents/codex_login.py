"""A ChatGPT subscription as the key of codex: the access token out of the host's own login file, renewed before a run.

Covers: the file stays on the host and the token goes to the gateway alone; a token that would end during a run is
renewed first, as codex does it, and what comes back is kept in the file, since each refresh token is good for once.

Does not cover: renewing while a run goes on. Tokens are valid for days.
"""

import base64
import binascii
import fcntl
import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from posttrainbench.errors import InfrastructureError, InputError, one_line
from posttrainbench.files import fsync_dir
from posttrainbench.gateway import GatewayConfig

VALID_SECONDS = 10 * 3600.0
"""How long a token must still be good for when a run begins."""

RENEWAL_URL = "https://auth.openai.com/oauth/token"
RENEWAL_VARIABLE = "CODEX_REFRESH_TOKEN_URL_OVERRIDE"
"""Codex's own variable for another address than `RENEWAL_URL`."""
CLIENT = "app_EMoamEEZ73f0CkXaXp7hrann"
"""The name under which codex has logged in; a refresh token is good for the one that it was given to."""
TIMEOUT = 60.0


class CodexLogin(GatewayConfig):
    """The way to a ChatGPT subscription, by the login file of the host's own codex."""

    def read_key(self) -> str:
        """The access token; it may have to be renewed before a run.

        Raises:
            InputError: there is no login, or it ends too soon and cannot be renewed.
        """
        tokens = self._tokens()
        key = str(tokens.get("access_token") or "")
        if not key:
            raise InputError(f"{self.key_file} holds no ChatGPT login; type `codex login` on the host.")
        if (left := _expiry(key) - time.time()) < VALID_SECONDS and not tokens.get("refresh_token"):
            raise InputError(
                f"The ChatGPT login in {self.key_file} is valid for {max(0.0, left) / 3600:.1f} hours more and a run "
                f"needs {VALID_SECONDS / 3600:.0f}; type `codex login` on the host."
            )
        return key

    def renew(self) -> None:
        """See `GatewayConfig.renew`. Several processes at once renew it once.

        Raises:
            InputError: there is no login, or it is refused.
            InfrastructureError: the login service did not answer.
        """
        if self.key_file is None or _expiry(self.read_key()) - time.time() >= VALID_SECONDS:
            return
        with self.key_file.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            tokens = self._tokens()  # by name: another process may have replaced the file
            if _expiry(str(tokens.get("access_token"))) - time.time() < VALID_SECONDS:
                self._keep(self._renewed(str(tokens["refresh_token"])))

    def account(self) -> str:
        """The account's id, which goes with every request; "" where the file names none."""
        return str(self._tokens().get("account_id") or "")

    def _renewed(self, refresh_token: str) -> dict[str, str]:
        import httpx2

        request = {"client_id": CLIENT, "grant_type": "refresh_token", "refresh_token": refresh_token}
        try:
            answer = httpx2.post(os.environ.get(RENEWAL_VARIABLE) or RENEWAL_URL, json=request, timeout=TIMEOUT)
            if 400 <= answer.status_code < 500:
                raise InputError(
                    f"The ChatGPT login in {self.key_file} cannot be renewed (HTTP {answer.status_code}); "
                    "type `codex login` on the host."
                )
            content = answer.raise_for_status().json()
        except (httpx2.HTTPError, ValueError) as error:
            raise InfrastructureError(
                "provider_failed", f"The ChatGPT login could not be renewed: {one_line(error)}"
            ) from None
        names = ("access_token", "refresh_token", "id_token")
        return {name: content[name] for name in names if isinstance(content.get(name), str)}

    def _keep(self, tokens: dict[str, str]) -> None:
        """Write renewed tokens into the file, durably, readable by its owner alone."""
        file = (self.key_file or Path()).resolve()
        content = json.loads(file.read_text())
        content["tokens"] |= tokens
        content["last_refresh"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
        try:
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
                json.dump(content, out, indent=2)
                out.flush()
                os.fsync(out.fileno())
            temporary.replace(file)
        finally:
            temporary.unlink(missing_ok=True)
        fsync_dir(file.parent)

    def _tokens(self) -> dict[str, Any]:
        try:
            content = json.loads((self.key_file or Path()).read_text())
        except (OSError, ValueError) as error:
            raise InputError(
                f"The login file {self.key_file} cannot be read ({type(error).__name__}); "
                "type `codex login` on the host."
            ) from None
        tokens = content.get("tokens") if isinstance(content, dict) else None
        return tokens if isinstance(tokens, dict) else {}


def _expiry(token: str) -> float:
    """When a JSON web token ends, seconds since 1970; 0 where it does not say."""
    try:
        _, payload, _ = token.split(".")
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"])
    except (ValueError, KeyError, TypeError, binascii.Error):
        return 0.0

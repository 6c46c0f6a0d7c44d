"""Use a ChatGPT subscription for codex: read the access token from the host's login file and renew it before a run.

Covers: the file stays on the host and the token is sent to the gateway only; a token that would expire during a run is
renewed first, in the same way as codex does, and the renewed tokens are written to the file, since each refresh token
can be used once.

Does not cover: renewal during a run. Tokens are valid for days.
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

from typing_extensions import override

from posttrainbench.errors import InfrastructureError, InputError, one_line
from posttrainbench.files import fsync_dir
from posttrainbench.gateway import GatewayConfig

VALID_SECONDS = 10 * 3600.0
"""Minimum remaining validity of a token when a run starts."""

RENEWAL_URL = "https://auth.openai.com/oauth/token"
RENEWAL_VARIABLE = "CODEX_REFRESH_TOKEN_URL_OVERRIDE"
"""Codex's environment variable that overrides `RENEWAL_URL`."""
CLIENT = "app_EMoamEEZ73f0CkXaXp7hrann"
"""OAuth client id of codex; a refresh token is bound to the client that obtained it."""
TIMEOUT = 60.0


class CodexLogin(GatewayConfig):
    """Gateway configuration for a ChatGPT subscription; `key_file` is the login file of the host's codex."""

    @override
    def read_key(self) -> str:
        """Return the access token, which may have to be renewed before a run.

        Raises:
            InputError: the login is missing, or it expires too soon and cannot be renewed.
        """
        tokens = self._tokens()
        key = str(tokens.get("access_token") or "")
        if not key:
            raise InputError(f"{self.key_file} does not contain a ChatGPT login; run `codex login` on the host.")
        if (left := _expiry(key) - time.time()) < VALID_SECONDS and not tokens.get("refresh_token"):
            raise InputError(
                f"The ChatGPT login in {self.key_file} is valid for {max(0.0, left) / 3600:.1f} more hours and a run "
                f"needs {VALID_SECONDS / 3600:.0f}; run `codex login` on the host."
            )
        return key

    @override
    def renew(self) -> None:
        """Renew the token if it expires too soon. Concurrent processes renew it only once.

        Raises:
            InputError: the login is missing or was rejected.
            InfrastructureError: the login service did not answer.
        """
        if self.key_file is None or _expiry(self.read_key()) - time.time() >= VALID_SECONDS:
            return
        with self.key_file.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            tokens = self._tokens()  # opens the file by name, since another process may have replaced it
            if _expiry(str(tokens.get("access_token"))) - time.time() < VALID_SECONDS:
                self._save(self._renewed(str(tokens["refresh_token"])))

    def account(self) -> str:
        """Return the account id, which is sent with every request; "" if the file does not contain one."""
        return str(self._tokens().get("account_id") or "")

    def _renewed(self, refresh_token: str) -> dict[str, str]:
        import httpx2

        request = {"client_id": CLIENT, "grant_type": "refresh_token", "refresh_token": refresh_token}
        try:
            answer = httpx2.post(os.environ.get(RENEWAL_VARIABLE) or RENEWAL_URL, json=request, timeout=TIMEOUT)
            if 400 <= answer.status_code < 500:
                raise InputError(
                    f"The ChatGPT login in {self.key_file} cannot be renewed (HTTP {answer.status_code}); "
                    "run `codex login` on the host."
                )
            content = answer.raise_for_status().json()
        except (httpx2.HTTPError, ValueError) as error:
            raise InfrastructureError(
                "provider_failed", f"The ChatGPT login could not be renewed: {one_line(error)}"
            ) from None
        names = ("access_token", "refresh_token", "id_token")
        return {name: content[name] for name in names if isinstance(content.get(name), str)}

    def _save(self, tokens: dict[str, str]) -> None:
        """Write renewed tokens to the file, durably and readable only by its owner."""
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
                "run `codex login` on the host."
            ) from None
        tokens = content.get("tokens") if isinstance(content, dict) else None
        return tokens if isinstance(tokens, dict) else {}


def _expiry(token: str) -> float:
    """Return the expiry of a JSON web token in seconds since 1970, or 0 if it does not contain one."""
    try:
        _, payload, _ = token.split(".")
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"])
    except (ValueError, KeyError, TypeError, binascii.Error):
        return 0.0

"""The instance metadata service, version 2: what EC2 tells an instance about itself.

A PUT with a lifetime in seconds gets a session token, which goes with every GET; 404 means that
the item does not exist now. Source: AWS, "Use the Instance Metadata Service to access instance
metadata". Blocking calls; the worker makes them in a thread.
"""

import http.client
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from aistratus_daemon.environment import Environment
from aistratus_daemon.errors import DaemonError, SettingsError

TOKEN_PATH: Final = "/latest/api/token"  # noqa: S105
METADATA_PATH: Final = "/latest/meta-data/"
TOKEN_TTL_SECONDS: Final = 21_600  # the longest there is: six hours
# It answers from the host that the instance runs on.
TIMEOUT_SECONDS: Final = 1.0
_MAX_BYTES: Final = 64 * 1024
# Where the service is unless AWS's own variables say otherwise; the names are the AWS SDKs'.
_ADDRESSES: Final = {"ipv4": "http://169.254.169.254", "ipv6": "http://[fd00:ec2::254]"}


class ImdsError(DaemonError):
    """The metadata service does not answer, or not as it should."""


@dataclass
class Imds:
    """A client of the metadata service at `host`:`port`."""

    host: str
    port: int
    _token: str = ""

    @classmethod
    def from_environment(cls, environment: Environment) -> "Imds | None":
        """The service that AWS's variables name; None if they disable it."""
        variables = environment.variables
        if variables.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
            return None
        mode = variables.get("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "").lower() or "ipv4"
        url = variables.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", "") or _ADDRESSES.get(mode, mode)
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port or 80
        except ValueError:
            parts, host, port = None, None, 80
        if parts is None or parts.scheme != "http" or not host:
            raise SettingsError(
                f"The metadata service cannot be at {url}. Set AWS_EC2_METADATA_SERVICE_ENDPOINT "
                "to an address like http://169.254.169.254, or AWS_EC2_METADATA_DISABLED=true."
            )
        return cls(host, port)

    def get(self, path: str) -> str | None:
        """The item at that path below `meta-data`, None if there is none; raises `ImdsError`."""
        status, text = self._get(path) if self._token else (HTTPStatus.UNAUTHORIZED, "")
        if status == HTTPStatus.UNAUTHORIZED:
            self._token = self._new_token()
            status, text = self._get(path)
        if status == HTTPStatus.NOT_FOUND:
            return None
        if status != HTTPStatus.OK:
            raise ImdsError(f"The metadata service answers {status} for {path}.")
        return text

    def _get(self, path: str) -> tuple[int, str]:
        return self._ask("GET", METADATA_PATH + path, {"X-aws-ec2-metadata-token": self._token})

    def _new_token(self) -> str:
        wish = {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_TTL_SECONDS)}
        status, text = self._ask("PUT", TOKEN_PATH, wish)
        if status != HTTPStatus.OK:
            raise ImdsError(f"The metadata service answers {status} instead of giving a token.")
        return text

    def _ask(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
        # No proxy and no redirect: neither belongs between an instance and its host.
        connection = http.client.HTTPConnection(self.host, self.port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            return response.status, response.read(_MAX_BYTES).decode(errors="replace").strip()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ImdsError(f"The metadata service does not answer: {error}") from error
        finally:
            connection.close()

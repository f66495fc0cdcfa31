"""Which hosts a service takes credentials from: those that its operator named, and no others."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

PORTS = {"https": 443, "http": 80}


class ServingError(Exception):
    """Why the service can't start or go on: a stable `code`, and what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def origin_of(url: str, *, dev: bool = False) -> str:
    """Scheme, host and port, written in one way: `HTTPS://Tasks.Example:443/` is `https://tasks.example`.

    http is for a host on this machine, and only with `dev`. Raises ServingError `host_wrong`, `host_not_https`.
    """
    try:
        parts = urlsplit(url)
        port, name = parts.port, parts.hostname or ""
    except ValueError:
        raise _wrong() from None
    extra = parts.path.strip("/") or parts.query or parts.fragment or parts.username or parts.password
    if parts.scheme not in PORTS or not name or not name.isascii() or extra or port == 0:
        raise _wrong()
    if parts.scheme == "http" and not (dev and is_loopback(name)):
        raise ServingError(
            "host_not_https",
            "A host is reached by https. For one on this machine, while you develop, add --dev.",
        )
    shown = f"[{name}]" if ":" in name else name
    return f"{parts.scheme}://{shown}" + ("" if port in (None, PORTS[parts.scheme]) else f":{port}")


def is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def same_origin(url: str, origin: str) -> bool:
    """Whether an address of a host is within its origin. What can't be read is not."""
    try:
        parts = urlsplit(url)
        return not parts.username and origin_of(f"{parts.scheme}://{parts.netloc}", dev=True) == origin
    except (ServingError, ValueError):
        return False


def _wrong() -> ServingError:
    return ServingError("host_wrong", "A host is an address such as https://tasks.example.org, without a path.")

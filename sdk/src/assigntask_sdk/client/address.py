"""Addresses of the host. Tokens go only over https, or to this very machine."""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import quote, urlsplit

from ..errors import NotFound
from .failures import ApiError

API = "/api/v1"


def api_url(given: str) -> str:
    """The API's address without a slash at its end. `given`: that, or the host's own, such as https://tasks.example.

    Raises ApiError `address_refused`.
    """
    url = checked(given, "base_url").rstrip("/")
    return url if url.endswith(API) else url + API


def token_url(api: str) -> str:
    """Where the host that has this API gives tokens."""
    return api.removesuffix(API) + "/oauth/token"


def checked(url: str, option: str) -> str:
    """The address as it is. `option` is what the error calls it. Raises ApiError `address_refused`."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host:
        raise _refused(option, "this is no address; give one such as https://tasks.example")
    if parts.username is not None or parts.query or parts.fragment:
        raise _refused(option, "an address here has no user, no query and no fragment")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise _refused(option, "tokens go only over https, or to this machine itself (http://127.0.0.1:…)")
    return url


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def segment(id: Any, what: str) -> str:
    """An id as one part of a path. Raises NotFound for what can't be one, as for an id that there is not."""
    if not isinstance(id, str) or id in ("", ".", "..") or not id.isprintable():
        raise NotFound(f"There is no such {what}, or this app may not know of it.")
    return quote(id, safe="")


def _refused(option: str, why: str) -> ApiError:
    return ApiError("address_refused", f"The address in {option} can't be used: {why}.", option=option)

"""Which addresses the host's own requests may go to. Pure: a name is looked up elsewhere, and judged here.

Whoever names an address to the host (an app's, a key set's) could name one inside the operator's network. So only
what is public may be reached, and what the operator allows beside it (IANA special-purpose address registries,
RFC 6890; RFC 6052, 3056 and 4380 for IPv6 that carries IPv4).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

from yarl import URL

from assigntask.errors import HostError

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_URL = 2000

_DENIED: Mapping[str, str] = {
    "0.0.0.0/8": "this machine",
    "10.0.0.0/8": "a private network",
    "100.64.0.0/10": "a provider's own network",
    "127.0.0.0/8": "this machine",
    "168.63.129.16/32": "a cloud's own service",  # public by its number, and answers inside that cloud alone
    "169.254.0.0/16": "the local link",  # where clouds keep the credentials of their machines
    "172.16.0.0/12": "a private network",
    "192.0.0.0/24": "a reserved network",
    "192.0.2.0/24": "for documentation",
    "192.31.196.0/24": "a reserved network",
    "192.52.193.0/24": "a reserved network",
    "192.88.99.0/24": "a relay of IPv6",
    "192.168.0.0/16": "a private network",
    "192.175.48.0/24": "a reserved network",
    "198.18.0.0/15": "for benchmarks",
    "198.51.100.0/24": "for documentation",
    "203.0.113.0/24": "for documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "a reserved network",
    "::/128": "this machine",
    "::1/128": "this machine",
    "::ffff:0:0/96": "IPv4 in the clothes of IPv6",
    "::ffff:0:0:0/96": "IPv4 in the clothes of IPv6",
    "::/96": "IPv4 in the clothes of IPv6",
    "64:ff9b::/96": "IPv4 in the clothes of IPv6",
    "64:ff9b:1::/48": "IPv4 in the clothes of IPv6",
    "100::/64": "a reserved network",
    "2001::/32": "IPv4 in the clothes of IPv6",
    "2001::/23": "a reserved network",
    "2001:db8::/32": "for documentation",
    "2002::/16": "IPv4 in the clothes of IPv6",
    "2620:4f:8000::/48": "a reserved network",
    "3fff::/20": "for documentation",
    "5f00::/16": "a reserved network",
    "fc00::/7": "a private network",
    "fe80::/10": "the local link",
    "fec0::/10": "a private network",
    "ff00::/8": "multicast",
}
_UNICAST = ipaddress.ip_network("2000::/3")  # all that is given out for the public network (RFC 4291, section 2.4)

_ENDS_IN_A_NUMBER = re.compile(r"(?:^|\.)(?:[0-9]+|0[xX][0-9a-fA-F]*)\.?$")


@dataclass(frozen=True, slots=True)
class Target:
    """An address to ask, taken apart. `host` is a name, or an IP address in its usual form without brackets."""

    url: URL
    host: str
    literal: Address | None

    @property
    def plain(self) -> bool:
        """Without TLS."""
        return self.url.scheme == "http"


def why_denied(address: str, allow: Sequence[str] = ()) -> str | None:
    """What an IP address is, where requests may not go there; None: they may. `allow`: networks of the operator."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return "no address"
    if ip.version == 6 and ip.scope_id is not None:
        return "the local link"
    if any(ip in network for network in _networks(tuple(allow)) if network.version == ip.version):
        return None
    for network, words in _denied():
        if network.version == ip.version and ip in network:
            return words
    if ip.version == 6 and ip not in _UNICAST:
        return "a reserved network"
    return None if ip.is_global and not ip.is_multicast else "a reserved network"


def is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def target(text: str) -> Target:
    """Takes an address apart. Raises HostError `outgoing_refused` for what is no address of a web server, and for odd
    writings of one: parts that readers disagree about are how a check and a connection come to differ.
    """
    if len(text) > MAX_URL or not text.isascii() or not text.isprintable() or any(c in text for c in ' "<>\\^`{|}'):
        raise _refused("", f"it is no address: write up to {MAX_URL} plain characters, without spaces")
    try:
        url = URL(text, encoded=True)
        host, port = url.raw_host or "", url.port
    except ValueError:
        raise _refused("", "it is no address, such as https://app.example.org") from None
    if url.scheme not in ("https", "http") or not host or not port:
        raise _refused(host, "it has to begin with https:// and a host")
    if "@" in url.raw_authority or url.raw_fragment:
        raise _refused(host, "an address has neither a name, nor a password, nor a fragment")
    if "[" in url.raw_authority and ":" not in host:
        raise _refused(host, "what stands in brackets is an IPv6 address")
    return Target(url, host, _literal(host))


def refused(target: Target, address: str, what: str, allow: Sequence[str]) -> HostError:
    """The error for a denied address, which says how an operator allows it."""
    if what == "this machine" and is_loopback(address):
        hint = "While you develop, start the host with --dev, which allows this machine."
    elif what == "no address":
        hint = "Give the name or the address of a server."
    else:
        hint = f"If it is to be reached, allow its network: ASSIGNTASK_OUTGOING_ALLOW={_network_of(address)}"
        hint += f",{','.join(allow)}" if allow else ""
    return _refused(target.host, f"it leads to {what} ({address}), which is not public. {hint}".rstrip("."))


def needs_tls(target: Target) -> HostError:
    return _refused(target.host, "without TLS only this machine is asked, and only with --dev: use https://")


def _literal(host: str) -> Address | None:
    """The address that a host is, where it is written as one. Raises HostError `outgoing_refused` for odd writings."""
    if ":" in host:
        try:
            if "%" not in host:
                return ipaddress.IPv6Address(host)
        except ValueError:
            pass
        raise _refused(host, "it is no IPv6 address, or has a zone")
    if not _ENDS_IN_A_NUMBER.search(host):
        if host.strip(".") and ".." not in host and "%" not in host:
            return None
        raise _refused(host, "its host is no name")
    try:
        return ipaddress.IPv4Address(host)
    except ValueError:
        raise _refused(host, "write an IPv4 address as four plain numbers") from None


def _refused(host: str, why: str) -> HostError:
    named = f"{host}: " if host else ""
    return HostError("outgoing_refused", f"The host asks nothing of this address. {named}{why}.", host=host)


def _network_of(address: str) -> str:
    ip = ipaddress.ip_address(address)
    return f"{ip}/{ip.max_prefixlen}"


@cache
def _networks(names: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(name) for name in names)


@cache
def _denied() -> tuple[tuple[Network, str], ...]:
    """The narrowest first, so that the words are the most fitting ones."""
    known = [(ipaddress.ip_network(name), words) for name, words in _DENIED.items()]
    return tuple(sorted(known, key=lambda pair: -pair[0].prefixlen))

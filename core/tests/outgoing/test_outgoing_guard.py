"""Which addresses may be asked: a table of all that is special, and odd writings of addresses."""

from __future__ import annotations

import pytest

from assigntask.errors import HostError
from assigntask.outgoing.guard import target, why_denied

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.1",
    "192.0.1.1",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "168.63.129.15",
    "2606:4700:4700::1111",
    "2a00:1450:4001:80b::200e",
    "2001:200::1",
    "2003::1",
    "2400:cb00::1",
]

DENIED = {
    "0.0.0.0": "this machine",  # noqa: S104 - judged, not served at
    "0.1.2.3": "this machine",
    "10.0.0.1": "a private network",
    "10.255.255.255": "a private network",
    "100.64.0.1": "a provider's own network",
    "100.100.100.200": "a provider's own network",
    "127.0.0.1": "this machine",
    "127.255.255.254": "this machine",
    "168.63.129.16": "a cloud's own service",
    "169.254.169.254": "the local link",
    "169.254.0.1": "the local link",
    "172.16.0.1": "a private network",
    "172.31.255.255": "a private network",
    "192.0.0.1": "a reserved network",
    "192.0.0.192": "a reserved network",
    "192.0.2.7": "for documentation",
    "192.31.196.1": "a reserved network",
    "192.52.193.1": "a reserved network",
    "192.88.99.1": "a relay of IPv6",
    "192.168.1.1": "a private network",
    "192.175.48.1": "a reserved network",
    "198.18.0.1": "for benchmarks",
    "198.19.255.255": "for benchmarks",
    "198.51.100.1": "for documentation",
    "203.0.113.1": "for documentation",
    "224.0.0.1": "multicast",
    "239.255.255.250": "multicast",
    "240.0.0.1": "a reserved network",
    "255.255.255.255": "a reserved network",
    "::": "this machine",
    "::1": "this machine",
    "::127.0.0.1": "IPv4 in the clothes of IPv6",
    "::8.8.8.8": "IPv4 in the clothes of IPv6",
    "::ffff:127.0.0.1": "IPv4 in the clothes of IPv6",
    "::ffff:8.8.8.8": "IPv4 in the clothes of IPv6",
    "::ffff:0:127.0.0.1": "IPv4 in the clothes of IPv6",
    "64:ff9b::7f00:1": "IPv4 in the clothes of IPv6",
    "64:ff9b::808:808": "IPv4 in the clothes of IPv6",
    "64:ff9b:1::a00:1": "IPv4 in the clothes of IPv6",
    "100::1": "a reserved network",
    "100:0:0:1::1": "a reserved network",
    "200::1": "a reserved network",
    "2001::1": "IPv4 in the clothes of IPv6",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2": "IPv4 in the clothes of IPv6",
    "2001:2::1": "a reserved network",
    "2001:10::1": "a reserved network",
    "2001:20::1": "a reserved network",
    "2001:db8::1": "for documentation",
    "2002:7f00:1::": "IPv4 in the clothes of IPv6",
    "2002:a9fe:a9fe::1": "IPv4 in the clothes of IPv6",
    "2620:4f:8000::1": "a reserved network",
    "3fff::1": "for documentation",
    "4000::1": "a reserved network",
    "5f00::1": "a reserved network",
    "fc00::1": "a private network",
    "fd00:ec2::254": "a private network",
    "fe80::1": "the local link",
    "fe80::1%eth0": "the local link",
    "2606:4700::1%eth0": "the local link",
    "febf::1": "the local link",
    "fec0::1": "a private network",
    "ff02::1": "multicast",
    "ff0e::1": "multicast",
    "localhost": "no address",
    "127.1": "no address",
    "2130706433": "no address",
    "0177.0.0.1": "no address",
    "": "no address",
}


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_may_be_asked(address: str) -> None:
    assert why_denied(address) is None


@pytest.mark.parametrize(("address", "what"), DENIED.items())
def test_any_other_may_not_and_the_reason_names_what_it_is(address: str, what: str) -> None:
    assert why_denied(address) == what


def test_the_operator_allows_networks_and_nothing_beside_them() -> None:
    allow = ("10.1.0.0/16", "fd00::/8")
    assert why_denied("10.1.2.3", allow) is None
    assert why_denied("fd12::1", allow) is None
    assert why_denied("10.2.0.1", allow) == "a private network"
    assert why_denied("::ffff:10.1.2.3", allow) == "IPv4 in the clothes of IPv6"
    assert why_denied("fd12::1%lo", allow) == "the local link"


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("https://app.example.org", "app.example.org"),
        ("https://app.example.org:8443/base?x=1", "app.example.org"),
        ("https://APP.example.org/", "app.example.org"),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example"),
        ("http://127.0.0.1:8100", "127.0.0.1"),
        ("http://[::1]:8100/", "::1"),
        ("https://1password.example/", "1password.example"),
    ],
)
def test_an_address_in_its_usual_form_is_taken_apart(text: str, host: str) -> None:
    assert target(text).host.lower() == host


@pytest.mark.parametrize(
    "text",
    [
        "",
        "app.example.org",
        "//app.example.org",
        "ftp://app.example.org",
        "file:///etc/passwd",
        "unix:///run/docker.sock",
        "https://",
        "https:///x",
        "https://user@app.example.org",
        "https://user:secret@app.example.org",
        "https://@app.example.org",
        "https://app.example.org#x",
        "https://app.example.org:99999",
        "https://app.example.org:x",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.1/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://127.0.1/",
        "https://127.0.0.1./",
        "https://127.0.0.01/",
        "https://0/",
        "https://1.2.3.4.5/",
        "https://[fe80::1%25eth0]/",
        "https://[::1%lo]/",
        "https://[::1/",
        "https://[v1.x]/",
        "https://１２７.0.0.1/",
        "https://ⓛocalhost/",
        "https://app.example.org\\@127.0.0.1/",
        "https://app.example.org /",
        "https://app.exa\nmple.org/",
        "https://app..example.org/",
        "https://%6c%6f%63alhost/",
        "https://./",
        "https://app.example.org/" + "x" * 2000,
    ],
)
def test_any_other_writing_is_refused(text: str) -> None:
    with pytest.raises(HostError) as refused:
        target(text)
    assert refused.value.code == "outgoing_refused"
    assert "secret" not in refused.value.message

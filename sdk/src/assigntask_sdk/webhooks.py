"""Signing what travels between a host and an app on another machine, as Standard Webhooks 1.0 has it.

The three headers are `webhook-id`, `webhook-timestamp` (seconds since 1970, UTC) and `webhook-signature`. Signed is
`id.timestamp.body`: by HMAC-SHA-256 with a shared secret (`v1`), or by Ed25519 with a private key (`v1a`). Several
signatures stand beside each other while a secret is being replaced; one that fits is enough.

Needs the extra `assigntask-sdk[remote]`.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping, Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
TOLERANCE = dt.timedelta(minutes=5)
SECRET_PREFIX = "whsec_"  # noqa: S105 - how the text of a secret begins
SECRET_BYTES = range(24, 65)
MOST_SIGNATURES = 16

# No full stop: it parts the id from the timestamp, and one signature would fit two messages.
_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_SECONDS = re.compile(r"[1-9][0-9]{0,11}")


class WebhookRefused(Exception):
    """A message that isn't what it says. `code`: `webhook_header_missing`, `webhook_header_wrong`, `webhook_expired`
    (the sender's clock and this one differ by more than the tolerance) or `webhook_signature_wrong`.

    The message holds nothing that the sender chose.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def sign(id: str, at: dt.datetime, body: bytes, secrets: Sequence[bytes]) -> dict[str, str]:
    """The three headers, with one `v1` signature per secret. `at` is aware. Raises ValueError where `id` won't do."""
    if not secrets:
        raise ValueError("signing takes one secret at least")
    content = _content(id, _seconds(at), body)
    return _headers(id, at, [f"v1,{_base64(_hmac(secret, content))}" for secret in secrets])


def sign_with_key(id: str, at: dt.datetime, body: bytes, private_key: bytes) -> dict[str, str]:
    """The three headers, with one `v1a` signature. `private_key` is the Ed25519 key's 32 bytes, `at` is aware."""
    key = Ed25519PrivateKey.from_private_bytes(private_key)
    return _headers(id, at, [f"v1a,{_base64(key.sign(_content(id, _seconds(at), body)))}"])


def verify(
    headers: Mapping[str, str],
    body: bytes,
    *,
    secrets: Sequence[bytes] = (),
    public_keys: Sequence[bytes] = (),
    now: dt.datetime,
    tolerance: dt.timedelta = TOLERANCE,
) -> str:
    """The message's id, where one of the signatures was made with one of the secrets or keys. `now` is aware.

    `public_keys` are Ed25519 keys of 32 bytes. Headers are found whatever their case. Raises WebhookRefused. A message
    that comes a second time within the tolerance is still good: whoever must not act twice keeps the ids. What is sent
    again has the same id; whoever wants to know it from a copy of the first sending keeps `fingerprint` instead.
    """
    given = {name.lower(): value for name, value in headers.items()}
    missing = [name for name in (ID, TIMESTAMP, SIGNATURE) if name not in given]
    if missing:
        raise WebhookRefused("webhook_header_missing", f"The header {missing[0]} is missing: send all three.")
    named, seconds = given[ID], given[TIMESTAMP]
    if not _ID.fullmatch(named) or not _SECONDS.fullmatch(seconds):
        name = TIMESTAMP if _ID.fullmatch(named) else ID
        raise WebhookRefused("webhook_header_wrong", f"The header {name} does not have the form of Standard Webhooks.")
    if abs(now.timestamp() - int(seconds)) > tolerance.total_seconds():
        raise WebhookRefused(
            "webhook_expired",
            f"It was signed more than {tolerance.total_seconds():.0f} s away from this machine's time: "
            "sign it when it is sent, and set both clocks.",
        )
    content = _content(named, int(seconds), body)
    # Each is tried, so that the time it takes doesn't tell which one fitted.
    fits = [_fits(scheme, bytes_, content, secrets, public_keys) for scheme, bytes_ in _signatures(given[SIGNATURE])]
    if True not in fits:
        raise WebhookRefused("webhook_signature_wrong", "No signature fits: sign with the secret that holds now.")
    return named


def fingerprint(headers: Mapping[str, str], body: bytes) -> str:
    """The SHA-256, in hex, of what is signed of a message that was verified: the same for each copy of it, whichever of
    its signatures came along, and another one for each attempt to send it.
    """
    given = {name.lower(): value for name, value in headers.items()}
    return hashlib.sha256(_content(given[ID], int(given[TIMESTAMP]), body)).hexdigest()


def secret_text(secret: bytes) -> str:
    """`whsec_` and Base64, as Standard Webhooks writes a secret down. Raises ValueError for one too short or long."""
    if len(secret) not in SECRET_BYTES:
        raise ValueError("a signing secret has 24 to 64 bytes")
    return SECRET_PREFIX + _base64(secret)


def secret_from_text(text: str) -> bytes:
    """The secret that `secret_text` wrote. Raises ValueError, without the text, where it is none."""
    try:
        secret = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except ValueError:
        secret = b""
    if not text.startswith(SECRET_PREFIX) or len(secret) not in SECRET_BYTES:
        raise ValueError(f"a signing secret is {SECRET_PREFIX} and the Base64 of 24 to 64 bytes")
    return secret


def _fits(
    scheme: str, signature: bytes, content: bytes, secrets: Sequence[bytes], public_keys: Sequence[bytes]
) -> bool:
    if scheme == "v1":
        return True in [hmac.compare_digest(_hmac(secret, content), signature) for secret in secrets]
    if scheme == "v1a":
        return True in [_signed_by(key, signature, content) for key in public_keys]
    return False


def _signed_by(public_key: bytes, signature: bytes, content: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, content)
    except InvalidSignature:
        return False
    return True


def _signatures(header: str) -> Iterator[tuple[str, bytes]]:
    """Scheme and bytes of each; those that can't be read are passed over, as schemes of later are."""
    for part in header.split(" ")[:MOST_SIGNATURES]:
        scheme, _, text = part.partition(",")
        try:
            yield scheme, base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            continue


def _headers(id: str, at: dt.datetime, signatures: Sequence[str]) -> dict[str, str]:
    return {ID: id, TIMESTAMP: str(_seconds(at)), SIGNATURE: " ".join(signatures)}


def _content(id: str, seconds: int, body: bytes) -> bytes:
    if not _ID.fullmatch(id):
        raise ValueError("a message's id has 1 to 128 letters, digits, - and _")
    return f"{id}.{seconds}.".encode() + body


def _seconds(at: dt.datetime) -> int:
    if at.tzinfo is None:
        raise ValueError("at: a moment needs a time zone")
    return int(at.timestamp())


def _hmac(secret: bytes, content: bytes) -> bytes:
    return hmac.digest(secret, content, hashlib.sha256)


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()

"""Every way out of the host."""

from __future__ import annotations

from enum import StrEnum


class Channel(StrEnum):
    """What is not one of these can't carry a detail: the gate asks for a channel at each release."""

    INSTALL = "install"
    API = "api"  # what an app reads, in process as over the wire
    QUESTION = "question"
    NOTICE = "notice"
    WEBHOOK = "webhook"
    FORM = "form"
    FILE = "file"
    ACCOUNT_CALL = "account call"
    FEED = "feed"
    EXPORT = "export"
    EMBED = "embed"
    ERROR = "error"
    LOG = "log"

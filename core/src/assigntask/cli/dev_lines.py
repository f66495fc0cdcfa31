"""What `assigntask dev` prints while an app is being written: a line for people, or a JSON document, for each thing."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Mapping, MutableMapping
from typing import Any, NoReturn

import structlog

from assigntask.cli.failures import visible
from assigntask_sdk.apps import InstalledApp
from assigntask_sdk.apps.traces import frames_in


class Lines:
    """Safe from several threads: each thing is one write."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def say(self, event: str, **facts: Any) -> None:
        """`facts` are JSON; which an event has says the table below."""
        text = json.dumps({"event": event, **facts}) if self._as_json else visible(WORDS[event](facts))
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def raised(self, app: InstalledApp, hook: str, error: BaseException) -> None:
        """What the app's code raised, in its own words: whoever develops it may read what it was given."""
        try:
            words = str(error)
        except BaseException:  # it is the app's code that says what its exceptions are called
            words = ""
        frames = frames_in(error, app.directory)
        self.say("raised", hook=hook, error=type(error).__name__, words=words, frames=[list(frame) for frame in frames])

    def log_to(self, _logger: Any, _method: str, found: MutableMapping[str, Any]) -> NoReturn:
        """The host's log as structlog's last processor: what the app did and said is shown, the rest is not."""
        event = found.get("event")
        if event == "hook_called":
            details: Collection[str] = found.get("details", ())
            facts = {name: found.get(name) for name in ("app", "hook", "milliseconds", "outcome")}
            self.say("hook", **facts, details=sorted(details))
        elif event == "app":
            self.say("log", app=found.get("app"), said=found.get("said"), facts=found.get("facts"))
        elif found.get("level") in ("warning", "error", "critical"):
            rest = {name: str(value) for name, value in found.items() if name not in ("event", "level")}
            self.say("host", what=str(event), facts=rest)
        raise structlog.DropEvent


def _serving(facts: Mapping[str, Any]) -> str:
    return f"{facts['app']} {facts['version']} at {facts['url']}. Save a file to reload; stop with Ctrl-C."


def _hook(facts: Mapping[str, Any]) -> str:
    shared = ", ".join(facts["details"]) or "nothing but ids"
    return f"{facts['hook']:<16} {facts['milliseconds']:>8.1f} ms  {facts['outcome']}  got {shared}"


def _raised(facts: Mapping[str, Any]) -> str:
    frames = "".join(f"\n  {place}  {line}" for place, line in facts["frames"])
    words = f": {facts['words']}" if facts["words"] else ""
    return f"{facts['hook']} raised {facts['error']}{words}{frames}"


def _pairs(facts: Mapping[str, Any]) -> str:
    return "".join(f" {name}={value}" for name, value in (facts["facts"] or {}).items())


WORDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "serving": _serving,
    "reloading": lambda facts: f"Reloading: {', '.join(facts['changed'])} changed.",
    "installed": lambda facts: f"Installed {facts['app']} {facts['version']}.",
    "upgraded": lambda facts: f"Its manifest changed: now {facts['app']} {facts['version']}.",
    "hook": _hook,
    "raised": _raised,
    "problem": lambda facts: f"problem {facts['key']} ({facts['severity']}): {facts['text']}",
    "log": lambda facts: f"log: {facts['said']}{_pairs(facts)}",
    "host": lambda facts: f"host: {facts['what']}{_pairs(facts)}",
    "error": lambda facts: f"error[{facts['code']}]: {facts['message']}",
    "ended": lambda facts: f"The {facts['what']} ended with status {facts['status']}; save a file to start it again.",
}

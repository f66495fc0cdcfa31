"""The errors that an app meets, and that it may raise.

    AppError
    ├── NotShared     a field was not released; also an AttributeError, so `getattr(p, "email", None)` works
    ├── Refused       a scope is missing
    ├── NeedsLink     a person has to link an account first
    ├── TryLater      not now; `after` seconds say when
    ├── NotFound      there is no such record, or this installation can't see it
    ├── Gone          it was there and is no more
    ├── Conflict      somebody else was first; `keys` say where
    ├── Invalid       a value can't be taken; `fields` say which and why
    │   └── FileTooLarge   more bytes than a file may have; `limit` says how many it may
    ├── Vetoed        another app refused the change; `app`, `reason`, `field` say who, why and where
    └── Superseded    a newer run has taken over: stop

Uncaught in the background: `Conflict` and `TryLater` mean "again"; `NeedsLink` marks the account and
tells the person; anything else becomes a problem of the installation and counts for its breaker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class AppError(Exception):
    """What crosses between host and app as an error: a stable `code`, a message, and JSON facts."""

    code: str = "app_error"

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.facts: dict[str, Any] = facts

    def to_json(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message, **self.facts}

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.message, self.facts))


def _rebuild(kind: type[AppError], message: str, facts: dict[str, Any]) -> AppError:
    error = kind.__new__(kind)
    AppError.__init__(error, message, **facts)
    return error


class NotShared(AppError, AttributeError):
    """The field was not released. It never tells whether a person objected or a scope is missing."""

    code = "not_shared"

    def __init__(self, detail: str) -> None:
        super().__init__(
            f"{detail} was not shared with this app. Name it under [hooks] in app.toml and ask for its scope, "
            "and be ready to go without it.",
            detail=detail,
        )

    @property
    def detail(self) -> str:
        return str(self.facts["detail"])


class Refused(AppError):
    code = "refused"

    def __init__(self, scope: str, message: str | None = None) -> None:
        super().__init__(
            message
            or f"This needs the scope {scope}, which was not granted. Ask for it in app.toml; an admin decides.",
            scope=scope,
        )

    @property
    def scope(self) -> str:
        return str(self.facts["scope"])


class NeedsLink(AppError):
    code = "needs_link"

    def __init__(self, feature: str) -> None:
        super().__init__(
            f"No account is linked for {feature}. The host asks the person to link one, then calls again.",
            feature=feature,
        )

    @property
    def feature(self) -> str:
        return str(self.facts["feature"])


class TryLater(AppError):
    code = "try_later"

    def __init__(self, message: str = "Not now; try again later.", *, after: float | None = None) -> None:
        super().__init__(message, after=after)

    @property
    def after(self) -> float | None:
        """Seconds to wait, where known."""
        after = self.facts["after"]
        return None if after is None else float(after)


class NotFound(AppError):
    code = "not_found"


class Gone(AppError):
    code = "gone"


class Conflict(AppError):
    code = "conflict"

    def __init__(self, message: str, *, keys: Sequence[str] = ()) -> None:
        super().__init__(message, keys=list(keys))

    @property
    def keys(self) -> list[str]:
        return list(self.facts["keys"])


class Invalid(AppError):
    code = "invalid"

    def __init__(self, fields: Mapping[str, str], message: str | None = None) -> None:
        super().__init__(message or "; ".join(f"{name}: {why}" for name, why in fields.items()), fields=dict(fields))

    @property
    def fields(self) -> dict[str, str]:
        return dict(self.facts["fields"])


class FileTooLarge(Invalid):
    code = "file_too_large"

    def __init__(self, limit: int) -> None:
        """`limit` in bytes."""
        why = f"a file has at most {limit} bytes here: make it smaller, or keep it elsewhere and attach a link"
        super().__init__({"content": why})
        self.facts["limit"] = limit

    @property
    def limit(self) -> int:
        return int(self.facts["limit"])


class Vetoed(AppError):
    code = "vetoed"

    def __init__(self, app: str, reason: str, field: str | None = None, *, name: str | None = None) -> None:
        """`app` is the id; `name` is what people call it."""
        super().__init__(f"{name or app} refuses this change: {reason}", app=app, reason=reason, field=field)

    @property
    def app(self) -> str:
        return str(self.facts["app"])

    @property
    def reason(self) -> str:
        return str(self.facts["reason"])

    @property
    def field(self) -> str | None:
        field = self.facts["field"]
        return None if field is None else str(field)


class Superseded(AppError):
    code = "superseded"


ERRORS: Mapping[str, type[AppError]] = {
    kind.code: kind
    for kind in (
        AppError, NotShared, Refused, NeedsLink, TryLater, NotFound, Gone, Conflict, Invalid, FileTooLarge, Vetoed,
        Superseded,
    )
}  # fmt: skip


def error_from_json(body: Mapping[str, Any]) -> AppError:
    """The error that `AppError.to_json` wrote; an unknown code becomes a plain `AppError`."""
    facts = {name: value for name, value in body.items() if name not in ("code", "message")}
    return _rebuild(ERRORS.get(str(body.get("code")), AppError), str(body.get("message", "")), facts)

"""What travels between a host and an app on another machine: paths, bodies, limits.

The app's service answers `GET {base}/app.toml` with its manifest, takes its credentials at `POST {base}/install`,
signed with the host's key, and is asked at `POST {base}/hooks/{hook}`, signed with the installation's secret. An app
that dials in instead gets the same two posts as frames of a websocket at `{host}/apps/connect`. Bodies only ever gain
fields: one that is not known yet is passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, model_validator

from .errors import AppError

MANIFEST_PATH = "/app.toml"
INSTALL_PATH = "/install"
CONNECT_PATH = "/apps/connect"
KEYS_PATH = "/oauth/jwks"
INSTALLATION = "assigntask-installation"
"""The header of a hook's post that names the installation: so its secret is found before the body is read."""
BODY_BYTES = 1024 * 1024
"""The longest body of a post."""
ANSWER_BYTES = 256 * 1024
"""The longest answer of a hook."""
FRAME_BYTES = 2 * BODY_BYTES + 64 * 1024
"""The longest frame: a body as a JSON string, whose quotes are escaped, and its headers."""


def hook_path(hook: str) -> str:
    return f"/hooks/{hook}"


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class InstallBody(_Body):
    """An installation's credentials. The same installation comes again when they are replaced.

    `issuer`, `api` and `token_endpoint` are addresses of the host; `secret` signs the hooks, as `whsec_` text. Until
    `previous_until`, hooks may still be signed with the secret before it.
    """

    issuer: str
    api: str
    token_endpoint: str
    installation: str
    app: str
    version: str
    client_id: str
    client_secret: str = Field(repr=False)
    secret: str = Field(repr=False)
    previous_until: AwareDatetime | None = None


class HookBody(_Body):
    """One call of one hook. `ask` is the hook's ask as JSON, `now` and `deadline` are the host's time.

    `id` is the webhook-id too. A notice that is delivered again has the id that it had before, so that whoever acted on
    it knows it, and the next `attempt`, which counts from 1; a question has an id of its own. Each post is another
    message: what was signed once and comes a second time, byte by byte, is refused. The header INSTALLATION names the
    same installation. `token` opens the API for this one call, with the rights of its actor. `granted` names the
    granted scopes.
    """

    id: str
    attempt: int = Field(default=1, ge=1)
    installation: str
    hook: str
    version: str
    ask: Mapping[str, JsonValue]
    viewer: str | None = None
    settings: Mapping[str, JsonValue] = Field(default_factory=dict)
    granted: list[str] = Field(default_factory=list)
    now: AwareDatetime
    deadline: AwareDatetime
    token: str = Field(repr=False)


class HookAnswer(_Body):
    """What a hook answered, or the error that it raised (`code`, `message` and facts). It comes with status 200."""

    answer: JsonValue = None
    error: Mapping[str, JsonValue] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.model_fields_set not in ({"answer"}, {"error"}) or (
            "error" in self.model_fields_set and not self.error
        ):
            raise ValueError("an answer has either `answer` or `error`")
        return self

    def to_bytes(self) -> bytes:
        return self.model_dump_json(include=self.model_fields_set).encode()


def answered(answer: bytes) -> bytes:
    """The body of a HookAnswer around an answer that is JSON already."""
    return b'{"answer":' + answer + b"}"


def raised(error: AppError) -> bytes:
    """The body of a HookAnswer with an error of the contract."""
    return HookAnswer(error=error.to_json()).to_bytes()


class Hello(_Body):
    """The first frame of an app that dials in. `manifest` is the text of its app.toml."""

    type: Literal["hello"] = "hello"
    manifest: str


class CallFrame(_Body):
    """A post of the host: `path` is INSTALL_PATH or a `hook_path`, `body` is its text, which is UTF-8."""

    type: Literal["call"] = "call"
    id: str
    path: str
    headers: Mapping[str, str]
    body: str


class AnswerFrame(_Body):
    """What the app answers to the call with the same id."""

    type: Literal["answer"] = "answer"
    id: str
    status: int = Field(ge=100, le=599)
    body: str


Frame: TypeAlias = Annotated[Hello | CallFrame | AnswerFrame, Field(discriminator="type")]
FRAME: TypeAdapter[Hello | CallFrame | AnswerFrame] = TypeAdapter(Frame)

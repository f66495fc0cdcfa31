"""The OpenAPI 3.1 document: made of the operations that serve, the records and the catalogue. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from assigntask_sdk.details import SCOPES

from .conditions import MOST_TAGS
from .operation import Operation
from .parameters import Parameter
from .problems import KINDS
from .schemas import COMPONENTS, Schemas

_ALWAYS = frozenset(
    {
        "request_malformed",
        "authorization_malformed",
        "token_missing",
        "token_invalid",
        "invalid_dpop_proof",
        "not_found",
        "not_acceptable",
        "gone",
        "address_too_long",
        "rate_limited",
        "headers_too_large",
        "host_error",
        "try_later",
    }
)
_JSON_BODY = frozenset({"body_not_json", "invalid", "media_type_unsupported", "body_too_large", "body_too_slow"})
_POST = frozenset({"idempotency_running", "idempotency_mismatch", "body_too_large", "body_too_slow"})

WORDS = """What an app of this host may read and change, with the scopes that it was granted. A field whose scope is
missing is absent. Everything that is given is recorded before it is sent.

Send an access token: `Authorization: Bearer at_…`. A token that is bound to a key (RFC 9449) is sent as
`Authorization: DPoP at_…` with a fresh proof in `DPoP`. Moments are RFC 3339, in UTC."""


def codes(operation: Operation) -> frozenset[str]:
    """Every code that may be answered."""
    found = set(_ALWAYS | operation.problems)
    if operation.scope is not None or operation.own:
        found.add("refused")
    if operation.query:
        found.add("invalid")
    if operation.form is not None:
        found |= _JSON_BODY
    if operation.method == "POST":
        found |= _POST
    return frozenset(found)


def statuses(operation: Operation) -> dict[int, list[str]]:
    """The codes by status. A parameter that can't be taken is 400 everywhere, with the code of an invalid field."""
    found: dict[int, list[str]] = {400: ["invalid"]}
    for code in sorted(codes(operation)):
        found.setdefault(KINDS[code].status, []).append(code)
    if operation.if_match:
        found[412] = ["conflict"]
    return dict(sorted(found.items()))


def document(operations: Sequence[Operation], base: str) -> dict[str, Any]:
    """`base`: the public address of the API."""
    schemas = Schemas()
    paths: dict[str, Any] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
    schemas.components["ProblemDetails"] = _problem()
    origin = base.removesuffix("/api/v1")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "AssignTask",
            "version": "1",
            "description": WORDS,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": base}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.components.items())),
            "securitySchemes": {"oauth": _security(origin)},
        },
        "tags": [{"name": name} for name in tags(operations)],
    }


def tag(operation: Operation) -> str:
    """The noun, as its file is called."""
    return operation.handler.__module__.rpartition(".")[2]


def tags(operations: Iterable[Operation]) -> list[str]:
    return list(dict.fromkeys(tag(operation) for operation in operations))


def headers(operation: Operation) -> list[Parameter]:
    """Those that it reads beside the token's."""

    def one(name: str, words: str, **schema: Any) -> Parameter:
        return Parameter(name, words, {"type": "string", **schema}, str)

    found = [
        one(
            "AssignTask-Person",
            "Whose rights count too: an id that this app was given. It only ever narrows; what is written is theirs.",
            pattern="^p_[a-z2-7]{26}$",
        )
    ]
    if operation.repeatable:
        words = "The same key gets the same answer for 24 hours. With it a request is safe to send again."
        found.append(one("Idempotency-Key", words, pattern="^[!-~]{1,255}$"))
    if operation.tagged:
        found.append(one("If-None-Match", f"ETags that are known, {MOST_TAGS} at most: 304 where it is one of them."))
    if operation.if_match:
        found.append(one("If-Match", "The ETag that was read: 412 where the record has changed since."))
    return found


def _operation(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    scopes = operation.scopes()
    security = [{"oauth": [scope]} for scope in sorted(scopes, key=lambda each: (each != operation.scope, each))]
    made: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "description": _words(operation),
        "tags": [tag(operation)],
        "security": security or [{"oauth": []}],
        "parameters": [
            *({"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in operation.names),
            *(_parameter(parameter, "query") for parameter in operation.query),
            *(_parameter(parameter, "header") for parameter in headers(operation)),
        ],
        "responses": _responses(operation, schemas),
    }
    if operation.scope is not None:
        made["x-scope"] = operation.scope
    form = operation.form
    if form is not None:
        schema = {"type": "string", "format": "binary"} if form.model is None else schemas.body(form.model)
        made["requestBody"] = {"required": True, "content": {media: {"schema": schema} for media in form.media}}
    return made


def _words(operation: Operation) -> str:
    needed = f"Needs the scope `{operation.scope}`" if operation.scope else "Needs no scope"
    others = sorted(operation.scopes() - {operation.scope or ""})
    more = f", or one of {', '.join(f'`{scope}`' for scope in others)} for what that opens" if others else ""
    if operation.persons:
        more = f"; a person's token needs `{operation.persons}`, and the person has to be an admin"
    return f"{operation.words} {needed}{more}.".strip()


def _parameter(parameter: Parameter, place: str) -> dict[str, Any]:
    made = {
        "name": parameter.name,
        "in": place,
        "required": False,
        "description": parameter.words,
        "schema": dict(parameter.schema),
    }
    if parameter.many:
        made |= {"style": "form", "explode": True}
    return made


def _responses(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    answer = operation.answer
    good: dict[str, Any] = {"description": answer.words, "headers": _limits()}
    if answer.media != "application/json":
        good["content"] = {answer.media: {"schema": {"type": "string", "format": "binary"}}}
    elif answer.of is not None:
        schema = schemas.page_of(answer.of) if answer.page else schemas.of(answer.of)
        good["content"] = {"application/json": {"schema": schema}}
    if operation.tagged or operation.if_match:
        good["headers"]["ETag"] = {"schema": {"type": "string"}}
    found: dict[str, Any] = {str(answer.status): good}
    if operation.tagged:
        found["304"] = {"description": "What was read before is still so."}
    for status, given in statuses(operation).items():
        words = "; ".join(f"`{code}`: {KINDS[code].title}" for code in given)
        problem = {"application/problem+json": {"schema": {"$ref": f"{COMPONENTS}ProblemDetails"}}}
        found[str(status)] = {"description": f"{words}.", "content": problem, "x-codes": given}
        if status in (429, 503):
            found[str(status)]["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
        if status == 401:
            found[str(status)]["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return found


def _limits() -> dict[str, Any]:
    return {name: {"schema": {"type": "string"}} for name in ("RateLimit", "RateLimit-Policy")}


def _problem() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "type": "object",
        "description": "RFC 9457. What the code's own facts are stands beside these, such as `fields` of `invalid`.",
        "properties": {
            "type": {**text, "format": "uri-reference"},
            "title": text,
            "status": {"type": "integer"},
            "detail": {**text, "description": "What happened, and what to do."},
            "code": {"enum": sorted(KINDS)},
            "fields": {"type": "object", "additionalProperties": text},
            "keys": {"type": "array", "items": text},
            "scope": text,
            "after": {"type": ["number", "null"]},
        },
        "required": ["type", "title", "status", "detail", "code"],
    }


def _security(origin: str) -> dict[str, Any]:
    scopes = {name: scope.words for name, scope in sorted(SCOPES.items())}
    token = f"{origin}/oauth/token"
    return {
        "type": "oauth2",
        "description": "OAuth 2.1. The metadata at /.well-known/oauth-authorization-server says what is supported.",
        "flows": {
            "clientCredentials": {"tokenUrl": token, "scopes": scopes},
            "authorizationCode": {
                "authorizationUrl": f"{origin}/oauth/authorize",
                "tokenUrl": token,
                "refreshUrl": token,
                "scopes": scopes,
            },
        },
    }

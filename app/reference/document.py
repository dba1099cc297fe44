"""The OpenAPI 3.1 document of `/v1`, built from the routes that are there and what they say of themselves."""

import inspect
import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
from flask import Flask
from werkzeug.routing import Rule

from app.api import (
    IdempotencyKeyMissing,
    IdempotencyKeyReused,
    InvalidJson,
    RequestInProgress,
)
from app.customers.key_scopes import KeyScope
from app.errors import AppError, Invalid, NotFound, TooLarge, Unauthorized, UnsupportedMediaType
from app.reference.statements import (
    API_KEY,
    DESCRIPTION,
    IDEMPOTENCY_KEY,
    Description,
    Money,
    Nothing,
    Problem,
)

PREFIX: Final = "/v1/"
REFS: Final = "#/components/schemas/{name}"
ABOUT: Final = (
    "Prepaid balances, metered in real time, topped up automatically, invoiced monthly.\n\n"
    'Money is `{"value": "12.34", "currency": "EUR"}`, a decimal string of at most six places. '
    "Lists are pages: pass `next_cursor` on as `cursor`. Errors are `application/problem+json` with a stable "
    "`code`. Every POST takes an `Idempotency-Key`: the same key and body get the same answer for 24 hours; "
    "where money moves it is required."
)
PATH_SCHEMAS: Final[Mapping[str, Mapping[str, Any]]] = {
    "reference": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
    "code": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
}
_ARGUMENT: Final = re.compile(r"<(?:[^:<>]*:)?([^<>]+)>")
_TAG_ORDER: Final = (
    "customers", "balance", "transactions", "grants", "holds", "events", "usage", "meters", "top-ups",
    "auto-top-up", "payment-methods", "invoices",
)  # fmt: skip


def described(app: Flask) -> Iterator[tuple[Rule, str, Description]]:
    """Every described `/v1` route: its rule, its method, what it says."""
    for rule, method in routes(app):
        said = vars(app.view_functions[rule.endpoint]).get(DESCRIPTION)
        if said is not None:
            yield rule, method, said


def undescribed(app: Flask) -> list[str]:
    """The `/v1` routes that say nothing of themselves."""
    return [
        f"{method} {rule.rule}"
        for rule, method in routes(app)
        if DESCRIPTION not in vars(app.view_functions[rule.endpoint])
    ]


def routes(app: Flask) -> Iterator[tuple[Rule, str]]:
    """Every `/v1` route with its method, by address."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        if rule.rule.startswith(PREFIX):
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield rule, method


def build(app: Flask, version: str, server: str, currency: str) -> dict[str, Any]:
    """The document; problem titles are in the current language."""
    found = list(described(app))
    types = _Types([said for _, _, said in found])
    types.components[Money.__name__]["properties"]["currency"] = {"enum": [currency]}
    paths: dict[str, dict[str, Any]] = {}
    for rule, method, said in found:
        path = _ARGUMENT.sub(r"{\1}", rule.rule)
        operation = _operation(rule, app.view_functions[rule.endpoint], said, types)
        paths.setdefault(path, {})[method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tegoed", "version": version, "description": ABOUT},
        "servers": [{"url": server}],
        "tags": [{"name": name} for name in _tags(paths)],
        "paths": paths,
        "components": {
            "schemas": types.components,
            "securitySchemes": {
                "api_key": {"type": "http", "scheme": "bearer", "description": "An API key: `tgd_…`"}
            },
        },
    }


class _Types:
    """The schemas of all types that routes name, and the components they refer to."""

    def __init__(self, descriptions: list[Description]) -> None:
        types = [Problem]
        for said in descriptions:
            types += [t for t in (said.answer, said.query, *said.takes.values()) if _is_type(t)]
        schemas, components = msgspec.json.schema_components(types, ref_template=REFS)
        self._schemas = {id(t): schema for t, schema in zip(types, schemas, strict=True)}
        queries = {said.query for said in descriptions if said.query is not None}
        self._queries = {query: components.pop(_name(self._schemas[id(query)])) for query in queries}
        self.components = components

    def schema(self, wanted: Any) -> dict[str, Any]:
        return self._schemas[id(wanted)]

    def query(self, wanted: type[msgspec.Struct]) -> list[dict[str, Any]]:
        """The query's members as parameters."""
        struct = self._queries[wanted]
        return [
            {"name": name, "in": "query", "required": name in struct.get("required", ())}
            | _with_description(schema)
            for name, schema in struct["properties"].items()
        ]


def _name(reference: dict[str, str]) -> str:
    return reference["$ref"].rpartition("/")[2]


def _is_type(wanted: Any) -> bool:
    return wanted is not None and not isinstance(wanted, str)


def _with_description(schema: dict[str, Any]) -> dict[str, Any]:
    bare = {name: part for name, part in schema.items() if name != "description"}
    return {"schema": bare} | ({"description": schema["description"]} if "description" in schema else {})


def _operation(rule: Rule, view: Any, said: Description, types: _Types) -> dict[str, Any]:
    summary, _, description = (inspect.getdoc(view) or "").partition("\n")
    key = vars(view).get(IDEMPOTENCY_KEY)
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": PATH_SCHEMAS.get(name, {"type": "string"})}
        for name in _ARGUMENT.findall(rule.rule)
    ]
    if said.query is not None:
        parameters += types.query(said.query)
    if key is not None:
        parameters.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": key,
                "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
            }
        )
    operation: dict[str, Any] = {
        "operationId": str(rule.endpoint).rpartition(".")[2],
        "summary": summary.removesuffix("."),
        "tags": [tag_of(rule.rule)],
        "parameters": parameters,
        "security": [{"api_key": []}] if vars(view).get(API_KEY) else [],
        "responses": _answers(said, types) | _problems(rule, view, said),
    }
    if description.strip():
        operation["description"] = description.strip()
    if said.takes:
        content = {media: {"schema": types.schema(wanted)} for media, wanted in said.takes.items()}
        operation["requestBody"] = {"required": Nothing not in said.takes.values(), "content": content}
    return operation


def _answers(said: Description, types: _Types) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if isinstance(said.answer, str):
        content = {said.answer: {"schema": {"type": "string"}}}
    elif said.answer is not None:
        content = {"application/json": {"schema": types.schema(said.answer)}}
    return {
        str(status): {"description": HTTPStatus(status).phrase} | ({"content": content} if content else {})
        for status in said.statuses
    }


def _problems(rule: Rule, view: Any, said: Description) -> dict[str, Any]:
    """The problems by status, each with the codes that may come with it."""
    codes: dict[int, dict[str, str]] = {}
    for problem in (*_shared_problems(rule, view, said), *said.problems):
        if isinstance(problem, tuple):
            codes.setdefault(problem[0], {})[problem[1]] = str(problem[2])
        else:
            codes.setdefault(problem.status, {})[problem.code] = str(problem.title)
    return {
        str(status): {
            "description": "\n".join(f"- `{code}` {title}".rstrip() for code, title in sorted(found.items())),
            "x-codes": sorted(found),
            "content": {"application/problem+json": {"schema": {"$ref": REFS.format(name=Problem.__name__)}}},
        }
        for status, found in sorted(codes.items())
    }


def _shared_problems(rule: Rule, view: Any, said: Description) -> Iterator[type[AppError]]:
    if vars(view).get(API_KEY):
        yield from (Unauthorized, KeyScope)
    if _ARGUMENT.search(rule.rule):
        yield NotFound
    if said.query is not None or said.takes:
        yield Invalid
    if said.takes:
        yield from (InvalidJson, TooLarge, UnsupportedMediaType)
    key = vars(view).get(IDEMPOTENCY_KEY)
    if key is not None:
        yield from (IdempotencyKeyReused, RequestInProgress, TooLarge, Invalid)
    if key:
        yield IdempotencyKeyMissing


def tag_of(path: str) -> str:
    """What a route is about: `/v1/customers/<reference>/usage` is about usage."""
    parts = path.removeprefix(PREFIX).split("/")
    if parts[0] == "customers" and len(parts) > 2:
        return parts[2].partition(".")[0]
    return parts[0].partition(".")[0]


def _tags(paths: Mapping[str, Any]) -> list[str]:
    found = {tag_of(path) for path in paths}
    return [tag for tag in _TAG_ORDER if tag in found] + sorted(found - set(_TAG_ORDER))

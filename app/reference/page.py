"""The OpenAPI document laid out for people: sections of routes, members with their types in words. Pure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_REF: Final = "#/components/schemas/"


@dataclass(frozen=True)
class Member:
    """One member of a body or answer, or a parameter; `depth` says how far it is nested."""

    name: str
    kind: str
    required: bool
    note: str
    depth: int = 0


@dataclass(frozen=True)
class Body:
    """What goes in or comes out, as one media type."""

    media: str
    kind: str
    about: str
    members: list[Member]


@dataclass(frozen=True)
class Answer:
    status: str
    phrase: str
    bodies: list[Body]
    codes: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Route:
    """One operation."""

    anchor: str
    method: str
    path: str
    summary: str
    about: str
    parameters: list[Member]
    takes: list[Body]
    answers: list[Answer]
    problems: list[Answer]
    needs_key: bool


@dataclass(frozen=True)
class Section:
    name: str
    routes: list[Route]


def sections(document: Mapping[str, Any]) -> list[Section]:
    """The document's routes by what they are about."""
    routes: dict[str, list[Route]] = {tag["name"]: [] for tag in document["tags"]}
    schemas = document["components"]["schemas"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            routes[operation["tags"][0]].append(_route(path, method, operation, schemas))
    return [Section(name, found) for name, found in routes.items()]


def _route(path: str, method: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> Route:
    answers = [
        Answer(
            status,
            answer["description"],
            _bodies(answer.get("content", {}), schemas),
            _codes(answer) if "x-codes" in answer else [],
        )
        for status, answer in operation["responses"].items()
    ]
    return Route(
        anchor=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        about=operation.get("description", ""),
        parameters=[
            Member(p["name"], _kind(p["schema"], schemas), p["required"], p.get("description", ""))
            for p in operation["parameters"]
        ],
        takes=_bodies(operation.get("requestBody", {}).get("content", {}), schemas),
        answers=[answer for answer in answers if not answer.codes],
        problems=[answer for answer in answers if answer.codes],
        needs_key=bool(operation["security"]),
    )


def _codes(answer: Mapping[str, Any]) -> list[tuple[str, str]]:
    lines = [line.removeprefix("- `").partition("`") for line in answer["description"].splitlines()]
    return [(code, title.strip()) for code, _, title in lines]


def _bodies(content: Mapping[str, Any], schemas: Mapping[str, Any]) -> list[Body]:
    return [
        Body(
            media,
            _kind(part["schema"], schemas),
            _resolved(part["schema"], schemas).get("description", ""),
            list(_members(part["schema"], schemas)),
        )
        for media, part in content.items()
    ]


def _resolved(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        schema = schemas[schema["$ref"].removeprefix(_REF)]
    return schema


def _members(schema: Mapping[str, Any], schemas: Mapping[str, Any], depth: int = 0) -> Iterator[Member]:
    """The members of an object, those of nested objects indented; of money only the first is laid out."""
    schema = _resolved(schema, schemas)
    if "items" in schema:
        yield from _members(schema["items"], schemas, depth)
    for choice in schema.get("anyOf", ()):
        yield from _members(choice, schemas, depth)
    for name, part in schema.get("properties", {}).items():
        whole = _resolved(part, schemas)
        kind = _kind(part, schemas)
        yield Member(name, kind, name in schema.get("required", ()), _note(part, whole), depth)
        if kind not in ("money", "object") and depth < 2:
            yield from _members(part, schemas, depth + 1)


def _note(part: Mapping[str, Any], whole: Mapping[str, Any]) -> str:
    notes = [part.get("description", "")]
    if part.get("default") not in (None, [], {}):
        notes.append("= " + json.dumps(part["default"], ensure_ascii=False))
    bounds = [str(whole[name]) for name in ("minimum", "maximum") if name in whole]
    if len(bounds) == 2:
        notes.append("–".join(bounds))
    examples = whole.get("examples")
    if examples:
        notes.append("(" + ", ".join(map(str, examples)) + ")")
    return " ".join(note for note in notes if note)


def _kind(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    """A type in a few words: "money", "list of text", "a | b | null"."""
    if schema.get("$ref", "") == _REF + "Money":
        return "money"
    schema = _resolved(schema, schemas)
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_kind(choice, schemas) for choice in schema["anyOf"]))
    if "enum" in schema:
        return " | ".join("null" if one is None else str(one) for one in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'], schemas)}" if "items" in schema else "list"
    named = schema.get("format") or schema.get("type") or "anything"
    return {"string": "text", "boolean": "true | false", "integer": "whole number"}.get(named, named)

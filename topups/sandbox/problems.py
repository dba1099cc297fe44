"""Errors as Mollie answers them: status, title, detail, and the field that is wrong."""

from http import HTTPStatus
from typing import Any

DOCUMENTATION = {"href": "https://docs.mollie.com/overview/handling-errors", "type": "text/html"}


class Problem(Exception):
    def __init__(self, status: int, detail: str, field: str | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.field = status, detail, field

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "status": self.status,
            "title": HTTPStatus(self.status).phrase,
            "detail": self.detail,
        }
        if self.field is not None:
            body["field"] = self.field
        return {**body, "_links": {"documentation": DOCUMENTATION}}


def invalid(field: str, detail: str) -> Problem:
    return Problem(422, detail, field)


def unknown(entity_id: str) -> Problem:
    return Problem(404, f"No entity exists with token '{entity_id}'.")


def gone(entity_id: str) -> Problem:
    return Problem(410, f"The entity with token '{entity_id}' is no longer available.")

"""What a `/v1` route says of itself, beside its code: the types it takes and answers, the problems it tells.

The types are msgspec Structs that describe; what comes in is checked by the service that uses it, so nothing
is checked twice. Whether a route needs an API key or takes an Idempotency-Key is read from the decorators
that enforce it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Generic, TypeVar

import msgspec

from app.errors import AppError, Text

ViewT = TypeVar("ViewT", bound=Callable[..., Any])
RowT = TypeVar("RowT")

DESCRIPTION: Final = "api_description"
API_KEY: Final = "api_key_required"
IDEMPOTENCY_KEY: Final = "idempotency_key_required"


@dataclass(frozen=True, kw_only=True)
class Description:
    """What `describe` was told. A type given as text is a media type: the answer is such a file."""

    answer: Any
    statuses: tuple[int, ...]
    takes: Mapping[str, Any] = field(default_factory=dict)
    query: type[msgspec.Struct] | None = None
    problems: tuple[type[AppError] | tuple[int, str, Text], ...] = ()


def describe(
    answer: Any,
    *statuses: int,
    takes: Any = None,
    query: type[msgspec.Struct] | None = None,
    problems: tuple[type[AppError] | tuple[int, str, Text], ...] = (),
) -> Callable[[ViewT], ViewT]:
    """State a route: its answer (200 unless `statuses` say otherwise), its body, its query, its problems.

    `takes` is the type of a JSON body, or types by media type. A problem is an error class, or
    status, code and title where one class tells several. What every such route may tell (401, bad JSON, …)
    need not be said.
    """
    bodies = takes if isinstance(takes, Mapping) else {} if takes is None else {"application/json": takes}
    said = Description(
        answer=answer, statuses=statuses or (200,), takes=bodies, query=query, problems=problems
    )

    def state(view: ViewT) -> ViewT:
        vars(view)[DESCRIPTION] = said
        return view

    return state


class Money(msgspec.Struct):
    """An amount: a decimal string with at most six places, never a number."""

    value: Annotated[str, msgspec.Meta(pattern=r"^-?[0-9]{1,10}(\.[0-9]{1,6})?$", examples=["12.34"])]
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$", examples=["EUR"])]


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """An empty object, or no body at all."""


class Listed(msgspec.Struct, Generic[RowT]):
    """A page of a list; `next_cursor` goes into the next request's `cursor`."""

    data: list[RowT]
    next_cursor: str | None


class Paging(msgspec.Struct):
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    cursor: Annotated[
        str | msgspec.UnsetType, msgspec.Meta(description="`next_cursor` of the page before.")
    ] = msgspec.UNSET


class Problem(msgspec.Struct):
    """RFC 9457. `code` is stable; `title` and `detail` are for people, in the language of Accept-Language."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    field: Annotated[
        str | msgspec.UnsetType, msgspec.Meta(description="The member or parameter that is wrong.")
    ] = msgspec.UNSET
    instance: str | msgspec.UnsetType = msgspec.UNSET
    request_id: str | msgspec.UnsetType | None = msgspec.UNSET

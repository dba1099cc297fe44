"""The trace as usage events, evenly spread over time. Pure but for reading the file beside it.

An event's id comes from what it replays and its row number, so a second replay records nothing twice.
"""

import csv
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from app.demo.cast import EVENT_TYPE, PRICES, SOURCE, VAT_PERCENT
from metering.prices import decode_definition
from metering.rating import Usage, gross_micros

TRACE: Final = Path(__file__).with_name("llm_requests.csv")


class Request(NamedTuple):
    """One request to the code-completion model."""

    prompt_tokens: int
    generated_tokens: int


@cache
def trace() -> tuple[Request, ...]:
    """All requests of the trace, in order."""
    with TRACE.open(encoding="utf-8", newline="") as file:
        return tuple(
            Request(int(row["ContextTokens"]), int(row["GeneratedTokens"])) for row in csv.DictReader(file)
        )


@dataclass(frozen=True, kw_only=True)
class Span:
    """Rows `first` up to, not including, `last` of the trace, used by one customer from `begin` to `end`."""

    reference: str
    label: str
    begin: datetime
    end: datetime
    first: int
    last: int

    def moment(self, row: int) -> datetime:
        """When that row's request was made: each in the middle of its equal share of the time."""
        share = (2 * (row - self.first) + 1) / (2 * (self.last - self.first))
        return self.begin + share * (self.end - self.begin)

    def rows_until(self, moment: datetime, done: int) -> range:
        """The rows made up to that moment, of those that are not done."""
        row = max(self.first, done)
        begin = row
        while row < self.last and self.moment(row) <= moment:
            row += 1
        return range(begin, row)

    def event(self, row: int) -> dict[str, Any]:
        return event(self.reference, f"{self.label}-{row + 1:05d}", self.moment(row), trace()[row])


def event(reference: str, event_id: str, moment: datetime, request: Request) -> dict[str, Any]:
    """A CloudEvent: one request, which all three meters count."""
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": SOURCE,
        "type": EVENT_TYPE,
        "subject": reference,
        "time": moment.isoformat(),
        "data": {"prompt_tokens": request.prompt_tokens, "generated_tokens": request.generated_tokens},
    }


def price_micros(first: int, last: int) -> int:
    """What rows `first` to `last` cost with VAT when a period began with row 0: G(last) − G(first)."""
    return _gross_of_first(last) - _gross_of_first(first)


def _gross_of_first(count: int) -> int:
    rows = trace()[:count]
    used = {
        "prompt-tokens": sum(row.prompt_tokens for row in rows),
        "generated-tokens": sum(row.generated_tokens for row in rows),
        "requests": count,
    }
    return sum(
        gross_micros(decode_definition(PRICES[meter]), Usage(Decimal(quantity), count), Decimal(VAT_PERCENT))
        for meter, quantity in used.items()
    )

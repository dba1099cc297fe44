"""Metering as other slices use it: recording and voiding events, closing periods, reading usage back."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from app.customers import service as customers
from app.db import db, in_transaction
from app.ledger.debits import LockedBalance
from metering.attention import set_attention_job
from metering.closing import (
    any_ended,
    begin_close,
    begin_closes,
    ended_periods,
    finish_close,
    finish_closes,
    older_periods,
    period_on,
    period_today,
    periods_to_close,
    unclosed_in_month,
)
from metering.cloudevents import ReadEvents, Refusal, UsageEvent
from metering.event_log import Wanted, csv_lines, filters_of_line
from metering.event_log import address as events_address
from metering.group_commit import commit_events
from metering.meters import (
    UnknownMeter,
    list_meters,
    list_prices,
    meter_json,
    own_prices_of,
    publish_price,
    put_meter,
    tax_meter,
)
from metering.meters import find_meter as find_meter_row
from metering.period_usage import (
    Correction,
    PeriodUsage,
    PeriodUsages,
    PriceUsage,
    corrections_of,
    debited_after,
    usage_of_period,
)
from metering.periods import Cycle, Period, period_of_day, period_of_moment
from metering.rating import RatedLine
from metering.treatment import CustomerFacts, TaxTreatment, set_tax_resolver
from metering.treatment import facts_of as facts_of_customer
from metering.trying import Difference as PriceDifference
from metering.trying import try_price
from metering.usage import UsageDay, charged_since, recent_burn_micros_per_day, usage_by_day, usage_of_meter
from metering.verdicts import Verdict
from metering.voids import UnknownEvent, Voided, void_event

__all__ = [
    "Correction",
    "CustomerFacts",
    "Period",
    "PeriodUsage",
    "PeriodUsages",
    "PriceDifference",
    "PriceUsage",
    "RatedLine",
    "Taken",
    "TaxTreatment",
    "UnknownEvent",
    "UnknownMeter",
    "UsageDay",
    "Voided",
    "any_ended",
    "begin_close",
    "begin_closes",
    "charged_since",
    "corrections_of",
    "debited_after",
    "ended_periods",
    "events_address",
    "events_csv",
    "facts_of_customer",
    "filters_of_line",
    "find_meter",
    "finish_close",
    "finish_closes",
    "list_meters",
    "list_prices",
    "older_periods",
    "own_prices_of",
    "period_of",
    "period_of_moment",
    "period_on",
    "period_today",
    "periods_to_close",
    "publish_price",
    "put_meter",
    "recent_burn_micros_per_day",
    "record_events",
    "set_attention_job",
    "set_tax_resolver",
    "tax_meter",
    "try_price",
    "unclosed_in_month",
    "usage_by_day",
    "usage_of_meter",
    "usage_of_period",
    "void",
]


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a request's events: counts, refusals by index, balances by customer reference."""

    accepted: int
    duplicates: int
    refusals: list[Refusal]
    balances: dict[str, LockedBalance]


def events_csv(customer_id: int, period_start: date) -> Iterator[str]:
    """The events of a period as CSV, a row per event and meter, streamed."""
    return csv_lines(Wanted(customer_id=customer_id, period=period_start))


def find_meter(code: str) -> dict[str, Any]:
    """A meter in its API shape. Raises UnknownMeter."""
    return meter_json(find_meter_row(code))


def period_of(day: date, cycle: str = Cycle.MONTHLY) -> Period:
    """The billing period a day falls in, of a customer with this cycle."""
    return period_of_day(day, Cycle(cycle))


def record_events(read: ReadEvents, *, only_customer_id: int | None = None) -> Taken:
    """Record the events of a request, durable when this returns. Opens transactions of its own.

    With `only_customer_id` another customer's events are refused as if it did not exist.
    Raises Unavailable when too much is waiting already.
    """
    if in_transaction():
        raise RuntimeError("events are recorded in transactions of their own, not inside of another")
    known, refusals = _with_customers(read.events, only_customer_id)
    # A request that waits for the group's commit holds no connection.
    db.session.rollback()
    committed = commit_events(known)
    refusals += read.refusals
    duplicates = 0
    for event, verdict in zip(known, committed.verdicts, strict=True):
        if verdict is Verdict.DUPLICATE:
            duplicates += 1
        elif verdict is not Verdict.ACCEPTED:
            refusals.append(Refusal(event.index, event.event_id, verdict))
    references = {event.customer_id: event.reference for event in known}
    return Taken(
        accepted=read.count - duplicates - len(refusals),
        duplicates=duplicates,
        refusals=sorted(refusals, key=lambda refusal: refusal.index),
        balances={references[customer_id]: balance for customer_id, balance in committed.balances.items()},
    )


def _with_customers(
    events: Sequence[UsageEvent], only_customer_id: int | None
) -> tuple[list[UsageEvent], list[Refusal]]:
    """Find the customers; events of unknown ones are refused."""
    references = {event.reference for event in events}
    ids = customers.customer_ids_of([name for name in references if customers.REFERENCE.fullmatch(name)])
    ids.pop(customers.HOUSE_REFERENCE, None)
    known, refusals = [], []
    for event in events:
        customer_id = ids.get(event.reference)
        if customer_id is None or only_customer_id not in (None, customer_id):
            refusals.append(Refusal(event.index, event.event_id, Verdict.UNKNOWN_CUSTOMER))
        else:
            event.customer_id = customer_id
            known.append(event)
    return known, refusals


def void(customer_id: int, source: str, event_id: str) -> Voided:
    """Take an event back in the open unit of work; again is harmless. Raises UnknownEvent."""
    return void_event(customer_id, source, event_id)

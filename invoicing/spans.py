"""Which days of a subscription are charged, and what they come to. Pure: no clock, no database.

An agreement is charged period by period from `charged_through` on, never beyond the day on which it ends. A
span is the part of one period that is charged at once: all of it, or what is left of it after a change.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Self

from invoicing.lines import Line, charge_line
from invoicing.proration import Interval, ServicePeriod, period_with, share_cents
from invoicing.tax import Treatment
from invoicing.tax_rates import Product
from invoicing.totals import cents

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What is supplied: so many of a plan at a net price each per month or year."""

    names: Mapping[str, str]
    interval: Interval
    product: Product
    quantity: int
    unit_price: Decimal

    @property
    def full_cents(self) -> int:
        """The net price of a whole period."""
        return cents(self.quantity * self.unit_price)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """A subscription as it stands. All days before `charged_through` have been charged."""

    service: Service
    anchor: date
    charged_through: date
    ends_on: date | None
    revision: int

    def ending(self, day: date) -> Self:
        return replace(self, ends_on=day)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Days of one period, up to `ends_on`, to be charged."""

    service: Service
    period: ServicePeriod
    starts_on: date
    ends_on: date
    revision: int

    @property
    def is_whole(self) -> bool:
        return (self.starts_on, self.ends_on) == (self.period.start, self.period.end)

    @property
    def net_cents(self) -> int:
        return share_cents(self.service.full_cents, self.period, self.starts_on, self.ends_on)

    @property
    def quantity(self) -> Decimal:
        """As it is charged: a part of a period has one amount for all."""
        return Decimal(self.service.quantity if self.is_whole else 1)

    @property
    def unit_price(self) -> Decimal:
        return self.service.unit_price if self.is_whole else Decimal(self.net_cents).scaleb(-2)

    @property
    def names(self) -> dict[str, str]:
        return dict(self.service.names) if self.is_whole else counted(self.service)

    @property
    def last_day(self) -> date:
        return self.ends_on - _DAY

    def line(self, treatment: Treatment) -> Line:
        return charge_line(
            quantity=self.quantity,
            unit_price=self.unit_price,
            treatment=treatment,
            names=self.names,
            supplied=(self.starts_on, self.last_day),
        )


def counted(service: Service) -> dict[str, str]:
    """The name with how many of it: "3 × Hosting"."""
    if service.quantity == 1:
        return dict(service.names)
    return {language: f"{service.quantity} × {name}" for language, name in service.names.items()}


def spans_until(agreement: Agreement, until: date) -> Iterator[Span]:
    """What is to be charged now, when every period that begins before `until` is charged ahead."""
    day = agreement.charged_through
    while day < until and (agreement.ends_on is None or day < agreement.ends_on):
        period = period_with(agreement.anchor, agreement.service.interval, day)
        end = period.end if agreement.ends_on is None else min(period.end, agreement.ends_on)
        yield Span(
            service=agreement.service, period=period, starts_on=day, ends_on=end, revision=agreement.revision
        )
        day = end


def due_date(*, begins: date, issued: date, lead_days: int, term_days: int | None) -> date:
    """When a document of days paid ahead falls due.

    By the term where there is one, else on the first of those days; who is told of it late has as many days
    as who is told in time.
    """
    if term_days is not None:
        return issued + timedelta(days=term_days)
    return max(begins, issued + timedelta(days=lead_days))

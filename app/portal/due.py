"""What the signed-in customer has to pay, to be counted and shown."""

from dataclasses import dataclass
from datetime import date
from typing import Final

from flask import g
from flask_babel import gettext

from app.charts import Chart
from app.clock import utc_now
from app.i18n import day, local_date
from app.portal.links import link
from app.portal.sentence_words import Gravest
from app.portal.tags import Tag
from invoicing import service as invoicing
from invoicing.service import Due
from metering.service import Period

PAYABLE: Final = ("open", "overdue")


@dataclass(frozen=True)
class DueRow:
    """One invoice of the card; `pay_url` is None while a payment for it is under way."""

    number: str
    micros: int
    when: str
    tag: Tag | None
    url: str | None
    pay_url: str | None


@dataclass(frozen=True)
class Upcoming:
    """What the period's usage comes to so far, and at the present pace by its end. Amounts include VAT."""

    so_far_micros: int
    on: date
    expected_micros: int | None


def payable(invoices: list[Due]) -> list[Due]:
    """Those that nobody is paying yet, the overdue first."""
    waiting = [invoice for invoice in invoices if invoice.status in PAYABLE]
    return sorted(waiting, key=lambda invoice: invoice.due_date)


def waiting() -> list[Due]:
    """Invoices and payment requests that wait for a payment; none where nobody acts for a customer."""
    customer = g.get("customer")
    return payable(invoicing.due(customer.customer_id)) if customer is not None else []


def gravest(invoices: list[Due]) -> Gravest | None:
    """The one the first sentence names."""
    waiting = payable(invoices)
    if not waiting:
        return None
    return Gravest(
        number=waiting[0].number,
        amount_micros=waiting[0].outstanding_micros,
        due_on=waiting[0].due_date,
        pay_url=_pay_url(waiting[0].number),
        is_request=waiting[0].is_request,
    )


def rows(invoices: list[Due]) -> tuple[DueRow, ...]:
    """In the order in which they are to be paid; what is in progress last."""
    ordered = [*payable(invoices), *(i for i in invoices if i.status not in PAYABLE)]
    return tuple(
        DueRow(
            number=invoice.number,
            micros=invoice.outstanding_micros,
            when=gettext("before %(day)s", day=day(invoice.due_date)),
            tag=_tag(invoice),
            url=link("invoicing.invoice", number=invoice.number),
            pay_url=_pay_url(invoice.number) if invoice.status in PAYABLE else None,
        )
        for invoice in ordered
    )


def upcoming(month_chart: Chart, burn_micros_per_day: int, period: Period) -> Upcoming:
    """From the days of the running period in the chart; no guess without a recent pace."""
    today, on = local_date(utc_now()), period.end
    so_far = sum(total for when, _, total in month_chart.rows if when >= period.start)
    left = (on - today).days - 1
    expected = so_far + left * burn_micros_per_day if burn_micros_per_day else None
    return Upcoming(so_far, on, expected)


def _tag(invoice: Due) -> Tag | None:
    if invoice.status == "overdue":
        return Tag("lost", gettext("Overdue"))
    if invoice.status == "in_progress":
        return Tag("info", gettext("In progress"))
    return None


def _pay_url(number: str) -> str | None:
    return link("invoicing.invoice", number=number)

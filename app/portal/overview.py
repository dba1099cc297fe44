"""The overview: what the slices know of one customer, put into the words and figures of one page.

Reads only, each slice once, so that the page costs the same few statements whatever the history.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from flask_babel import gettext, ngettext

from app.charts import HEIGHT, Chart
from app.clock import utc_now
from app.customers.service import get_customer
from app.i18n import local_date, money, short_day
from app.ledger import service as ledger
from app.ledger import statement
from app.ledger.service import Balance
from app.ledger.wording import Described
from app.portal import due, usage
from app.portal.automatic import Automatic, automatic_of
from app.portal.due import DueRow, Upcoming
from app.portal.links import link
from app.portal.movements import told
from app.portal.sentence import Facts, days_left, days_to_threshold
from app.portal.sentence_words import Sentence, sentence_of, weekday
from app.portal.tags import Tag
from invoicing import service as invoicing
from invoicing.service import Due
from metering import service as metering
from topups import service as topups
from topups.service import Summary

DAYS: Final = 30
DUE_SHOWN: Final = 3
MOVEMENTS_SHOWN: Final = 6
ROW_HEIGHT: Final = 62


@dataclass(frozen=True)
class Part:
    """One part of the available balance."""

    label: str
    micros: int
    note: str | None = None


@dataclass(frozen=True)
class Step:
    """One of the three steps of a first visit."""

    text: str
    done: bool
    url: str | None
    note: str


@dataclass(frozen=True, kw_only=True)
class Overview:
    """All that the page shows, in the order in which it is read."""

    sentence: Sentence
    state: Tag
    available_micros: int
    runway: str | None
    parts: tuple[Part, ...]
    steps: tuple[Step, ...]
    auto: Automatic
    chart: Chart
    due: tuple[DueRow, ...]
    more_due: int
    invoices_url: str | None
    upcoming: Upcoming
    movements: tuple[Described, ...]


def overview_of(customer_id: int) -> Overview:
    balance = ledger.get_balance(customer_id)
    summary = topups.summary(customer_id)
    invoices = invoicing.due(customer_id)
    # The chart is as high as what stands beside it: one invoice is what its own height has room for.
    beside = min(len(invoices), DUE_SHOWN) + (len(invoices) > DUE_SHOWN)
    height = HEIGHT + ROW_HEIGHT * max(0, beside - 1)
    chart, month = usage.recent_charts(customer_id, DAYS, height=height)
    movements = statement.recent(customer_id, MOVEMENTS_SHOWN + 1, through=balance.last_transfer_number)
    burn = usage.burn_micros_per_day(chart)
    has_usage = not chart.is_empty or any(m.kind == statement.USAGE for m in movements)
    facts = _facts(balance, summary, invoices, burn, has_history=bool(movements))
    first = due.gravest(invoices)
    return Overview(
        sentence=sentence_of(facts, balance.available_micros, first),
        state=_state(balance),
        available_micros=balance.available_micros,
        runway=_next_top_up(facts, burn) or _runway(facts, burn),
        parts=_parts(balance, summary),
        steps=() if has_usage or summary.state != "off" else _steps(bool(movements)),
        auto=automatic_of(summary),
        chart=chart,
        due=due.rows(invoices)[:DUE_SHOWN],
        more_due=max(0, len(invoices) - DUE_SHOWN),
        invoices_url=link("invoicing.invoices"),
        upcoming=due.upcoming(month, burn, _period(customer_id)),
        movements=told(customer_id, movements)[:MOVEMENTS_SHOWN],
    )


def _period(customer_id: int) -> metering.Period:
    today = local_date(utc_now())
    return metering.period_of(today, get_customer(customer_id).billing_cycle_on(today))


def _facts(balance: Balance, summary: Summary, invoices: list[Due], burn: int, *, has_history: bool) -> Facts:
    today = local_date(utc_now())
    coming = balance.available_micros + summary.under_way_micros
    days = days_to_threshold(coming, summary.threshold_micros or 0, burn)
    return Facts(
        state=balance.state,
        has_history=has_history,
        due=len(due.payable(invoices)),
        overdue=sum(1 for invoice in invoices if invoice.status == "overdue"),
        auto_enabled=summary.state != "off",
        auto_paused=summary.state == "paused",
        auto_has_method=summary.state != "no_method",
        in_flight_micros=summary.under_way_micros,
        lasts_days=days_left(balance.available_micros, burn),
        next_top_up_on=today + timedelta(days=days) if days is not None else None,
    )


def _state(balance: Balance) -> Tag:
    return {
        "ok": Tag("ok", gettext("In order")),
        "low": Tag("look", gettext("Low")),
        "exhausted": Tag("lost", gettext("Used up")),
        "suspended": Tag("lost", gettext("Suspended")),
    }[balance.state]


def _next_top_up(facts: Facts, burn: int) -> str | None:
    """With automatic top-up at work the balance is not to run out: what matters is when it comes."""
    if facts.next_top_up_on is None or not facts.auto_at_work:
        return None
    if facts.next_top_up_on <= local_date(utc_now()):
        return str(
            gettext(
                "Next top-up expected today, at %(amount)s a day as in the last week.", amount=money(burn)
            )
        )
    return str(
        gettext(
            "Next top-up around %(day)s, at %(amount)s a day as in the last week.",
            day=weekday(facts.next_top_up_on),
            amount=money(burn),
        )
    )


def _runway(facts: Facts, burn: int) -> str | None:
    if facts.lasts_days is None or facts.state == "exhausted":
        return None
    if facts.lasts_days == 0:
        return str(
            gettext("Lasts less than a day, at %(amount)s a day as in the last week.", amount=money(burn))
        )
    return str(
        ngettext(
            "Lasts about %(num)s day, at %(amount)s a day as in the last week.",
            "Lasts about %(num)s days, at %(amount)s a day as in the last week.",
            facts.lasts_days,
            amount=money(burn),
        )
    )


def _parts(balance: Balance, summary: Summary) -> tuple[Part, ...]:
    parts = [
        Part(gettext("Balance"), balance.prepaid_micros),
        Part(gettext("Promotional credit"), balance.promo_micros, _expiry(balance)),
        Part(gettext("Reserved"), balance.held_micros),
    ]
    provisional = [m for m in summary.under_way if m.provisional_micros]
    if provisional:
        until = max((m.expected_on for m in provisional if m.expected_on), default=None)
        note = gettext("until around %(day)s", day=short_day(until)) if until else None
        total = sum(m.provisional_micros for m in provisional)
        parts.append(Part(gettext("Of which provisional"), total, note))
    on_its_way = summary.under_way_micros
    if on_its_way:
        expected = min((m.expected_on for m in summary.under_way if m.expected_on), default=None)
        note = gettext("around %(day)s", day=short_day(expected)) if expected else None
        parts.append(Part(gettext("On its way"), on_its_way, note))
    return tuple(parts)


def _expiry(balance: Balance) -> str | None:
    """When the first of the promotional credit expires; not asked where there is none."""
    if balance.promo_micros == 0:
        return None
    now = utc_now()
    ends = [
        grant.expires_at
        for grant in ledger.grants(balance.customer_id)
        if grant.remaining_micros and grant.expires_at and grant.expires_at > now
    ]
    return gettext("expires %(day)s", day=short_day(min(ends))) if ends else None


def _steps(topped_up: bool) -> tuple[Step, ...]:  # noqa: FBT001 - one fact, named at its only call
    return (
        Step(
            gettext("Top up your balance"),
            topped_up,
            link("topups.top_up"),
            gettext("With iDEAL, card or Bancontact; it is there at once."),
        ),
        Step(
            gettext("Turn on automatic top-up"),
            False,
            link("topups.auto_top_up"),
            gettext("Then it never runs out unnoticed."),
        ),
        Step(
            gettext("Start using the service"),
            False,
            None,
            gettext("Usage appears here within a second."),
        ),
    )

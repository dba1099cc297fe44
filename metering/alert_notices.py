"""Telling of alerts: by mail to the customer, by outgoing webhook to the provider's programs, each once."""

from collections.abc import Sequence
from typing import Any, Final

from flask_babel import gettext, ngettext

from app import mail as mails
from app.clock import utc_now
from app.config import settings
from app.customers import mailing
from app.customers.service import billing_email, get_customer
from app.i18n import in_locale, money
from app.ledger.balance_json import balance_json
from app.ledger.service import get_balance
from app.money import Money
from app.webhooks import service as webhooks
from metering.alert_marks import Facts, Kind
from metering.alert_models import AlertCrossing

EVERYBODYS: Final = frozenset({Kind.LOW, Kind.EXHAUSTED})
_EVENTS: Final = {
    Kind.EXHAUSTED: "balance.exhausted",
    Kind.SPENDING_LIMIT: "balance.spending_limit",
}
# Of several warnings about the balance that come at once, the most pressing is mailed.
_PRESSING: Final = (Kind.EXHAUSTED, Kind.LOW, Kind.AMOUNT, Kind.PERCENTAGE, Kind.DAYS)


def tell_programs(news: Sequence[AlertCrossing], facts: Facts) -> None:
    """One message per crossing, with the balance in the API's own shape."""
    for crossing in news:
        kind = Kind(crossing.kind)

        def data(crossing: AlertCrossing = crossing) -> dict[str, Any]:
            return {
                "customer": get_customer(crossing.customer_id).reference,
                "alert": alert_json(crossing),
                "balance": balance_json(get_balance(crossing.customer_id)),
                "month_spent": Money(facts.month_spent_micros, settings().currency).to_json()
                if crossing.kind == Kind.SPENDING_LIMIT
                else None,
            }

        webhooks.tell(
            _EVENTS.get(kind, "balance.low"),
            data,
            customer_id=crossing.customer_id,
            dedupe_key=_key(crossing),
        )


def alert_json(crossing: AlertCrossing) -> dict[str, Any]:
    """Which alert it is; `value` in the shape the rules give it."""
    kind = Kind(crossing.kind)
    value: Any = crossing.value
    if kind in {Kind.AMOUNT, Kind.SPENDING_LIMIT}:
        value = Money(crossing.value, settings().currency).to_json()
    elif kind in EVERYBODYS:
        value = None
    return {"kind": kind.value, "value": value, "crossed_at": crossing.crossed_at.isoformat()}


def mail(
    waiting: Sequence[AlertCrossing], facts: Facts, *, refuses_holds: bool, is_being_filled: bool | None
) -> None:
    """Mail what was not mailed yet: one about the balance, one about the month's limit."""
    due = [
        crossing for crossing in waiting if is_being_filled is False or Kind(crossing.kind) not in EVERYBODYS
    ]
    limit = [crossing for crossing in due if crossing.kind == Kind.SPENDING_LIMIT]
    balance = [crossing for crossing in due if crossing.kind != Kind.SPENDING_LIMIT]
    for group in (balance, limit):
        if group:
            _send(min(group, key=_urgency), facts, refuses_holds=refuses_holds)
            for crossing in group:
                crossing.mailed_at = utc_now()


def _urgency(crossing: AlertCrossing) -> tuple[int, int]:
    kind = Kind(crossing.kind)
    return (_PRESSING.index(kind) if kind in _PRESSING else 0, crossing.value)


def _send(crossing: AlertCrossing, facts: Facts, *, refuses_holds: bool) -> None:
    """To the customer's own address, and to those of its people who want it, each in their language."""
    customer = get_customer(crossing.customer_id)
    own, key = billing_email(customer), f"alert-{_key(crossing)}"
    _send_to(own, customer.locale, key, crossing, facts, refuses_holds=refuses_holds)
    for reader in mailing.readers(customer.customer_id, "balance"):
        if reader.email.casefold() != own.casefold():
            key_of = f"{key}-{reader.key}"
            _send_to(reader.email, reader.locale, key_of, crossing, facts, refuses_holds=refuses_holds)


def _send_to(
    email: str, locale: str, key: str, crossing: AlertCrossing, facts: Facts, *, refuses_holds: bool
) -> None:
    customer = get_customer(crossing.customer_id)
    with in_locale(locale):
        if crossing.kind == Kind.SPENDING_LIMIT:
            headline, more = _limit_texts(crossing, facts, refuses_holds=refuses_holds)
        else:
            headline, more = _balance_texts(crossing, facts)
    mails.send(
        "balance_alert",
        to=email,
        locale=locale,
        customer_id=customer.customer_id,
        context={
            "customer": customer,
            "headline": headline,
            "more": more,
            "offers_top_up": crossing.kind != Kind.SPENDING_LIMIT,
        },
        dedupe_key=key,
    )


def _balance_texts(crossing: AlertCrossing, facts: Facts) -> tuple[str, str]:
    """The subject, and the sentence that explains it."""
    kind, left = Kind(crossing.kind), money(facts.available_micros)
    headline = gettext("Low balance: %(amount)s left", amount=left)
    if kind is Kind.EXHAUSTED:
        headline = gettext("Your balance is used up")
        more = gettext("Your balance is %(left)s. Top up to keep using the service.", left=left)
    elif kind is Kind.AMOUNT:
        more = gettext("You asked us to tell you below %(amount)s.", amount=money(crossing.value))
    elif kind is Kind.PERCENTAGE:
        more = gettext(
            "You asked us to tell you below %(percentage)s%% of your last top-up of %(amount)s.",
            percentage=crossing.value,
            amount=money(facts.last_top_up_micros),
        )
    elif kind is Kind.DAYS:
        headline = ngettext(
            "Your balance lasts less than %(num)s day",
            "Your balance lasts less than %(num)s days",
            crossing.value,
        )
        burn = money(facts.burn_micros_per_day)
        more = gettext("You have %(left)s, and lately used %(burn)s a day.", left=left, burn=burn)
    else:
        more = gettext("Top up to keep using the service.")
    return headline, more


def _limit_texts(crossing: AlertCrossing, facts: Facts, *, refuses_holds: bool) -> tuple[str, str]:
    headline = gettext("Spending limit of %(amount)s reached", amount=money(crossing.value))
    spent = money(facts.month_spent_micros)
    if not refuses_holds:
        return headline, gettext("This month you used %(spent)s. Nothing is refused.", spent=spent)
    return headline, gettext(
        "This month you used %(spent)s. New reservations are refused until the next month, "
        "or until you raise the limit.",
        spent=spent,
    )


def _key(crossing: AlertCrossing) -> str:
    return f"{crossing.kind}-{crossing.value}-{crossing.number}"

"""The API's shapes of alerts, as its reference states them, and their way to and from the rules."""

from datetime import datetime
from typing import Annotated, Any, Literal

from flask_babel import lazy_gettext
from msgspec import Meta, Struct

from app import money
from app.errors import Invalid
from app.reference.statements import Money
from metering import alert_notices, alerts

Percentage = Annotated[int, Meta(ge=1, le=100)]


class SpendingLimit(Struct):
    """Per calendar month, with VAT. `tell` only tells; `refuse_holds` also refuses new holds beyond it."""

    amount: Money
    action: Literal["tell", "refuse_holds"] = "tell"


class NewAlerts(Struct):
    """Replaces all. What is below its mark already is not told; what rises above is armed again."""

    amounts: Annotated[list[Money], Meta(max_length=5)] = []
    percentages: Annotated[
        list[Percentage], Meta(max_length=5, description="Of the last payment that filled the balance.")
    ] = []
    days_left: Annotated[
        Annotated[int, Meta(ge=1, le=90)] | None,
        Meta(description="When the balance lasts less than this at the pace of late."),
    ] = None
    spending_limit: SpendingLimit | None = None


class Crossed(Struct):
    kind: Literal["low", "exhausted", "amount", "percentage", "days", "spending_limit"]
    value: Money | int | None
    crossed_at: datetime


class Alerts(Struct):
    amounts: list[Money]
    percentages: list[Percentage]
    days_left: int | None
    spending_limit: SpendingLimit | None
    month_spent: Money
    crossed: Annotated[list[Crossed], Meta(description="What is below its mark now.")]


def alerts_json(customer_id: int) -> dict[str, Any]:
    rules, spending = alerts.rules_of(customer_id), alerts.spending(customer_id)
    limit = rules.spending_limit_micros
    return {
        "amounts": [money.Money(micros).to_json() for micros in rules.amounts_micros],
        "percentages": list(rules.percentages),
        "days_left": rules.days_left,
        "spending_limit": None
        if limit is None
        else {
            "amount": money.Money(limit).to_json(),
            "action": "refuse_holds" if rules.refuses_holds else "tell",
        },
        "month_spent": money.Money(spending.spent_micros).to_json(),
        "crossed": [alert_notices.alert_json(crossing) for crossing in alerts.open_crossings(customer_id)],
    }


def rules_from(body: dict[str, Any]) -> alerts.Rules:
    """Raises Invalid naming the field, InvalidMoney."""
    limit, refuses = _limit(body.get("spending_limit"))
    days_left = body.get("days_left")
    if days_left is not None and not _is_whole(days_left):
        raise Invalid(lazy_gettext("Enter a whole number."), field="days_left")
    percentages = _list(body, "percentages")
    if not all(_is_whole(percentage) for percentage in percentages):
        raise Invalid(lazy_gettext("Enter a whole number."), field="percentages")
    amounts = [money.Money.from_json(amount, field="amounts").micros for amount in _list(body, "amounts")]
    return alerts.Rules(
        amounts_micros=tuple(amounts),
        percentages=tuple(percentages),
        days_left=days_left,
        spending_limit_micros=limit,
        refuses_holds=refuses,
    )


def _limit(value: object) -> tuple[int | None, bool]:
    if value is None:
        return None, False
    if not isinstance(value, dict) or not set(value) <= {"amount", "action"}:
        raise Invalid(lazy_gettext("A spending limit has amount and action."), field="spending_limit")
    action = value.get("action", "tell")
    if action not in ("tell", "refuse_holds"):
        raise Invalid(
            lazy_gettext("Choose one of: %(choices)s.", choices="tell, refuse_holds"), field="spending_limit"
        )
    amount = money.Money.from_json(value.get("amount"), field="spending_limit")
    return amount.micros, action == "refuse_holds"


def _list(body: dict[str, Any], name: str) -> list[Any]:
    value = body.get(name, [])
    if not isinstance(value, list):
        raise Invalid(lazy_gettext("Give a list."), field=name)
    return value


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)

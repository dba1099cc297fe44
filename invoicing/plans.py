"""The provider's plans: what a subscription costs per month or year.

A new price holds for periods that are charged from then on; what was charged stays as it was.
"""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeVar

from flask_babel import lazy_gettext
from sqlalchemy import select

from app.clock import utc_now
from app.db import db
from app.errors import Invalid, NotFound
from app.i18n import LANGUAGES
from app.money import plain_decimal
from invoicing.proration import Interval
from invoicing.subscription_models import Plan
from invoicing.tax_rates import Product

ChoiceT = TypeVar("ChoiceT", bound=str)

CODE: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
PRICE: Final = re.compile(r"\d{1,9}(\.\d{1,6})?", re.ASCII)
INTERVALS: Final[tuple[Interval, ...]] = ("month", "year")
PRODUCTS: Final[tuple[Product, ...]] = ("standard", "reduced", "zero")
MAX_NAME: Final = 120


class UnknownPlan(NotFound):
    code = "unknown_plan"
    title = lazy_gettext("There is no plan with this code.")


class PlanWithdrawn(Invalid):
    code = "plan_not_offered"
    title = lazy_gettext("This plan is no longer offered.")


def find(code: object) -> Plan:
    """Raises UnknownPlan."""
    found = db.session.get(Plan, code) if isinstance(code, str) and CODE.fullmatch(code) else None
    if found is None:
        raise UnknownPlan(field="plan")
    return found


def listed(*, only_offered: bool = False) -> list[Plan]:
    query = select(Plan).order_by(Plan.interval, Plan.price, Plan.code)
    if only_offered:
        query = query.where(Plan.is_offered)
    return list(db.session.scalars(query))


def publish(code: str, facts: Mapping[str, Any]) -> tuple[Plan, bool]:
    """Make a plan or change it; whether it is new. In a unit of work. Raises Invalid.

    The interval and the VAT category of a plan never change: whoever has it agreed to them.
    """
    if not CODE.fullmatch(code):
        raise Invalid(
            lazy_gettext("A code has 1 to 64 letters, digits, dots, dashes or underscores."), field="code"
        )
    names, price = read_names(facts.get("name")), read_price(facts.get("price"))
    interval = _choice(facts.get("interval", "month"), INTERVALS, "interval")
    product = _choice(facts.get("tax_category", "standard"), PRODUCTS, "tax_category")
    is_offered = facts.get("offered", True)
    if not isinstance(is_offered, bool):
        raise Invalid(lazy_gettext("This is yes or no."), field="offered")
    plan = db.session.get(Plan, code, with_for_update=True)
    if plan is None:
        made = Plan(
            code=code,
            names=names,
            price=price,
            interval=interval,
            product=product,
            is_offered=is_offered,
            created_at=utc_now(),
        )
        db.session.add(made)
        db.session.flush()
        return made, True
    agreed = {"interval": (plan.interval, interval), "tax_category": (plan.product, product)}
    for field, (before, given) in agreed.items():
        if given != before:
            raise Invalid(lazy_gettext("This never changes: make another plan."), field=field)
    plan.names, plan.price, plan.is_offered = names, price, is_offered
    db.session.flush()
    return plan, False


def to_json(plan: Plan) -> dict[str, Any]:
    """The API's shape."""
    return {
        "code": plan.code,
        "name": plan.names,
        "price": plain_decimal(plan.price),
        "interval": plan.interval,
        "tax_category": plan.product,
        "offered": plan.is_offered,
    }


def read_price(given: object) -> Decimal:
    """A net price as a decimal string of at most six places. Raises Invalid."""
    try:
        if isinstance(given, str) and PRICE.fullmatch(given):
            return Decimal(given)
    except InvalidOperation:
        pass
    raise Invalid(lazy_gettext("Give a net price as a decimal string, such as 12.50."), field="price")


def read_names(given: object) -> dict[str, str]:
    """A name in each language. Raises Invalid."""
    if isinstance(given, dict) and set(given) == set(LANGUAGES):
        names = {language: name.strip() for language, name in given.items() if isinstance(name, str)}
        if len(names) == len(LANGUAGES) and all(_is_name(name) for name in names.values()):
            return names
    raise Invalid(lazy_gettext("Give a name in each language: nl and en."), field="name")


def _is_name(name: str) -> bool:
    return 1 <= len(name) <= MAX_NAME and name.isprintable()


def _choice(given: object, choices: tuple[ChoiceT, ...], field: str) -> ChoiceT:
    for choice in choices:
        if given == choice:
            return choice
    raise Invalid(lazy_gettext("Choose one of: %(choices)s.", choices=", ".join(choices)), field=field)

"""What pages of subscriptions show, the customer's and the desk's: rows, the next invoice, wishes, words."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString
from flask_wtf import FlaskForm
from wtforms import HiddenField, IntegerField, SelectField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, Length, NumberRange

from app.config import settings
from app.customers.models import Customer
from app.i18n import number, translations_of, unit_price
from invoicing import plans, subscriptions
from invoicing.billing_terms import Terms, terms_of
from invoicing.metered import running_until
from invoicing.proration import period_number
from invoicing.spans import Service, spans_until
from invoicing.subscription_changes import Quote
from invoicing.subscription_models import Plan, Subscription, SubscriptionEvent
from invoicing.subscription_steps import Cancel, Change, Wish
from invoicing.subscriptions import MAX_QUANTITY, State, agreement_of, service_of
from invoicing.totals import totals_of
from invoicing.treatments import treatment_for
from invoicing.wording import gettext

TAGS: Final[dict[State, tuple[str, LazyString]]] = {
    "active": ("ok", lazy_gettext("Active")),
    "cancelled": ("look", lazy_gettext("Cancelled")),
    "ended": ("quiet", lazy_gettext("Ended")),
}
KINDS: Final[dict[str, LazyString]] = {
    "started": lazy_gettext("Started"),
    "changed": lazy_gettext("Changed"),
    "cancelled": lazy_gettext("Cancelled"),
    "resumed": lazy_gettext("Resumed"),
}


@dataclass(frozen=True, slots=True)
class NextInvoice:
    """When a subscription is billed next, and for how much, VAT included."""

    on: date
    total_cents: int


@dataclass(frozen=True, slots=True)
class Row:
    """A subscription as a page shows it."""

    subscription: Subscription
    plan: Plan
    terms: Terms
    service: Service
    state: State
    next_invoice: NextInvoice | None

    @property
    def name(self) -> str:
        return name_of(self.service)


class ChangeForm(FlaskForm):
    """What a change would be: it leads to a preview, and changes nothing itself."""

    class Meta:
        csrf = False

    plan = SelectField(lazy_gettext("Plan"), choices=[])
    quantity = IntegerField(
        lazy_gettext("Quantity"),
        validators=[
            NumberRange(1, MAX_QUANTITY, lazy_gettext("Enter a whole quantity, such as 1.")),
        ],
        render_kw={"inputmode": "numeric"},
    )


class ConfirmForm(FlaskForm):
    """A wish and the amounts that were shown with it. Sending the same page twice carries it out once."""

    plan = HiddenField()
    quantity = HiddenField()
    cancel = HiddenField()
    credit_cents = HiddenField()
    charge_cents = HiddenField()
    token = HiddenField(validators=[DataRequired(), Length(max=64)])

    @property
    def shown(self) -> tuple[int, int]:
        """The credit and the charge that were shown; such as never were where somebody made them up."""
        given = [str(field.data or "") for field in (self.credit_cents, self.charge_cents)]
        cents = [int(text) if text.isascii() and text.isdigit() else -1 for text in given]
        return cents[0], cents[1]


def rows(customer: Customer) -> list[Row]:
    """All subscriptions of a customer, those that run first."""
    found = subscriptions.of_customer(customer.customer_id)
    if not found:
        return []
    known = {plan.code: plan for plan in plans.listed()}
    terms = terms_of(customer.customer_id, "subscription")
    return [_row(customer, one, known[one.plan_code], terms) for one in found]


def row(customer: Customer, subscription_id: str) -> Row:
    """Raises UnknownSubscription."""
    found = subscriptions.find(customer.customer_id, subscription_id)
    return _row(customer, found, plans.find(found.plan_code), terms_of(customer.customer_id, "subscription"))


def _row(customer: Customer, subscription: Subscription, plan: Plan, terms: Terms) -> Row:
    return Row(
        subscription,
        plan,
        terms,
        service_of(subscription, plan),
        subscriptions.state_of(subscription, subscriptions.today()),
        _next_invoice(customer, subscription, plan, terms),
    )


def _next_invoice(
    customer: Customer, subscription: Subscription, plan: Plan, terms: Terms
) -> NextInvoice | None:
    first = subscription.charged_through
    span = next(spans_until(agreement_of(subscription, plan), first + timedelta(days=1)), None)
    if span is None or not span.net_cents:
        return None
    line = span.line(treatment_for(customer, span.starts_on, span.service.product))
    total = totals_of([(line.treatment, line.net_cents)]).total_cents
    if terms.is_separate:
        ahead = span.starts_on - timedelta(days=settings().subscription_lead_days)
        return NextInvoice(max(ahead, subscriptions.today()), total)
    close = running_until(customer.customer_id)
    while span.starts_on >= period_number(close, "month", 0).end:
        close = period_number(close, "month", 0).end
    return NextInvoice(close, total)


def change_form(row: Row, given: Mapping[str, str] | None = None) -> ChangeForm:
    """The form with today's plan chosen, and those that are offered beside it."""
    form = ChangeForm(
        formdata=given,
        data={"plan": row.subscription.plan_code, "quantity": row.subscription.quantity},
    )
    form.plan.choices = [
        SelectChoice(plan.code, f"{translations_of(plan.names)}, {price_text(plan.price, plan.interval)}")
        for plan in plans.listed()
        if plan.is_offered or plan.code == row.subscription.plan_code
    ]
    return form


def wish_of(given: Mapping[str, str]) -> Wish | None:
    """What a page's address or form asks for; None where it asks for nothing that there is."""
    if given.get("cancel") == "now":
        return Cancel(when="now")
    if given.get("cancel") == "end_of_period":
        return Cancel(when="end_of_period")
    quantity = str(given.get("quantity", ""))
    if given.get("plan") and quantity.isascii() and quantity.isdigit() and len(quantity) <= len("100000"):
        return Change(plan_code=str(given["plan"]), quantity=int(quantity))
    return None


def confirm_form(given: Mapping[str, str], quote: Quote, token: str) -> ConfirmForm:
    fields = {name: given.get(name, "") for name in ("plan", "quantity", "cancel")}
    return ConfirmForm(
        formdata=None,
        credit_cents=str(quote.credit_total_cents),
        charge_cents=str(quote.charge_total_cents),
        token=token,
        **fields,
    )


def name_of(service: Service) -> str:
    name = translations_of(dict(service.names))
    return name if service.quantity == 1 else f"{number(service.quantity)} × {name}"


def price_of(service: Service) -> str:
    """The net price of each, such as "€30.00 per month"."""
    return price_text(service.unit_price, service.interval)


def price_text(price: Any, interval: str) -> str:
    if interval == "year":
        return gettext("%(price)s per year", price=unit_price(price))
    return gettext("%(price)s per month", price=unit_price(price))


def agreed_by(event: SubscriptionEvent) -> str:
    """Who agreed to it; what a program of ours asked for was agreed with us."""
    return settings().provider.name if event.agreed_by == "api" else event.agreed_by


def agreed(subscription: Subscription) -> Iterator[tuple[SubscriptionEvent, str, str]]:
    """What was agreed, the newest first, with its kind and its price in words."""
    for event in reversed(subscriptions.history(subscription)):
        price = price_text(event.unit_price, event.interval)
        name = translations_of(event.names)
        what = name if event.quantity == 1 else f"{number(event.quantity)} × {name}"
        yield event, str(KINDS[event.kind]), f"{what}, {price}"

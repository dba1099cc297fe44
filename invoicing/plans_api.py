"""`/v1/plans`: what subscriptions cost; and on which terms a customer's charges are billed and paid."""

from typing import Annotated, Literal

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext
from msgspec import UNSET, Meta, Struct, UnsetType

from app import api
from app.customers.auth import require_api_key
from app.customers.models import Customer
from app.customers.service import HOUSE_REFERENCE, UnknownCustomer, find_customer
from app.db import in_unit_of_work
from app.errors import Invalid
from app.reference.statements import Listed, describe
from invoicing import billing_terms, plans
from invoicing.billing_terms import CHARGE_TYPES, ChargeType

blueprint = Blueprint("invoicing_plans_api", __name__, url_prefix="/v1")

Price = Annotated[str, Meta(pattern=r"^[0-9]{1,9}(\.[0-9]{1,6})?$", description="Net.", examples=["12.50"])]
Interval = Literal["month", "year"]
TaxCategory = Annotated[
    Literal["standard", "reduced", "zero"], Meta(description="The VAT category of what is supplied.")
]
Text = Annotated[str, Meta(min_length=1, max_length=120)]


class Names(Struct, forbid_unknown_fields=True):
    nl: Text
    en: Text


class PlanFacts(Struct, forbid_unknown_fields=True):
    """A plan as it is put. A new price holds for what is charged from then on."""

    name: Names
    price: Price
    interval: Annotated[Interval, Meta(description="Never changes.")] = "month"
    tax_category: TaxCategory = "standard"
    offered: Annotated[bool, Meta(description="Whether new subscriptions may choose it.")] = True


class Plan(Struct):
    code: str
    name: Names
    price: Price
    interval: Interval
    tax_category: TaxCategory
    offered: bool


class Terms(Struct):
    """How one kind of charge is billed and paid. `term_days` null: the customer's own term."""

    documents: Literal["separate", "together"]
    term_days: int | None
    auto_pay: Annotated[bool, Meta(description="Chosen by the customer, with a consent.")]
    uses_balance: Annotated[bool, Meta(description="Balance money pays a document of its own first.")]


class TermsChange(Struct, forbid_unknown_fields=True):
    """What is left out stays. Usage always has its own invoice, which the others may join."""

    documents: Literal["separate", "together"] | UnsetType = UNSET
    term_days: Annotated[int, Meta(ge=0, le=120)] | UnsetType | None = UNSET
    uses_balance: bool | UnsetType = UNSET


class AllTerms(Struct):
    usage: Terms
    subscription: Terms
    one_off: Terms


class AllTermsChange(Struct, forbid_unknown_fields=True):
    usage: TermsChange | UnsetType = UNSET
    subscription: TermsChange | UnsetType = UNSET
    one_off: TermsChange | UnsetType = UNSET


@blueprint.get("/plans")
@require_api_key
@describe(Listed[Plan])
def list_plans() -> ResponseReturnValue:
    """List the plans, those per month first."""
    return jsonify(api.listed([plans.to_json(plan) for plan in plans.listed()], None))


@blueprint.put("/plans/<code>")
@require_api_key
@describe(Plan, 200, 201, takes=PlanFacts)
def put_plan(code: str) -> ResponseReturnValue:
    """Make a plan, or change it."""
    facts = api.read_object("name", "price", "interval", "tax_category", "offered")

    def publish() -> tuple[dict[str, object], bool]:
        plan, is_new = plans.publish(code, facts)
        return plans.to_json(plan), is_new

    plan, is_new = in_unit_of_work(publish)
    return jsonify(plan), 201 if is_new else 200


@blueprint.get("/customers/<reference>/billing-terms")
@require_api_key
@describe(AllTerms, problems=(UnknownCustomer,))
def read_billing_terms(reference: str) -> ResponseReturnValue:
    """Read how usage, subscriptions and one-off charges are billed and paid."""
    return jsonify(_all_terms(_customer(reference).customer_id))


@blueprint.patch("/customers/<reference>/billing-terms")
@require_api_key
@describe(AllTerms, takes=AllTermsChange, problems=(UnknownCustomer,))
def change_billing_terms(reference: str) -> ResponseReturnValue:
    """Change how usage, subscriptions and one-off charges are billed and paid."""
    given = api.read_object(*CHARGE_TYPES)
    customer_id = _customer(reference).customer_id

    def change() -> None:
        for charge_type in CHARGE_TYPES:
            if charge_type in given:
                billing_terms.set_terms(customer_id, charge_type, _facts(charge_type, given[charge_type]))

    in_unit_of_work(change)
    return jsonify(_all_terms(customer_id))


def _facts(charge_type: ChargeType, given: object) -> dict[str, object]:
    if not isinstance(given, dict):
        raise Invalid(lazy_gettext("Send a JSON object."), field=charge_type)
    facts = dict(given)
    for hidden in ("is_separate", "auto_pay"):
        if hidden in facts:
            # What is paid automatically takes a consent, which is given elsewhere.
            raise Invalid(lazy_gettext("This field is not known here."), field=hidden)
    if "documents" in facts:
        documents = facts.pop("documents")
        if documents not in ("separate", "together"):
            raise Invalid(
                lazy_gettext("Choose one of: %(choices)s.", choices="separate, together"), field="documents"
            )
        facts["is_separate"] = documents == "separate"
    return facts


def _all_terms(customer_id: int) -> dict[str, object]:
    return {
        name: billing_terms.to_json(terms) for name, terms in billing_terms.all_terms(customer_id).items()
    }


def _customer(reference: str) -> Customer:
    if reference == HOUSE_REFERENCE:
        raise UnknownCustomer
    return find_customer(reference)

"""Forms of a customer's account. Field names are the API's, so that its checks speak of them."""

from typing import Any, Final, Self

from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString
from flask_wtf import FlaskForm
from wtforms import BooleanField, IntegerField, RadioField, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, Email, Length, NumberRange, Optional, Regexp, ValidationError

from app.customers.forms import trimmed
from app.customers.models import Customer
from app.customers.service import REFERENCE
from app.errors import AppError
from app.money import MICROS_PER_CENT
from topups.forms import MoneyField

MOST_MICROS: Final = 1_000_000_000_000
WRONG_TERM: Final = lazy_gettext("Give a number of days from 0 to 120.")


def _text(label: LazyString, most: int, *checks: Any, hint: LazyString | str = "") -> StringField:
    return StringField(
        label,
        description=hint,
        filters=[trimmed],
        validators=[
            *checks,
            Length(max=most, message=lazy_gettext("Use at most %(max)s characters.", max=most)),
        ],
        render_kw={"maxlength": most, "autocomplete": "off"},
    )


class CustomerForm(FlaskForm):
    """What stands on the customer's documents, and where they go."""

    name = _text(lazy_gettext("Name"), 200, DataRequired(lazy_gettext("Enter a name.")))
    email = _text(
        lazy_gettext("E-mail address"),
        254,
        DataRequired(lazy_gettext("Enter an e-mail address.")),
        Email(lazy_gettext("This is not an e-mail address.")),
        hint=lazy_gettext("Invoices and messages go there."),
    )
    kind = RadioField(
        lazy_gettext("Kind"),
        choices=[
            SelectChoice("business", lazy_gettext("Business")),
            SelectChoice("consumer", lazy_gettext("Consumer")),
        ],
        default="business",
    )
    line1 = _text(lazy_gettext("Address"), 200)
    postal_code = _text(lazy_gettext("Postal code"), 16)
    city = _text(lazy_gettext("City"), 100)
    country = SelectField(lazy_gettext("Country"), choices=[], default="NL")
    vat_number = _text(
        lazy_gettext("VAT number"),
        20,
        hint=lazy_gettext("With its country, such as NL123456789B01. Leave empty if there is none."),
    )
    purchase_order = _text(
        lazy_gettext("The customer's reference"),
        64,
        hint=lazy_gettext("A purchase order number, say. It stands on the invoices."),
    )
    payment_term_days = IntegerField(
        lazy_gettext("Payment term in days"),
        description=lazy_gettext("Leave it empty for the usual term."),
        validators=[Optional(), NumberRange(0, 120, message=WRONG_TERM)],
        render_kw={"inputmode": "numeric", "autocomplete": "off"},
    )
    locale = SelectField(
        lazy_gettext("Language of invoices and e-mails"),
        choices=[SelectChoice("nl", "Nederlands"), SelectChoice("en", "English")],
    )

    @classmethod
    def of(cls, customer: Customer) -> Self:
        """Filled with what is kept."""
        return cls(
            formdata=None,
            name=customer.name,
            email=customer.email,
            kind=customer.kind,
            line1=customer.address_line1,
            postal_code=customer.postal_code,
            city=customer.city,
            country=customer.country,
            vat_number=customer.vat_number or "",
            purchase_order=customer.purchase_order or "",
            payment_term_days=customer.payment_term_days,
            locale=customer.locale,
        )

    def facts(self) -> dict[str, Any]:
        """In the API's shape."""
        return {
            "name": self.name.data or "",
            "email": self.email.data or "",
            "kind": self.kind.data,
            "country": self.country.data,
            "locale": self.locale.data,
            "vat_number": self.vat_number.data or None,
            "purchase_order": self.purchase_order.data or None,
            "payment_term_days": self.payment_term_days.data,
            "address": {
                "line1": self.line1.data or "",
                "postal_code": self.postal_code.data or "",
                "city": self.city.data or "",
            },
        }

    def refuse(self, error: AppError) -> None:
        """Put what was refused beside its field; an address goes by its first line."""
        name = str(error.extra.get("field", ""))
        field = self[name] if name in self else self["line1" if name == "address" else "name"]
        field.errors = [*field.errors, str(error.detail or error.title)]


class NewCustomerForm(CustomerForm):
    reference = _text(
        lazy_gettext("Customer number"),
        64,
        DataRequired(lazy_gettext("Enter a customer number.")),
        Regexp(
            f"^{REFERENCE.pattern}\\Z",
            message=lazy_gettext("A reference has 1 to 64 letters, digits, dots, dashes or underscores."),
        ),
        hint=lazy_gettext("Your own name for this customer. It never changes."),
    )
    invites = BooleanField(
        lazy_gettext("Invite this e-mail address to the customer's pages, as the owner"), default=True
    )


class LimitsForm(FlaskForm):
    overdraft = MoneyField(
        lazy_gettext("Overdraft"),
        description=lazy_gettext(
            "Reservations may reach so far below zero. What was used is always recorded, also beyond this."
        ),
    )
    provisional = MoneyField(
        lazy_gettext("Credited before it arrives"),
        description=lazy_gettext(
            "Up to this amount a direct debit counts as balance as soon as the bank has it."
        ),
    )

    def validate_overdraft(self, field: MoneyField) -> None:
        _check_limit(field)

    def validate_provisional(self, field: MoneyField) -> None:
        _check_limit(field)


def _check_limit(field: MoneyField) -> None:
    """Nothing written means nothing allowed; what is no amount is asked again."""
    if field.data is None and not str((field.raw_data or [""])[0]).strip():
        field.data = 0
    if field.data is None or field.data % MICROS_PER_CENT:
        raise ValidationError(str(lazy_gettext("Enter an amount such as 25.00.")))
    if not 0 <= field.data <= MOST_MICROS:
        raise ValidationError(str(lazy_gettext("Enter an amount from 0 to 1,000,000.")))

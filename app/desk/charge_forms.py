"""Forms of the desk for what is charged beside usage: plans, subscriptions, one-off charges, terms."""

from decimal import Decimal

from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import BooleanField, DateField, HiddenField, IntegerField, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional, ValidationError

from app.money import MICROS_PER_CENT
from invoicing import plans
from topups.forms import MoneyField

_REQUIRED = lazy_gettext("This field is required.")
_NAME = (DataRequired(_REQUIRED), Length(max=plans.MAX_NAME))
TAX_CATEGORIES = (
    SelectChoice("standard", lazy_gettext("usual rate")),
    SelectChoice("reduced", lazy_gettext("reduced rate")),
    SelectChoice("zero", lazy_gettext("zero rate")),
)
INTERVALS = (SelectChoice("month", lazy_gettext("month")), SelectChoice("year", lazy_gettext("year")))


class PriceField(StringField):
    """A net price as people type it: "12,50" is "12.50"."""

    @property
    def price(self) -> str:
        return (self.data or "").replace("€", "").replace(",", ".").strip()


class PlanForm(FlaskForm):
    code = StringField(lazy_gettext("Code"), validators=[DataRequired(_REQUIRED), Length(max=64)])
    name_nl = StringField(lazy_gettext("Name in Dutch"), validators=[*_NAME])
    name_en = StringField(lazy_gettext("Name in English"), validators=[*_NAME])
    price = PriceField(lazy_gettext("Price excl. VAT"), validators=[DataRequired(_REQUIRED)])
    interval = SelectField(lazy_gettext("Per"), choices=[*INTERVALS])
    tax_category = SelectField(lazy_gettext("VAT"), choices=[*TAX_CATEGORIES])
    offered = BooleanField(lazy_gettext("Offered to new subscriptions"), default=True)


class SubscriptionForm(FlaskForm):
    """A new subscription. `token` is made with the page: sending the same page twice makes one."""

    plan = SelectField(lazy_gettext("Plan"), choices=[])
    quantity = IntegerField(
        lazy_gettext("Quantity"),
        default=1,
        validators=[NumberRange(1, 100_000, lazy_gettext("Enter a whole quantity, such as 1."))],
    )
    start = DateField(lazy_gettext("Begins on"), validators=[InputRequired(_REQUIRED)])
    own_price = PriceField(
        lazy_gettext("Own price excl. VAT"), description=lazy_gettext("Empty: what the plan costs.")
    )
    token = HiddenField(validators=[DataRequired(), Length(max=64)])


class ChargeForm(FlaskForm):
    """A one-off charge. `token` is made with the page: sending the same page twice makes one."""

    description = StringField(
        lazy_gettext("Description"),
        description=lazy_gettext("The customer reads this on the invoice."),
        validators=[DataRequired(_REQUIRED), Length(max=200)],
    )
    charged_on = DateField(lazy_gettext("Day"), validators=[InputRequired(_REQUIRED)])
    amount = MoneyField(lazy_gettext("Amount excl. VAT"))
    tax_category = SelectField(lazy_gettext("VAT"), choices=[*TAX_CATEGORIES])
    billed = SelectField(
        lazy_gettext("Billed"),
        choices=[
            SelectChoice("next_invoice", lazy_gettext("on the next usage invoice")),
            SelectChoice("at_once", lazy_gettext("by an invoice of its own, at once")),
        ],
    )
    attachment = FileField(
        lazy_gettext("Attachment"), description=lazy_gettext("A PDF, PNG or JPEG of at most 5 MB.")
    )
    token = HiddenField(validators=[DataRequired(), Length(max=64)])

    @property
    def net_cents(self) -> int:
        return int(Decimal(self.amount.data or 0) / MICROS_PER_CENT)

    def validate_amount(self, field: MoneyField) -> None:
        if not field.data:
            raise ValidationError(str(lazy_gettext("Enter an amount such as 25.00.")))


class TermsForm(FlaskForm):
    """How one kind of charge is billed and paid."""

    documents = SelectField(
        lazy_gettext("Billed"),
        choices=[
            SelectChoice("separate", lazy_gettext("by an invoice of its own")),
            SelectChoice("together", lazy_gettext("on the usage invoice")),
        ],
    )
    term_days = IntegerField(
        lazy_gettext("Payment term in days"),
        description=lazy_gettext("Empty: as usual."),
        validators=[Optional(), NumberRange(0, 120, lazy_gettext("Enter 0 to 120 days."))],
    )
    uses_balance = BooleanField(lazy_gettext("Balance money pays first"))

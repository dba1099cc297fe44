"""The form of the provider's settings. Its field names are those of the settings themselves."""

import re
from typing import Any, Final

from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString
from flask_wtf import FlaskForm
from stdnum import iban
from stdnum.eu import vat
from wtforms import (
    BooleanField,
    Field,
    FileField,
    HiddenField,
    IntegerField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.fields.choices import SelectChoice
from wtforms.validators import (
    DataRequired,
    Email,
    InputRequired,
    Length,
    NumberRange,
    Optional,
    ValidationError,
)

from app.config import is_series
from app.i18n import is_country
from app.provider_settings import PROVIDER_NAMES, SETTING_NAMES
from invoicing.exports.accounts import USUAL, accounts_from
from topups.forms import MoneyField

COLOUR: Final = re.compile(r"#[0-9a-fA-F]{6}")
READABLE: Final = 4.5
REQUIRED: Final = lazy_gettext("This field is required.")


def _text(
    label: LazyString, most: int, *more: Any, hint: LazyString | str = "", needed: bool = True
) -> StringField:
    return StringField(
        label,
        description=hint,
        filters=[lambda text: text.strip() if text else ""],
        validators=[DataRequired(REQUIRED) if needed else Optional(), Length(max=most), *more],
        render_kw={"maxlength": most, "autocomplete": "off"},
    )


def _days(label: LazyString, *, least: int = 0) -> IntegerField:
    wrong = lazy_gettext("Enter a number of days from %(least)s to 365.", least=least)
    return IntegerField(
        label,
        validators=[InputRequired(wrong), NumberRange(least, 365, message=wrong)],
        render_kw={"inputmode": "numeric"},
    )


class SettingsForm(FlaskForm):
    """`version` is the one the page was made from: nobody overwrites what they have not seen."""

    name = _text(lazy_gettext("Name"), 60, hint=lazy_gettext("As pages, mails and documents show it."))
    legal_name = _text(lazy_gettext("Legal name"), 120)
    address_line1 = _text(lazy_gettext("Address"), 120)
    postal_code = _text(lazy_gettext("Postal code"), 16)
    city = _text(lazy_gettext("City"), 80)
    country = _text(lazy_gettext("Country"), 2, hint=lazy_gettext("Two capitals, such as NL."))
    vat_number = _text(lazy_gettext("VAT number"), 20)
    kvk_number = _text(lazy_gettext("CoC number"), 20)
    iban = _text(lazy_gettext("IBAN"), 42)
    bic = _text(lazy_gettext("BIC"), 11)
    support_email = _text(
        lazy_gettext("E-mail address for questions"),
        254,
        Email(lazy_gettext("This is not an e-mail address.")),
    )
    support_phone = _text(lazy_gettext("Telephone"), 30, needed=False)
    support_hours_nl = _text(lazy_gettext("Opening hours, in Dutch"), 80, needed=False)
    support_hours_en = _text(lazy_gettext("Opening hours, in English"), 80, needed=False)
    brand_colour = _text(
        lazy_gettext("Colour"), 7, hint=lazy_gettext("Such as #0b6b53. White text must be readable on it.")
    )
    logo_file = FileField(
        lazy_gettext("Logo"),
        description=lazy_gettext("A PNG of at most 200 kB. It shows on pages, in mails and on documents."),
        render_kw={"accept": "image/png"},
    )
    no_logo = BooleanField(lazy_gettext("Show the name instead of the logo"))
    invoice_prefix = _text(lazy_gettext("Invoice numbers begin with"), 4)
    credit_note_prefix = _text(lazy_gettext("Credit note numbers begin with"), 4)
    issue_on = SelectField(
        lazy_gettext("Invoices of what is due"),
        description=lazy_gettext(
            "On payment, a payment request goes out first and the invoice follows when the money is there."
        ),
        choices=[
            SelectChoice("period_close", lazy_gettext("at the close of the period")),
            SelectChoice("payment", lazy_gettext("when it is paid")),
        ],
    )
    payment_term_days = _days(lazy_gettext("Payment term in days"))
    small_due_micros = MoneyField(
        lazy_gettext("Smallest amount to ask for"),
        description=lazy_gettext("Less than this stays on the balance."),
    )
    low_balance_micros = MoneyField(lazy_gettext("Low balance"))
    dunning_upcoming_days = _days(lazy_gettext("Announcement, days before the due date"))
    dunning_reminder_days = _days(lazy_gettext("Reminder, days after the due date"), least=1)
    dunning_second_reminder_days = _days(lazy_gettext("Second reminder"), least=1)
    dunning_late_fee_days = _days(lazy_gettext("Fee for paying late"), least=1)
    dunning_final_demand_days = _days(lazy_gettext("Final demand"), least=1)
    dunning_grace_days = _days(lazy_gettext("Days between the final demand and suspension"), least=1)
    dunning_suspends = BooleanField(lazy_gettext("Suspend who does not pay"))
    late_fee_business = _text(
        lazy_gettext("Fee of businesses"),
        12,
        hint=lazy_gettext("wik, an amount such as 15, a percentage such as 10%, or nothing."),
        needed=False,
    )
    late_fee_consumer = _text(lazy_gettext("Fee of consumers"), 12, needed=False)
    ledger_accounts = TextAreaField(
        lazy_gettext("Ledger codes of your own"),
        description=lazy_gettext(
            "One per line: side, code, name; such as revenue,8400,Subscriptions. What is not named keeps its "
            "usual code. The sides: %(sides)s.",
            sides=", ".join(USUAL),
        ),
        filters=[lambda text: "\n".join(line.strip() for line in (text or "").splitlines() if line.strip())],
        validators=[Optional(), Length(max=2000)],
        render_kw={"rows": 6, "autocomplete": "off", "spellcheck": "false"},
    )
    version = HiddenField()

    def values(self) -> dict[str, Any]:
        """The settings by name; without the logo, which is a file."""
        return {
            name: self[name].data for name in self._fields if name in PROVIDER_NAMES or name in SETTING_NAMES
        }

    @property
    def seen_version(self) -> int:
        text = self.version.data or ""
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0

    def validate_country(self, field: Field) -> None:
        if not is_country(field.data):
            raise ValidationError(str(lazy_gettext("Give a country as two capitals, such as NL.")))

    def validate_vat_number(self, field: Field) -> None:
        if field.data != field.object_data and not vat.is_valid(field.data):
            raise ValidationError(str(lazy_gettext("This is not a valid VAT number.")))

    def validate_iban(self, field: Field) -> None:
        if field.data != field.object_data and not iban.is_valid(field.data):
            raise ValidationError(str(lazy_gettext("This is not a valid IBAN.")))

    def validate_invoice_prefix(self, field: Field) -> None:
        _check_series(field)

    def validate_credit_note_prefix(self, field: Field) -> None:
        _check_series(field)
        if field.data == self.invoice_prefix.data:
            raise ValidationError(str(lazy_gettext("Choose another beginning than that of invoices.")))

    def validate_brand_colour(self, field: Field) -> None:
        if not COLOUR.fullmatch(field.data or ""):
            raise ValidationError(str(lazy_gettext("Give a colour such as #0b6b53.")))
        if contrast_with_white(field.data) < READABLE:
            raise ValidationError(
                str(lazy_gettext("Choose a darker colour: white text must be readable on it."))
            )

    def validate_ledger_accounts(self, field: Field) -> None:
        for line in (field.data or "").splitlines():
            try:
                accounts_from([line])
            except ValueError as error:
                wrong = lazy_gettext("This line names no side with a code: %(line)s", line=line)
                raise ValidationError(str(wrong)) from error

    def validate_small_due_micros(self, field: Field) -> None:
        _check_amount(field)

    def validate_low_balance_micros(self, field: Field) -> None:
        _check_amount(field)


def _check_series(field: Field) -> None:
    if not is_series(field.data or ""):
        raise ValidationError(
            str(lazy_gettext("Use 1 to 4 capitals. O, RF and what begins with B or T name other things."))
        )


def _check_amount(field: Field) -> None:
    if field.data is None or field.data < 0:
        raise ValidationError(str(lazy_gettext("Enter an amount such as 25.00.")))


def contrast_with_white(colour: str) -> float:
    """The contrast of white text on `#rrggbb`, as WCAG 2 counts it."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 1.05 / (0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05)

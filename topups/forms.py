"""Forms of the top-up pages. Amounts are micros here; consent boxes always start empty."""

import re
from typing import Any

from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import BooleanField, Field, HiddenField, RadioField
from wtforms.validators import DataRequired, InputRequired, ValidationError
from wtforms.widgets import TextInput

from app.i18n import money
from topups.amounts import parse_amount
from topups.errors import limits_text


class MoneyField(Field):
    """An amount in euros as text; `data` is micros, or None when it is not an amount."""

    widget = TextInput()
    data: int | None

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        if self.data is None:
            return ""
        return money(self.data).replace("€", "").strip()

    def process_formdata(self, valuelist: list[Any]) -> None:
        self.data = parse_amount(str(valuelist[0])) if valuelist and str(valuelist[0]).strip() else None


def _is_amount(_form: FlaskForm, field: MoneyField) -> None:
    if field.data is None:
        raise ValidationError(str(lazy_gettext("Enter an amount such as 25.00.")))


def _is_top_up_amount(_form: FlaskForm, field: MoneyField) -> None:
    if field.data is None:
        raise ValidationError(limits_text())


_MICROS = re.compile(r"[0-9]{1,12}")
_TOKEN = re.compile(r"[a-z0-9]{20,64}")


def _check_token(field: HiddenField) -> None:
    if not _TOKEN.fullmatch(field.data or ""):
        raise ValidationError(str(lazy_gettext("Reload this page and try again.")))


class TopUpForm(FlaskForm):
    """One payment. `token` is made with the page: sending the same page twice makes one payment."""

    amount = MoneyField(lazy_gettext("Amount"), validators=[_is_top_up_amount])
    method = RadioField(
        lazy_gettext("How do you want to pay?"),
        choices=[],
        validate_choice=False,
        validators=[InputRequired(lazy_gettext("Choose one of the ways to pay."))],
    )
    save_method = BooleanField()
    accepted_fee = HiddenField()
    token = HiddenField()

    @property
    def accepted_fee_micros(self) -> int:
        """The fee that the payer has seen and accepted; 0 before that."""
        text = self.accepted_fee.data or ""
        return int(text) if _MICROS.fullmatch(text) else 0

    def validate_token(self, field: HiddenField) -> None:
        _check_token(field)


class RefundForm(FlaskForm):
    """Money to send back. `token` is made with the page: sending the same page twice makes one refund."""

    amount = MoneyField(lazy_gettext("Amount"), validators=[_is_amount])
    forced = BooleanField()
    token = HiddenField()

    def validate_token(self, field: HiddenField) -> None:
        _check_token(field)


class RuleForm(FlaskForm):
    """The rule of automatic top-up: an amount, or a target to fill up to."""

    fill = HiddenField(default="amount")
    threshold = MoneyField(lazy_gettext("Threshold"), validators=[_is_amount])
    amount = MoneyField(lazy_gettext("Top-up amount"))
    target = MoneyField(lazy_gettext("Fill up to"))
    monthly_maximum = MoneyField(
        lazy_gettext("Monthly maximum"),
        description=lazy_gettext("Counts what was debited automatically and what is still on its way."),
        validators=[_is_amount],
    )
    calendar_amount = MoneyField(lazy_gettext("On the first of each month"))
    consent = BooleanField(validators=[DataRequired(lazy_gettext("Tick the box to give your consent."))])

    @property
    def by_target(self) -> bool:
        return bool(self.fill.data == "target")

    def validate_amount(self, field: MoneyField) -> None:
        if not self.by_target:
            _is_amount(self, field)

    def validate_calendar_amount(self, field: MoneyField) -> None:
        if field.raw_data and str(field.raw_data[0]).strip():
            _is_amount(self, field)

    def validate_target(self, field: MoneyField) -> None:
        if self.by_target:
            _is_amount(self, field)

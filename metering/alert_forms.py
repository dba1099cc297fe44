"""The form of the customer's alerts. What is left empty is not warned of."""

from typing import Any

from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import IntegerField, RadioField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import NumberRange, Optional, ValidationError

from metering.alerts import MAX_DAYS, Rules
from topups.forms import MoneyField


def _is_amount_or_empty(_form: FlaskForm, field: MoneyField) -> None:
    typed = str(field.raw_data[0]).strip() if field.raw_data else ""
    if typed and not field.data:
        raise ValidationError(str(lazy_gettext("Enter an amount such as 25.00.")))


def _whole(label: Any, most: int) -> IntegerField:
    text = lazy_gettext("Enter a whole number from 1 to %(most)s.", most=most)
    return IntegerField(
        label,
        validators=[Optional(), NumberRange(1, most, text)],
        render_kw={"inputmode": "numeric", "autocomplete": "off"},
    )


class AlertsForm(FlaskForm):
    """Two amounts, a percentage, days left, and the month's limit."""

    amount = MoneyField(lazy_gettext("Tell me below"), validators=[_is_amount_or_empty])
    second_amount = MoneyField(lazy_gettext("And again below"), validators=[_is_amount_or_empty])
    percentage = _whole(lazy_gettext("Below this percentage of my last top-up"), 100)
    days_left = _whole(lazy_gettext("When it lasts less than this many days"), MAX_DAYS)
    spending_limit = MoneyField(
        lazy_gettext("Spending limit per month, incl. VAT"), validators=[_is_amount_or_empty]
    )
    action = RadioField(
        lazy_gettext("When the limit is reached"),
        choices=[
            SelectChoice("tell", lazy_gettext("Only tell me")),
            SelectChoice("refuse_holds", lazy_gettext("Tell me and refuse new reservations")),
        ],
        default="tell",
    )

    @classmethod
    def showing(cls, rules: Rules) -> "AlertsForm":
        """The form with these rules in it; of more than it has room for, the first are shown."""
        amounts = [*rules.amounts_micros, None, None]
        return cls(
            formdata=None,
            amount=amounts[0],
            second_amount=amounts[1],
            percentage=next(iter(rules.percentages), None),
            days_left=rules.days_left,
            spending_limit=rules.spending_limit_micros,
            action="refuse_holds" if rules.refuses_holds else "tell",
        )

    def rules(self, before: Rules) -> Rules:
        """What was asked for; rules of a program that the form has no room for stay."""
        amounts = [micros for micros in (self.amount.data, self.second_amount.data) if micros]
        percentages = [self.percentage.data] if self.percentage.data else []
        return Rules(
            amounts_micros=(*dict.fromkeys(amounts), *before.amounts_micros[2:]),
            percentages=(*percentages, *before.percentages[1:]),
            days_left=self.days_left.data,
            spending_limit_micros=self.spending_limit.data,
            refuses_holds=self.action.data == "refuse_holds",
        )

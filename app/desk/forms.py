"""Forms of the desk."""

from datetime import timedelta

from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import HiddenField, SelectField, SelectMultipleField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, Length, ValidationError
from wtforms.widgets import CheckboxInput, ListWidget

from app.webhooks.endpoints import EVENTS
from app.webhooks.targets import MAX_URL
from topups.forms import MoneyField


class ApiKeyForm(FlaskForm):
    name = StringField(
        lazy_gettext("What is the key for?"),
        description=lazy_gettext("A name by which you recognise it later, such as the program that uses it."),
        filters=[lambda text: text.strip() if text else text],
        validators=[
            DataRequired(lazy_gettext("Give the key a name.")),
            Length(max=100, message=lazy_gettext("Use at most 100 characters.")),
        ],
        render_kw={"maxlength": 100, "autocomplete": "off"},
    )


class WebhookEndpointForm(FlaskForm):
    url = StringField(
        lazy_gettext("Address"),
        description=lazy_gettext("It begins with https and can be reached from the internet."),
        filters=[lambda text: text.strip() if text else text],
        validators=[DataRequired(lazy_gettext("Enter the address that is to be told."))],
        render_kw={"maxlength": MAX_URL, "autocomplete": "off", "inputmode": "url"},
    )
    events = SelectMultipleField(
        lazy_gettext("Which events?"),
        description=lazy_gettext("Choose none to be told all of them."),
        choices=[SelectChoice(event, event) for event in EVENTS],
        option_widget=CheckboxInput(),
        widget=ListWidget(prefix_label=False),
    )


class ReplayForm(FlaskForm):
    """Which address is told again what happened lately."""

    endpoint = SelectField(lazy_gettext("Address"), choices=[])
    period = SelectField(
        lazy_gettext("Since"),
        choices=[
            SelectChoice("1", lazy_gettext("the last hour")),
            SelectChoice("24", lazy_gettext("the last day")),
            SelectChoice("168", lazy_gettext("the last week")),
            SelectChoice("720", lazy_gettext("the last 30 days")),
        ],
        default="24",
    )

    @property
    def span(self) -> timedelta:
        return timedelta(hours=int(self.period.data))


class BounceForm(FlaskForm):
    """Why an e-mail came back."""

    reason = StringField(
        lazy_gettext("Why did it come back?"),
        description=lazy_gettext("What the other mail server wrote, such as: no such mailbox."),
        validators=[
            DataRequired(lazy_gettext("Say why it came back.")),
            Length(max=500, message=lazy_gettext("Use at most 500 characters.")),
        ],
        render_kw={"maxlength": 500, "autocomplete": "off"},
    )


class CreditForm(FlaskForm):
    """A credit note. `token` is made with the page: sending the same page twice makes one."""

    reason = StringField(
        lazy_gettext("Why?"),
        description=lazy_gettext("The customer reads this on the credit note."),
        validators=[
            DataRequired(lazy_gettext("Say why: it stands on the credit note.")),
            Length(max=500, message=lazy_gettext("Use at most 500 characters.")),
        ],
        render_kw={"maxlength": 500, "autocomplete": "off"},
    )
    amount = MoneyField(lazy_gettext("Amount"))
    token = HiddenField(validators=[DataRequired(), Length(max=64)])

    def validate_amount(self, field: MoneyField) -> None:
        if field.data is None and field.raw_data and str(field.raw_data[0]).strip():
            raise ValidationError(str(lazy_gettext("Enter an amount such as 25.00.")))

"""Forms of the account and the team. Each holds just the fields that it may change."""

from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import EmailField, SelectField, SelectMultipleField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, Length
from wtforms.widgets import CheckboxInput, ListWidget

from app.customers.forms import trimmed


def _text(label: object, most: int, complete: str = "off", **kwargs: object) -> StringField:
    return StringField(
        label,
        filters=[trimmed],
        validators=[Length(max=most, message=lazy_gettext("Use at most %(max)s characters.", max=most))],
        render_kw={"maxlength": most, "autocomplete": complete},
        **kwargs,
    )


class DetailsForm(FlaskForm):
    """What stands on the customer's invoices."""

    name = _text(lazy_gettext("Name"), 200, "organization")
    line1 = _text(lazy_gettext("Address"), 200, "street-address")
    postal_code = _text(lazy_gettext("Postal code"), 16, "postal-code")
    city = _text(lazy_gettext("City"), 100, "address-level2")
    country = SelectField(lazy_gettext("Country"), choices=[])
    vat_number = _text(
        lazy_gettext("VAT number"),
        20,
        description=lazy_gettext("With its country, such as NL123456789B01. Leave empty if you have none."),
    )
    purchase_order = _text(
        lazy_gettext("Your reference"),
        64,
        description=lazy_gettext("A purchase order number, say. It stands on your invoices."),
    )
    locale = SelectField(
        lazy_gettext("Language of invoices and e-mails"),
        choices=[SelectChoice("nl", "Nederlands"), SelectChoice("en", "English")],
    )


class TopicsForm(FlaskForm):
    topics = SelectMultipleField(
        lazy_gettext("Which e-mails do you get a copy of?"),
        choices=[],
        option_widget=CheckboxInput(),
        widget=ListWidget(prefix_label=False),
    )


class InviteForm(FlaskForm):
    email = EmailField(
        lazy_gettext("E-mail address"),
        filters=[trimmed],
        validators=[
            InputRequired(lazy_gettext("Enter an e-mail address.")),
            Length(max=254, message=lazy_gettext("Enter a valid e-mail address.")),
        ],
        render_kw={"autocomplete": "off", "maxlength": 254},
    )
    role = SelectField(lazy_gettext("Role"), choices=[])


class KeyForm(FlaskForm):
    name = StringField(
        lazy_gettext("What is the key for?"),
        description=lazy_gettext("A name by which you recognise it later, such as the program that uses it."),
        filters=[trimmed],
        validators=[
            InputRequired(lazy_gettext("Give the key a name.")),
            Length(max=100, message=lazy_gettext("Use at most 100 characters.")),
        ],
        render_kw={"maxlength": 100, "autocomplete": "off"},
    )
    scope = SelectField(
        lazy_gettext("What may it do?"),
        choices=[
            SelectChoice("read", lazy_gettext("Read balance, usage and invoices")),
            SelectChoice("events", lazy_gettext("Record usage")),
        ],
    )


class ConfirmForm(FlaskForm):
    """A code that turns the authenticator on or off."""

    code = StringField(
        lazy_gettext("Code from your authenticator app"),
        validators=[InputRequired(lazy_gettext("Enter the code.")), Length(max=40)],
        render_kw={"autocomplete": "one-time-code", "maxlength": 40, "autocapitalize": "off"},
    )


class ClosingForm(FlaskForm):
    reason = TextAreaField(
        lazy_gettext("Why do you leave? (optional)"),
        filters=[trimmed],
        validators=[Length(max=1000, message=lazy_gettext("Use at most 1000 characters."))],
        render_kw={"maxlength": 1000, "rows": 3},
    )

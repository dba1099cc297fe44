"""Forms of the sign-in. They say nothing about whether an address is known."""

from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import EmailField, HiddenField, PasswordField, StringField
from wtforms.validators import Email, InputRequired, Length, Regexp

_address = [
    InputRequired(lazy_gettext("Enter your e-mail address.")),
    Length(max=254, message=lazy_gettext("Enter a valid e-mail address.")),
    Email(lazy_gettext("Enter a valid e-mail address.")),
]


def trimmed(text: str | None) -> str | None:
    return text.strip() if text else text


def _digits(text: str | None) -> str | None:
    """A code as people paste it: with spaces or a dash in the middle."""
    return text.replace(" ", "").replace("-", "").replace("\u00a0", "") if text else text


class PasswordForm(FlaskForm):
    email = EmailField(
        lazy_gettext("E-mail address"),
        filters=[trimmed],
        validators=_address,
        render_kw={"autocomplete": "username", "maxlength": 254},
    )
    password = PasswordField(
        lazy_gettext("Password"),
        validators=[InputRequired(lazy_gettext("Enter your password.")), Length(max=200)],
        render_kw={"autocomplete": "current-password", "maxlength": 200},
    )
    next = HiddenField()


class AddressForm(FlaskForm):
    email = EmailField(
        lazy_gettext("E-mail address"),
        filters=[trimmed],
        validators=_address,
        render_kw={"autocomplete": "username", "maxlength": 254},
    )
    next = HiddenField()


class CodeForm(FlaskForm):
    code = StringField(
        lazy_gettext("Sign-in code"),
        filters=[_digits],
        validators=[
            InputRequired(lazy_gettext("Enter the six digits from the e-mail.")),
            Regexp(r"^[0-9]{6}\Z", message=lazy_gettext("Enter the six digits from the e-mail.")),
        ],
        render_kw={"autocomplete": "one-time-code", "inputmode": "numeric", "maxlength": 12},
    )
    next = HiddenField()


class SecondForm(FlaskForm):
    code = StringField(
        lazy_gettext("Code from your authenticator app"),
        description=lazy_gettext("No phone at hand? Enter one of your recovery codes."),
        validators=[InputRequired(lazy_gettext("Enter the code.")), Length(max=40)],
        render_kw={"autocomplete": "one-time-code", "maxlength": 40, "autocapitalize": "off"},
    )


class ChoosePasswordForm(FlaskForm):
    password = PasswordField(
        lazy_gettext("New password"),
        description=lazy_gettext("At least 10 characters. A sentence is easy to remember and hard to guess."),
        validators=[InputRequired(lazy_gettext("Enter a new password.")), Length(max=200)],
        render_kw={"autocomplete": "new-password", "maxlength": 200},
    )


class JoinForm(ChoosePasswordForm):
    name = StringField(
        lazy_gettext("Your name"),
        validators=[InputRequired(lazy_gettext("Enter your name.")), Length(max=200)],
        render_kw={"autocomplete": "name", "maxlength": 200},
    )


class ChangePasswordForm(ChoosePasswordForm):
    current = PasswordField(
        lazy_gettext("Current password"),
        validators=[Length(max=200)],
        render_kw={"autocomplete": "current-password", "maxlength": 200},
    )

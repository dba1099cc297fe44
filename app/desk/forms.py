"""Forms of the desk."""

from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import StringField
from wtforms.validators import DataRequired, Length


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

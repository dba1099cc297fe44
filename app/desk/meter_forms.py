"""Forms of meters and prices: fields of their own for what the API takes as one document."""

from decimal import Decimal, InvalidOperation
from typing import Any, Final

from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString
from flask_wtf import FlaskForm
from wtforms import BooleanField, DateField, Field, RadioField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, Length, Optional

from app.errors import AppError, Invalid

AGGREGATIONS: Final[dict[str, LazyString]] = {
    "count": lazy_gettext("Count: each event is one"),
    "sum": lazy_gettext("Sum of a value"),
    "max": lazy_gettext("Highest value"),
    "unique": lazy_gettext("Number of different values"),
    "latest": lazy_gettext("Latest value"),
    "weighted_sum": lazy_gettext("Level, weighted by time"),
}
MODELS: Final[dict[str, LazyString]] = {
    "per_unit": lazy_gettext("An amount per unit"),
    "graduated": lazy_gettext("Tiers: each unit at its own tier"),
    "volume": lazy_gettext("Volume: all units at the tier of the total"),
    "package": lazy_gettext("Per package"),
    "percentage": lazy_gettext("A percentage"),
}
TAX_CATEGORIES: Final[dict[str, LazyString]] = {
    "standard": lazy_gettext("Standard rate"),
    "reduced": lazy_gettext("Reduced rate"),
    "zero": lazy_gettext("Zero rate"),
}
# What each model needs, and what it may have beside it.
NEEDED: Final = {
    "per_unit": ("unit_amount",),
    "graduated": ("tiers",),
    "volume": ("tiers",),
    "package": ("package_size", "package_amount"),
    "percentage": ("rate",),
}
BESIDE: Final = {"percentage": ("fixed_amount",)}
REQUIRED: Final = lazy_gettext("This field is required.")


def _text(label: LazyString, most: int, *, hint: LazyString | str = "", required: bool = True) -> StringField:
    return StringField(
        label,
        description=hint,
        filters=[lambda text: text.strip() if text else text],
        validators=[DataRequired(REQUIRED) if required else Optional(), Length(max=most)],
        render_kw={"maxlength": most, "autocomplete": "off", "spellcheck": "false"},
    )


class MeterForm(FlaskForm):
    """Its names are those of the API, but for the name in each language."""

    code = _text(lazy_gettext("Code"), 64, hint=lazy_gettext("Never changes; programs name the meter by it."))
    name_nl = _text(lazy_gettext("Name in Dutch"), 120)
    name_en = _text(lazy_gettext("Name in English"), 120)
    event_type = _text(
        lazy_gettext("Event type"), 128, hint=lazy_gettext("The type of the events that are counted.")
    )
    aggregation = SelectField(
        lazy_gettext("How do events add up?"),
        choices=[SelectChoice(name, text) for name, text in AGGREGATIONS.items()],
    )
    value_property = _text(
        lazy_gettext("Property with the value"),
        128,
        hint=lazy_gettext("Of the event's data; not needed to count."),
        required=False,
    )
    unit = _text(lazy_gettext("Unit"), 32)
    dimensions = _text(
        lazy_gettext("Dimensions"),
        400,
        hint=lazy_gettext("Properties that prices may differ by, with commas between them. At most five."),
        required=False,
    )
    tax_category = RadioField(
        lazy_gettext("VAT rate"),
        choices=[SelectChoice(name, text) for name, text in TAX_CATEGORIES.items()],
        default="standard",
    )
    is_telecom = BooleanField(lazy_gettext("This is telecom"))

    def show(self, meter: dict[str, Any]) -> None:
        """Fill in a meter as the API shapes it."""
        for name, value in meter.items():
            if name in self and name != "dimensions":
                self[name].data = value
        self.dimensions.data = ", ".join(meter["dimensions"])
        self.name_nl.data, self.name_en.data = meter["name"]["nl"], meter["name"]["en"]

    def facts(self) -> dict[str, Any]:
        """The meter as the API takes it."""
        names = (self.dimensions.data or "").split(",")
        return {
            "event_type": self.event_type.data,
            "aggregation": self.aggregation.data,
            "value_property": self.value_property.data or None,
            "unit": self.unit.data,
            "dimensions": [name.strip() for name in names if name.strip()],
            "name": {"en": self.name_en.data, "nl": self.name_nl.data},
            "tax_category": self.tax_category.data,
            "is_telecom": self.is_telecom.data,
        }


class PriceForm(FlaskForm):
    """One price. Only the fields of the chosen model count."""

    model = SelectField(
        lazy_gettext("Kind of price"), choices=[SelectChoice(name, text) for name, text in MODELS.items()]
    )
    unit_amount = _text(lazy_gettext("Amount per unit, excl. VAT"), 40, required=False)
    tiers = TextAreaField(
        lazy_gettext("Tiers"),
        description=lazy_gettext(
            "A line per tier: up to and including; amount per unit; fixed amount. The last has no end: "
            "begin it with a dash. Such as “1000; 0.01” and “-; 0.005; 5”."
        ),
        validators=[Length(max=5_000)],
        render_kw={"rows": 4, "spellcheck": "false"},
    )
    package_size = _text(lazy_gettext("Units in a package"), 40, required=False)
    package_amount = _text(lazy_gettext("Amount per package, excl. VAT"), 40, required=False)
    rate = _text(lazy_gettext("Percentage of the quantity"), 40, required=False)
    fixed_amount = _text(lazy_gettext("Fixed amount per event, excl. VAT"), 40, required=False)
    when = TextAreaField(
        lazy_gettext("Only for"),
        description=lazy_gettext("A line per dimension, such as model=large. Empty: for everything."),
        validators=[Length(max=1_000)],
        render_kw={"rows": 2, "spellcheck": "false"},
    )
    effective_from = DateField(
        lazy_gettext("From"),
        description=lazy_gettext("It counts from the first period that begins on or after this day."),
        validators=[Optional()],
    )
    customer = _text(
        lazy_gettext("Only for customer"),
        64,
        hint=lazy_gettext("A customer number: the price is then in that customer's own list."),
        required=False,
    )
    month = SelectField(lazy_gettext("Try it on"), choices=[])

    def document(self) -> dict[str, Any]:
        """The price as the API takes it. Raises Invalid naming the field."""
        model = str(self.model.data)
        document: dict[str, Any] = {"model": model, "when": self._when()}
        if self.effective_from.data:
            document["effective_from"] = self.effective_from.data.isoformat()
        for name in (*NEEDED[model], *BESIDE.get(model, ())):
            given = str(self[name].data or "").strip()
            if not given and name in NEEDED[model]:
                raise Invalid(REQUIRED, field=name)
            if given:
                document[name] = _tiers(given) if name == "tiers" else _number(given, name)
        return document

    def _when(self) -> dict[str, str] | None:
        pairs = [line.partition("=") for line in (self.when.data or "").splitlines() if line.strip()]
        if any(not name.strip() or not sign for name, sign, _ in pairs):
            raise Invalid(lazy_gettext("Give dimensions with their values as text."), field="when")
        return {name.strip(): value.strip() for name, _, value in pairs} or None

    def put_error(self, error: AppError) -> None:
        """Say it at the field that it is about."""
        name = str(error.extra.get("field", "model")).partition("[")[0].partition(".")[0]
        field: Field = dict(self._fields).get(name, self.model)
        field.errors = [str(error.detail or error.title)]


def _tiers(text: str) -> list[dict[str, Any]]:
    found = []
    for line in text.splitlines():
        if not line.strip():
            continue
        parts = [part.strip() for part in line.split(";")]
        if not 2 <= len(parts) <= 3:
            raise Invalid(
                lazy_gettext("Give two or three parts on each line, with ; between."), field="tiers"
            )
        open_ended = parts[0] in {"-", "–", "∞"}
        tier: dict[str, Any] = {
            "up_to": None if open_ended else _number(parts[0], "tiers"),
            "unit_amount": _number(parts[1], "tiers"),
        }
        if len(parts) == 3:
            tier["flat_amount"] = _number(parts[2], "tiers")
        found.append(tier)
    return found


def _number(text: str, field: str) -> Decimal:
    """A decimal with a point or a comma, without separators of thousands."""
    try:
        number = Decimal(text.replace(",", ".")) if text.isascii() else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite():
        raise Invalid(lazy_gettext("Give a number such as 0.001."), field=field)
    return number

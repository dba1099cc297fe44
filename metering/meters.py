"""Meters and prices as the provider keeps them: made, changed, published, listed.

Publishing locks the catalogue's version row, so versions and prices come in one order, and counts it up,
so every process notices.
"""

import re
from collections.abc import Collection, Mapping
from datetime import date
from typing import Any, Final, NamedTuple

import msgspec
from flask_babel import lazy_gettext
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from app.clock import utc_now
from app.config import settings
from app.db import after_commit, db
from app.errors import Conflict, Invalid, NotFound, Text
from metering.aggregation import AGGREGATIONS, MAX_DIMENSION
from metering.catalog import Catalog, keep_catalog, load_catalog
from metering.models import Meter, MeterCatalog, MeterPrice
from metering.periods import day_of
from metering.prices import Price, PriceInvalid, decode_definition, encode_definition, is_ambiguous
from metering.treatment import TAX_CATEGORIES, USUAL_CLASS, TaxClass, class_at

MAX_DIMENSIONS: Final = 5
LANGUAGES: Final = ("en", "nl")
METER_FIELDS: Final = (
    "event_type", "aggregation", "value_property", "unit", "dimensions", "name", "tax_category", "is_telecom",
)  # fmt: skip
PRICE_FIELDS: Final = (
    "currency", "model", "effective_from", "when", "unit_amount", "tiers", "package_size", "package_amount",
    "rate", "fixed_amount",
)  # fmt: skip
_NEWEST: Final = 2**62
MOST_LISTED: Final = 200
_CODE: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_EVENT_TYPE: Final = re.compile(r"[\x21-\x7e]{1,128}")


class UnknownMeter(NotFound):
    code = "unknown_meter"
    title = lazy_gettext("There is no meter with this code.")


class MeterInUse(Conflict):
    code = "meter_in_use"
    title = lazy_gettext(
        "This meter has counted events: how it counts, and by which dimensions, cannot change any more."
    )


class PriceAmbiguous(Conflict):
    code = "ambiguous_price"
    title = lazy_gettext("Another price is just as specific, and both could apply to one event.")


class CurrencyNotSupported(Invalid):
    code = "currency_not_supported"
    title = lazy_gettext("Prices are in the provider's currency.")


def _lock_catalog() -> int:
    """Lock the version row and count it up; answers the new version."""
    db.session.execute(insert(MeterCatalog).values(catalog_id=1, version=0).on_conflict_do_nothing())
    version = db.session.scalar(
        update(MeterCatalog).values(version=MeterCatalog.version + 1).returning(MeterCatalog.version)
    )
    return version or 0


def put_meter(code: str, facts: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """Make a meter, or change it; answers its API shape and whether it is new.

    Raises Invalid naming the field, MeterInUse when counting would change after the first event.
    """
    if not _CODE.fullmatch(code):
        raise Invalid(
            lazy_gettext("A code has 1 to 64 letters, digits, dots, dashes or underscores."), field="code"
        )
    values = _checked(facts)
    version = _lock_catalog()
    meter = db.session.scalars(select(Meter).where(Meter.code == code).with_for_update()).one_or_none()
    if meter is None:
        taxed = _tax_class(facts, USUAL_CLASS)
        # A new meter joins periods that have begun, so its class holds for them too.
        classes = [] if taxed == USUAL_CLASS else [(0, *taxed)]
        meter = Meter(code=code, created_at=utc_now(), first_event_at=None, tax_classes=classes, **values)
        db.session.add(meter)
        db.session.flush()
        return meter_json(meter), True
    _check_change(meter, values)
    for name, value in values.items():
        setattr(meter, name, value)
    before = class_at(_history(meter), version)
    taxed = _tax_class(facts, before)
    if taxed != before:
        meter.tax_classes = [*meter.tax_classes, (version, *taxed)]
    db.session.flush()
    return meter_json(meter), False


def _history(meter: Meter) -> list[tuple[int, str, bool]]:
    return [(since, category, telecom) for since, category, telecom in meter.tax_classes]


def _tax_class(facts: Mapping[str, Any], before: TaxClass) -> TaxClass:
    """How the meter is to be taxed; what is left out stays."""
    category = facts.get("tax_category", before.category)
    is_telecom = facts.get("is_telecom", before.is_telecom)
    if category not in TAX_CATEGORIES:
        raise Invalid(
            lazy_gettext("Choose one of: %(choices)s.", choices=", ".join(TAX_CATEGORIES)),
            field="tax_category",
        )
    if not isinstance(is_telecom, bool):
        raise Invalid(lazy_gettext("Say true or false."), field="is_telecom")
    return TaxClass(category, is_telecom)


def _check_change(meter: Meter, values: Mapping[str, Any]) -> None:
    # By its dimensions usage is kept and levels are held: with others, what was counted would count twice.
    counting = ("event_type", "aggregation", "value_property", "dimensions")
    changed = next((name for name in counting if getattr(meter, name) != values[name]), None)
    if changed is not None and meter.first_event_at is not None:
        raise MeterInUse(field=changed)
    used = {
        name
        for when in db.session.scalars(
            select(MeterPrice.applies_when).where(MeterPrice.meter_id == meter.meter_id)
        )
        for name in when
    }
    if not used <= set(values["dimensions"]):
        raise Invalid(
            lazy_gettext("A price of this meter uses a dimension that is left out here."), field="dimensions"
        )


def _checked(facts: Mapping[str, Any]) -> dict[str, Any]:
    aggregation = facts.get("aggregation")
    if aggregation not in AGGREGATIONS:
        raise Invalid(
            lazy_gettext("Choose one of: %(choices)s.", choices=", ".join(AGGREGATIONS)), field="aggregation"
        )
    value_property = facts.get("value_property")
    if aggregation == "count":
        value_property = None
    elif not _is_text(value_property, 128):
        raise Invalid(lazy_gettext("Name the property of the data that is measured."), field="value_property")
    event_type = facts.get("event_type")
    if not isinstance(event_type, str) or not _EVENT_TYPE.fullmatch(event_type):
        raise Invalid(lazy_gettext("An event type has 1 to 128 visible characters."), field="event_type")
    if not _is_text(facts.get("unit"), 32):
        raise Invalid(lazy_gettext("A unit has 1 to 32 characters."), field="unit")
    return {
        "event_type": event_type,
        "aggregation": aggregation,
        "value_property": value_property,
        "unit": facts["unit"],
        "dimensions": _dimensions(facts.get("dimensions")),
        "name": _names(facts.get("name")),
    }


def _is_text(value: object, most: int) -> bool:
    return isinstance(value, str) and 1 <= len(value.strip()) <= most and value.isprintable()


def _dimensions(value: object) -> list[str]:
    names = value if value is not None else []
    if not isinstance(names, list) or len(names) > MAX_DIMENSIONS or not all(_is_text(n, 64) for n in names):
        raise Invalid(lazy_gettext("Give at most five names of properties."), field="dimensions")
    if len(set(names)) != len(names):
        raise Invalid(lazy_gettext("A dimension is named twice."), field="dimensions")
    return names


def _names(value: object) -> dict[str, str]:
    if (
        not isinstance(value, dict)
        or set(value) != set(LANGUAGES)
        or not all(_is_text(name, 120) for name in value.values())
    ):
        raise Invalid(lazy_gettext('Give the name in both languages: {"en": "…", "nl": "…"}.'), field="name")
    return dict(value)


def find_meter(code: str) -> Meter:
    """Raises UnknownMeter."""
    meter = db.session.scalars(select(Meter).where(Meter.code == code)).one_or_none()
    if meter is None:
        raise UnknownMeter
    return meter


def tax_meter(code: str, tax_category: str, *, is_telecom: bool) -> None:
    """Say how a meter is taxed, and leave all else. Raises UnknownMeter, Invalid."""
    facts = meter_json(find_meter(code))
    facts.pop("code")
    put_meter(code, facts | {"tax_category": tax_category, "is_telecom": is_telecom})


def list_meters() -> list[dict[str, Any]]:
    """All meters in their API shape, by code."""
    return [meter_json(meter) for meter in db.session.scalars(select(Meter).order_by(Meter.code))]


def meter_json(meter: Meter) -> dict[str, Any]:
    """The API's shape of a meter."""
    taxed = class_at(_history(meter), _NEWEST)
    return {
        "code": meter.code,
        "event_type": meter.event_type,
        "aggregation": meter.aggregation,
        "value_property": meter.value_property,
        "unit": meter.unit,
        "dimensions": list(meter.dimensions),
        "name": dict(meter.name),
        "tax_category": taxed.category,
        "is_telecom": taxed.is_telecom,
    }


def publish_price(code: str, document: Mapping[str, Any], customer_id: int | None = None) -> dict[str, Any]:
    """Publish a price of a meter, for everybody or in one customer's own list; answers its API shape.

    Periods that have begun keep their prices; only a meter's first price joins them. Raises UnknownMeter,
    Invalid naming the field, PriceAmbiguous.
    """
    asked, version = _asked(document), _lock_catalog()
    meter = find_meter(code)
    when = _new_when(asked.when, meter, customer_id)
    price = MeterPrice(
        meter_id=meter.meter_id,
        customer_id=customer_id,
        catalog_version=version,
        currency=settings().currency,
        effective_from=asked.effective_from,
        applies_when=when,
        definition=asked.definition,
        created_at=utc_now(),
    )
    db.session.add(price)
    db.session.flush()
    return price_json(price)


class _Asked(NamedTuple):
    """A price as it was asked for; whether its `when` fits is known once the meter is."""

    effective_from: date | None
    when: object
    definition: dict[str, Any]


def _asked(document: Mapping[str, Any]) -> _Asked:
    facts = dict(document)
    if facts.pop("currency", settings().currency) != settings().currency:
        raise CurrencyNotSupported(field="currency")
    return _Asked(_day(facts.pop("effective_from", None)), facts.pop("when", None), _definition(facts))


def price_to_try(code: str, document: Mapping[str, Any], customer_id: int | None = None) -> Price:
    """A price as it would be published, without an id. Raises UnknownMeter, Invalid, PriceAmbiguous."""
    asked = _asked(document)
    meter = find_meter(code)
    when = _new_when(asked.when, meter, customer_id)
    definition = decode_definition(asked.definition)
    today = day_of(utc_now(), settings().timezone)
    return Price(0, meter.meter_id, 0, None, tuple(sorted(when.items())), definition, today, customer_id)


def _new_when(value: object, meter: Meter, customer_id: int | None) -> dict[str, str]:
    """What a new price is for, that cannot tie with another of its list."""
    when = _when(value, meter)
    published = db.session.scalars(
        select(MeterPrice.applies_when).where(
            MeterPrice.meter_id == meter.meter_id, MeterPrice.customer_id.is_not_distinct_from(customer_id)
        )
    ).all()
    if is_ambiguous(when, published):
        raise PriceAmbiguous(field="when")
    return when


def _definition(document: dict[str, Any]) -> dict[str, Any]:
    try:
        return encode_definition(decode_definition(document))
    except PriceInvalid as error:
        raise Invalid(_PROBLEMS[error.problem], field=error.field) from error
    except msgspec.ValidationError as error:
        _, _, path = str(error).partition("`$.")
        raise Invalid(
            lazy_gettext("This is not one of the price models with its fields."),
            field=path.removesuffix("`") or "model",
        ) from error


_PROBLEMS: Final[dict[str, Text]] = {
    "negative": lazy_gettext("An amount cannot be negative."),
    "not_finite": lazy_gettext("Give a finite number."),
    "too_large": lazy_gettext("This number is too large."),
    "too_many_places": lazy_gettext("Give at most 12 decimals."),
    "not_positive": lazy_gettext("Give a number above zero."),
    "empty": lazy_gettext("Give at least one tier."),
    "too_many": lazy_gettext("Give at most 100 tiers."),
    "only_last_is_open": lazy_gettext("Only the last tier may have no end."),
    "last_must_be_open": lazy_gettext("Leave out the end of the last tier."),
    "not_increasing": lazy_gettext("Each tier must end above the one before it."),
}


def _day(value: object) -> date | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError as error:
        raise Invalid(lazy_gettext("Give a day such as 2026-12-01."), field="effective_from") from error


def _when(value: object, meter: Meter) -> dict[str, str]:
    when = value if value is not None else {}
    if not isinstance(when, dict) or not all(_is_text(part, MAX_DIMENSION) for part in when.values()):
        raise Invalid(lazy_gettext("Give dimensions with their values as text."), field="when")
    if not set(when) <= set(meter.dimensions):
        raise Invalid(lazy_gettext("The meter has no such dimension."), field="when")
    return when


def list_prices(code: str) -> list[dict[str, Any]]:
    """A meter's prices for everybody, in their API shape, the newest first. Raises UnknownMeter."""
    prices = db.session.scalars(
        select(MeterPrice)
        .where(MeterPrice.meter_id == find_meter(code).meter_id, MeterPrice.customer_id.is_(None))
        .order_by(MeterPrice.price_id.desc())
    )
    return [price_json(price) for price in prices]


def own_prices_of(code: str) -> list[dict[str, Any]]:
    """A meter's prices in customers' own lists, with the `customer_id`, the newest first."""
    prices = db.session.scalars(
        select(MeterPrice)
        .where(MeterPrice.meter_id == find_meter(code).meter_id, MeterPrice.customer_id.is_not(None))
        .order_by(MeterPrice.price_id.desc())
        .limit(MOST_LISTED)
    )
    return [{"customer_id": price.customer_id} | price_json(price) for price in prices]


def list_own_prices(customer_id: int) -> list[dict[str, Any]]:
    """The prices of a customer's own list with their meters' codes, the newest first."""
    rows = db.session.execute(
        select(MeterPrice, Meter.code)
        .join(Meter, Meter.meter_id == MeterPrice.meter_id)
        .where(MeterPrice.customer_id == customer_id)
        .order_by(MeterPrice.price_id.desc())
    )
    return [{"meter": code} | price_json(price) for price, code in rows]


def price_json(price: MeterPrice) -> dict[str, Any]:
    """The API's shape of a price."""
    return {
        "id": price.price_id,
        "currency": price.currency,
        **price.definition,
        "effective_from": price.effective_from.isoformat() if price.effective_from else None,
        "when": dict(price.applies_when) or None,
    }


def note_first_events(catalog: Catalog, event_types: Collection[str]) -> Catalog:
    """From a meter's first event on its counting is fixed: note that before the event is rated.

    Answers the catalogue to rate with, read again where a meter was noted.
    """
    first = [
        meter.meter_id
        for event_type in event_types
        for meter in catalog.by_type.get(event_type, ())
        if not meter.has_events and catalog.is_in_use(meter.meter_id)
    ]
    if not first:
        return catalog
    db.session.execute(
        update(Meter)
        .where(Meter.meter_id.in_(sorted(first)), Meter.first_event_at.is_(None))
        .values(first_event_at=utc_now())
        .execution_options(synchronize_session=False)
    )
    noted = load_catalog()
    after_commit(lambda: keep_catalog(noted))
    return noted

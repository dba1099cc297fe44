"""`/v1/customers/{reference}/usage` and `/events`: what was used, and the events behind each figure."""

import base64
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext

from app import api
from app.clock import utc_now
from app.config import settings
from app.customers.auth import require_api_key
from app.customers.service import UnknownCustomer, find_customer
from app.errors import Invalid
from app.money import Money
from app.reference.statements import Listed, describe
from metering import event_log, meters, shapes
from metering.event_log import RecordedEvent, Wanted
from metering.periods import midnight, period_of_moment
from metering.usage import Split, UsageDay, usage_by_day

blueprint = Blueprint("usage_api", __name__, url_prefix="/v1")

MAX_DAYS: Final = 400
MAX_DAYS_BY_HOUR: Final = 31
MAX_PRICES: Final = 50
YEARS: Final = range(2000, 2200)


@blueprint.get("/customers/<reference>/usage")
@require_api_key
@describe(Listed[shapes.UsageRow], query=shapes.UsageQuery, problems=(UnknownCustomer, meters.UnknownMeter))
def read_usage(reference: str) -> ResponseReturnValue:
    """Read usage per day or hour and meter, from `start` up to, not including, `end`.

    Each row leads to its events. Usage of the last minute may not be split yet: it counts for the last day or
    hour, and for no value of a dimension.
    """
    customer = find_customer(reference)
    this_month = period_of_moment(utc_now(), settings().timezone)
    start, end = _day("start") or this_month.start, _day("end") or this_month.end
    split = _split()
    most = MAX_DAYS_BY_HOUR if split.by_hour else MAX_DAYS
    if not timedelta(0) < end - start <= timedelta(days=most):
        raise Invalid(
            lazy_gettext("The end must come after the start, within %(most)s days.", most=most), field="end"
        )
    rows = usage_by_day(customer.customer_id, start, end, split)
    return jsonify(api.listed([_row_json(row, reference) for row in rows], None))


@blueprint.get("/customers/<reference>/events")
@require_api_key
@describe(
    Listed[shapes.RecordedEvent],
    query=shapes.EventsPaging,
    problems=(UnknownCustomer, meters.UnknownMeter),
)
def list_events(reference: str) -> ResponseReturnValue:
    """List recorded events by time, with what each of them cost; this month's unless other days are given."""
    wanted = wanted_events(find_customer(reference).customer_id)
    events, more = event_log.page(wanted, after=_cursor(), limit=api.page_size())
    answer = api.listed([_event_json(event) for event in events], _cursor_of(events[-1]) if more else None)
    return Response(msgspec.json.encode(answer), mimetype="application/json")


@blueprint.get("/customers/<reference>/events.csv")
@require_api_key
@describe("text/csv", query=shapes.EventsQuery, problems=(UnknownCustomer, meters.UnknownMeter))
def export_events(reference: str) -> ResponseReturnValue:
    """Download recorded events as CSV: a row per event and meter, streamed whatever their number."""
    return csv_response(reference, wanted_events(find_customer(reference).customer_id))


def csv_response(name: str, wanted: Wanted) -> Response:
    """The events as a file that is sent while it is read."""
    answer = Response(event_log.csv_lines(wanted), mimetype="text/csv")
    answer.headers["Content-Disposition"] = f'attachment; filename="events-{name}.csv"'
    return answer


def wanted_events(customer_id: int) -> Wanted:
    """The request's filters; without days or a period, this month's events. Raises Invalid, UnknownMeter."""
    start, end = _moment("start"), _moment("end")
    period, month = _period("period")
    if start is None and end is None and period is None and month is None:
        start = midnight(period_of_moment(utc_now(), settings().timezone).start, settings().timezone)
    meter = request.args.get("meter")
    code = meters.find_meter(meter).code if meter else None
    return Wanted(
        customer_id=customer_id,
        start=start,
        end=end,
        period=period,
        month=month,
        meter=code,
        prices=_prices(code),
        dimensions=_dimensions("dimensions") or {},
        late=_choice("late", "false", "true") == "true",
    )


def _split() -> Split:
    meter = request.args.get("meter")
    names = tuple(name for name in request.args.get("group_by", "").split(",") if name)
    if len(names) > meters.MAX_DIMENSIONS or len(set(names)) != len(names) or any("\0" in n for n in names):
        raise Invalid(lazy_gettext("Name at most five dimensions, each once."), field="group_by")
    return Split(
        by_hour=_choice("by", "day", "hour") == "hour",
        meter_id=meters.find_meter(meter).meter_id if meter else None,
        dimensions=names,
    )


def _choice(field: str, *choices: str) -> str:
    """One of some words, the first by default."""
    given = request.args.get(field, choices[0])
    if given not in choices:
        raise Invalid(lazy_gettext("Choose one of: %(choices)s.", choices=", ".join(choices)), field=field)
    return given


def _day(field: str) -> date | None:
    text = request.args.get(field)
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if day.year not in YEARS:
        raise Invalid(lazy_gettext("Give a day such as 2026-12-01."), field=field)
    return day


def _moment(field: str) -> datetime | None:
    """A day as the moment it begins, or a moment with its offset."""
    text = request.args.get(field, "").replace(" ", "+")  # a plus that was not escaped
    if "T" not in text:
        day = _day(field)
        return midnight(day, settings().timezone) if day else None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = datetime.min  # noqa: DTZ901 -- stands for none, and is refused below
    if moment.tzinfo is None or moment.year not in YEARS:
        raise Invalid(
            lazy_gettext("Give a day, or a moment with its offset such as 2026-12-01T13:00:00Z."), field=field
        )
    return moment.astimezone(ZoneInfo("UTC"))


def _period(field: str) -> tuple[date | None, date | None]:
    """A period by its first day, or all that begin in a month."""
    text = request.args.get(field)
    if text is None:
        return None, None
    is_month = len(text) == len("2026-12")
    try:
        first = date.fromisoformat(f"{text}-01" if is_month else text)
    except ValueError:
        first = date.min
    if first.year not in YEARS or len(text) not in {len("2026-12"), len("2026-12-16")}:
        raise Invalid(
            lazy_gettext("Give a month such as 2026-12, or a period's first day such as 2026-12-16."),
            field=field,
        )
    return (None, first) if is_month else (first, None)


def _prices(meter: str | None) -> frozenset[int] | None:
    """By their ids, or by a meter and the dimensions that they are for."""
    given, when = request.args.get("price"), _dimensions("when")
    if when is not None:
        if meter is None or given is not None:
            raise Invalid(lazy_gettext("Give when with a meter, and without price."), field="when")
        return event_log.prices_for(meter, when)
    if given is None:
        return None
    ids = [text for text in given.split(",") if text]
    if len(ids) > MAX_PRICES or not all(i.isascii() and i.isdigit() and len(i) <= 9 for i in ids):
        raise Invalid(lazy_gettext("Give ids of prices, with commas between."), field="price")
    return frozenset(map(int, ids))


def _dimensions(field: str) -> dict[str, str] | None:
    given = request.args.get(field)
    if given is None:
        return None
    try:
        found = msgspec.json.decode(given.encode("utf-8", "replace"), type=dict[str, str])
    except msgspec.DecodeError:
        found = {"\0": ""}
    if len(found) > meters.MAX_DIMENSIONS or any("\0" in name + value for name, value in found.items()):
        raise Invalid(
            lazy_gettext('Give dimensions with their values as JSON, such as {"model": "large"}.'),
            field=field,
        )
    return found


def _cursor_of(event: RecordedEvent) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(event.place)).decode().rstrip("=")


def _cursor() -> tuple[datetime, str, str] | None:
    given = request.args.get("cursor")
    if given is None:
        return None
    try:
        text = base64.urlsafe_b64decode(given.encode("ascii") + b"=" * (-len(given) % 4))
        place = msgspec.json.decode(text, type=tuple[datetime, str, str])
    except ValueError:
        place = None
    if place is None or place[0].tzinfo is None or place[0].year not in YEARS or "\0" in place[1] + place[2]:
        raise Invalid(lazy_gettext("This cursor is not one of ours."), field="cursor")
    return place


def _money(micros: int) -> dict[str, str]:
    return Money(micros, settings().currency).to_json()


def _row_json(row: UsageDay, reference: str) -> dict[str, Any]:
    start: date | datetime = row.hour or row.day
    end = start + (timedelta(hours=1) if row.hour else timedelta(days=1))
    known = {name: value for name, value in row.dimensions.items() if value is not None}
    link = {"start": start.isoformat(), "end": end.isoformat(), "meter": row.meter}
    if known:
        link["dimensions"] = msgspec.json.encode(known).decode()
    return {
        "day": row.day.isoformat(),
        "hour": row.hour.isoformat() if row.hour else None,
        "meter": row.meter,
        "unit": row.unit,
        "dimensions": dict(row.dimensions),
        "quantity": format(row.quantity.normalize(), "f"),
        "events": row.events,
        "charge": _money(row.charge_micros),
        "events_url": event_log.address(reference, link),
    }


def _event_json(event: RecordedEvent) -> dict[str, Any]:
    return {
        "id": event.event_id,
        "source": event.source,
        "type": event.type,
        "time": event.time,
        "period": event.period_start.strftime("%Y-%m"),
        "data": msgspec.Raw(event.data_json.encode()),
        "charges": [
            {
                "meter": charge.meter,
                "price": charge.price_id,
                "quantity": format(charge.quantity.normalize(), "f"),
                "charge": _money(charge.charge_micros),
                "returned": _money(charge.returned_micros),
            }
            for charge in event.charges
        ],
        "voided_at": event.voided_at,
        "transaction": event.transfer_number,
        "void_transaction": event.void_transfer_number,
    }

"""The trace costs what anybody can compute; its events are evenly spread and name themselves by their row."""

import csv
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

from app.demo.replay import TRACE, Span, price_micros, trace

BEGIN = datetime(2026, 10, 1, tzinfo=UTC)
END = datetime(2026, 11, 1, tzinfo=UTC)


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


def test_the_full_trace_costs_53_07_by_plain_decimal_from_the_file() -> None:
    with TRACE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    prompt = sum(Decimal(row["ContextTokens"]) for row in rows)
    generated = sum(Decimal(row["GeneratedTokens"]) for row in rows)
    assert (len(rows), prompt, generated) == (8_819, 18_059_974, 245_896)
    million = Decimal(1_000_000)
    lines = [
        cents(10 * Decimal("2.00")),
        cents((prompt - 10 * million) / million * Decimal("1.50")),
        cents(generated / million * Decimal("12.00")),
        cents(len(rows) * Decimal("0.001")),
    ]
    assert lines == [Decimal("20.00"), Decimal("12.09"), Decimal("2.95"), Decimal("8.82")]
    net = sum(lines)
    vat = cents(net * Decimal("0.21"))
    assert (net, vat, net + vat) == (Decimal("43.86"), Decimal("9.21"), Decimal("53.07"))


def test_what_the_meters_debit_is_that_price_before_it_is_rounded_to_cents() -> None:
    debited = Decimal(price_micros(0, len(trace()))).scaleb(-6)
    assert debited == Decimal("53.070253")
    assert price_micros(0, 3_819) + price_micros(3_819, 8_819) == price_micros(0, 8_819)


def test_the_shipped_file_is_attributed_beside_it() -> None:
    said = (Path(TRACE).parent / "README.md").read_text()
    assert "CC BY 4.0" in said
    assert "Microsoft" in said
    assert "github.com/Azure/AzurePublicDataset" in said


def test_requests_are_spread_evenly_and_each_is_posted_once() -> None:
    span = Span(reference="acme", label="2026-10", begin=BEGIN, end=END, first=0, last=310)
    assert span.moment(0) == BEGIN + timedelta(hours=1, minutes=12)
    assert span.moment(309) == END - timedelta(hours=1, minutes=12)
    per_day: list[int] = []
    done = 0
    for day in range(1, 32):
        rows = span.rows_until(BEGIN + timedelta(days=day), done)
        per_day.append(len(rows))
        assert rows.start == done
        done = rows.stop
    assert set(per_day) == {10}
    assert done == 310


def test_an_event_is_known_by_what_it_replays_and_its_row() -> None:
    span = Span(reference="acme", label="2026-10", begin=BEGIN, end=END, first=0, last=8_819)
    event = span.event(41)
    assert event["id"] == "2026-10-00042"
    assert event["subject"] == "acme"
    assert event == span.event(41)
    ids = {span.event(row)["id"] for row in range(8_819)}
    assert len(ids) == 8_819

"""Each line of an invoice leads to the events that it bills."""

import csv
import io
from datetime import timedelta
from decimal import Decimal
from typing import Any

from tests.fixtures.shop import AFTER_OCTOBER, IN_OCTOBER, Shop


def behind(shop: Shop, line: dict[str, Any]) -> list[dict[str, Any]]:
    answer = shop.api.get(line["events_url"])
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.get_json()["data"]
    return found


def lines_of(shop: Shop, number: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = shop.api.get(f"/v1/invoices/{number}").get_json()["lines"]
    return found


def test_the_events_behind_a_line_add_up_to_its_quantity(shop: Shop) -> None:
    shop.customer("acme")
    shop.use("acme", requests=3, prompt=3_000_000, generated=1_000_000)
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    shop.use("acme", prompt=9_000, at=AFTER_OCTOBER)
    lines = lines_of(shop, shop.invoice("acme").number)
    assert {line["meter"] for line in lines} == {
        charge["meter"] for line in lines for event in behind(shop, line) for charge in event["charges"]
    }
    for line in lines:
        counted = sum(Decimal(event["charges"][0]["quantity"]) for event in behind(shop, line))
        billed = sum(Decimal(one["quantity"]) for one in lines if one["meter"] == line["meter"])
        assert counted == billed


def test_a_correction_leads_to_what_came_late(shop: Shop) -> None:
    shop.customer("acme")
    shop.use("acme", prompt=5_000_000)
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    (late,) = shop.use("acme", prompt=700_000, at=IN_OCTOBER)
    shop.use("acme", prompt=2_000_000, at=AFTER_OCTOBER)
    shop.clock.travel_to(AFTER_OCTOBER + timedelta(days=31))
    shop.close("2026-11")
    (correction,) = (
        line
        for line in lines_of(shop, shop.invoices("acme")[1].number)
        if line["kind"] == "correction" and line["meter"] == "prompt_tokens"
    )
    assert [event["id"] for event in behind(shop, correction)] == [late]


def test_the_export_by_the_lines_filters_has_its_events(shop: Shop) -> None:
    shop.customer("acme")
    shop.use("acme", requests=4, generated=1_000_000)
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    (line, *_) = lines_of(shop, shop.invoice("acme").number)
    path = line["events_url"].replace("/events?", "/events.csv?")
    rows = list(csv.DictReader(io.StringIO(shop.api.get(path).text)))
    assert len(rows) == 4
    assert {row["meter"] for row in rows} == {line["meter"]}

"""The provider's settings: chosen at the desk they hold everywhere; issued documents keep what they say."""

import io
import re
import struct
import zlib
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import audit, provider_settings
from app.audit import Filters
from app.config import settings
from app.db import db
from app.i18n import in_locale
from invoicing import paper
from tests.fixtures.shop import AFTER_OCTOBER, Shop
from tests.portal.people import operator, sign_in
from tests.portal.test_queries import counted

PAGE = "/desk/settings"


def png(width: int = 2, height: int = 2, *, text: bytes = b"") -> bytes:
    """A small red picture, with a text hidden in it where one is given."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + b"\xc8\x10\x20" * width for _ in range(height))
    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))]
    if text:
        parts.append(chunk(b"tEXt", text))
    parts += [chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.fixture
def staff(app: Flask, client: FlaskClient) -> FlaskClient:
    operator()
    sign_in(client, "staff@tegoed.example")
    return client


def fields(page: str) -> dict[str, Any]:
    """The form as a browser would send it back."""
    form = page.partition('enctype="multipart/form-data"')[2].partition("</form>")[0]
    found: dict[str, Any] = {}
    for tag in re.findall(r"<input[^>]*>", form):
        given = dict(re.findall(r'([a-z-]+)="([^"]*)"', tag))
        if given.get("type") == "file" or (given.get("type") == "checkbox" and " checked" not in tag):
            continue
        found[given["name"]] = given.get("value", "")
    for name, options in re.findall(r'<select[^>]* name="([^"]*)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'<option selected value="([^"]*)"', options)
        found[name] = chosen[1] if chosen else ""
    return found


def save(staff: FlaskClient, **changes: Any) -> Any:
    form = fields(staff.get(PAGE).text) | changes
    return staff.post(PAGE, data=form, content_type="multipart/form-data")


def test_what_is_chosen_holds_on_pages_and_in_the_log(app: Flask, staff: FlaskClient) -> None:
    answer = save(staff, name="Kwik Cloud", support_email="hulp@kwik.example", payment_term_days="30")
    assert answer.status_code == 303

    page = staff.get("/desk/customers").text
    assert "Kwik Cloud" in page
    assert "hulp@kwik.example" in page
    assert settings().payment_term_days == 30
    (entry,) = audit.entries(Filters(action="settings.changed"))
    assert entry.before == {
        "name": "Tegoed",
        "support_email": "support@tegoed.example",
        "payment_term_days": 14,
    }
    assert entry.after is not None
    assert entry.after["name"] == "Kwik Cloud"


def test_what_was_not_chosen_follows_the_environment(app: Flask, staff: FlaskClient) -> None:
    save(staff, name="Kwik Cloud")
    environment = app.extensions["settings"]

    app.extensions["settings"] = replace(
        environment, provider=replace(environment.provider, city="Utrecht", name="Other")
    )

    assert (settings().provider.city, settings().provider.name) == ("Utrecht", "Kwik Cloud")


def test_another_process_notices_within_seconds(
    app: Flask, staff: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = settings()
    state = app.extensions[provider_settings.STATE]
    save(staff, name="Kwik Cloud")
    state.looked_at, state.version, state.chosen, state.made = float("-inf"), 0, {}, None

    assert before.provider.name == "Tegoed"
    assert settings().provider.name == "Kwik Cloud"


def test_reading_the_settings_costs_no_statement_but_now_and_then(staff: FlaskClient) -> None:
    settings()
    with counted() as sent:
        for _ in range(1000):
            settings()
    assert sent == []


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": ""}, "name"),
        ({"support_email": "nobody"}, "support_email"),
        ({"brand_colour": "red"}, "brand_colour"),
        ({"brand_colour": "#ffff00"}, "brand_colour"),
        ({"vat_number": "NL123"}, "vat_number"),
        ({"iban": "NL00"}, "iban"),
        ({"country": "nl"}, "country"),
        ({"payment_term_days": "-1"}, "payment_term_days"),
        ({"low_balance_micros": "much"}, "low_balance_micros"),
        ({"dunning_second_reminder_days": "3"}, "dunning_reminder_days"),
        ({"late_fee_business": "a lot"}, "late_fee_business"),
        ({"logo_file": (io.BytesIO(b"<svg onload=alert(1)>"), "logo.png")}, "logo_file"),
        ({"logo_file": (io.BytesIO(png(2001, 1)), "logo.png")}, "logo_file"),
        ({"logo_file": (io.BytesIO(png()[:-6]), "logo.png")}, "logo_file"),
    ],
)
def test_what_cannot_be_is_said_at_its_field_and_nothing_is_saved(
    staff: FlaskClient, wrong: dict[str, Any], field: str
) -> None:
    answer = save(staff, **wrong)

    assert answer.status_code == 422
    assert f'id="{field}-wrong"' in answer.text
    assert audit.entries(Filters(action="settings.changed")) == []


def test_nobody_raises_at_the_desk_what_they_may_adjust_alone(app: Flask, staff: FlaskClient) -> None:
    limit_micros = app.extensions["settings"].adjustment_limit_micros
    assert "adjustment_limit_micros" not in fields(staff.get(PAGE).text)

    assert save(staff, name="Kwik Cloud", adjustment_limit_micros="1000000").status_code == 303

    assert settings().provider.name == "Kwik Cloud"
    assert settings().adjustment_limit_micros == limit_micros
    # A version saved when the page still had it is not believed either.
    chosen = {"adjustment_limit_micros": 10**12}
    kept = provider_settings.applied(app.extensions["settings"], chosen)
    assert kept.adjustment_limit_micros == limit_micros


def test_nobody_overwrites_what_they_have_not_seen(staff: FlaskClient) -> None:
    seen = fields(staff.get(PAGE).text)
    save(staff, name="First")

    late = staff.post(PAGE, data=seen | {"name": "Second"}, content_type="multipart/form-data")

    assert late.status_code == 409
    assert "in the meantime" in late.text
    assert settings().provider.name == "First"


def test_a_logo_is_kept_without_what_hides_in_it_and_shows_everywhere(app: Flask, staff: FlaskClient) -> None:
    picture = (io.BytesIO(png(text=b"Comment\0<script>")), "logo.png")
    assert save(staff, logo_file=picture).status_code == 303

    shown = re.search(r'src="(/brand/logo-[0-9a-f]{64}\.png)"', app.test_client().get("/sign-in").text)
    assert shown
    fetched = app.test_client().get(shown[1])
    assert fetched.data == png()
    assert fetched.headers["X-Content-Type-Options"] == "nosniff"

    save(staff, no_logo="y")
    assert "/brand/logo-" not in app.test_client().get("/sign-in").text


def test_a_colour_reaches_pages_by_a_style_sheet_of_its_own(app: Flask, staff: FlaskClient) -> None:
    assert "/brand/colours" not in app.test_client().get("/sign-in").text
    save(staff, brand_colour="#8a1f5c")

    sheet = app.test_client().get("/brand/colours-8a1f5c.css")

    assert "/brand/colours-8a1f5c.css" in app.test_client().get("/sign-in").text
    assert "--brand: #8a1f5c" in sheet.text


def test_an_issued_document_keeps_what_it_says(shop: Shop, client: FlaskClient) -> None:
    operator()
    sign_in(client, "staff@tegoed.example")
    save(client, name="Old Name", logo_file=(io.BytesIO(png()), "logo.png"))
    shop.customer("acme")
    shop.use_42_40("acme")
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    save(client, name="New Name", no_logo="y")

    db.session.rollback()
    with in_locale("nl"):
        html = paper.html_of(shop.invoice("acme"))

    assert "Old Name" in html
    assert "data:image/png;base64," in html
    assert "New Name" not in html


def test_when_invoices_are_issued_is_chosen_at_the_desk(staff: FlaskClient) -> None:
    assert save(staff, issue_on="payment").status_code == 303
    assert settings().issue_on == "payment"
    assert save(staff, issue_on="sometimes").status_code == 422

"""The desk's exports are those of the commands, for operators alone."""

import csv
import io

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.db import db
from tests.desk.test_settings import fields
from tests.fixtures.shop import AFTER_OCTOBER, Shop
from tests.portal.people import operator, sign_in


@pytest.fixture
def staff(shop: Shop) -> FlaskClient:
    """An operator's browser; October is closed for a Dutch, a Belgian and a Finnish customer."""
    shop.customer("acme")
    shop.customer("brussel", country="BE", vat_number="BE0403019261")
    shop.customer("suomi", country="FI", kind="consumer")
    for reference in shop.customers:
        shop.use_42_40(reference)
    shop.top_up("acme", 60)
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    operator()
    client = shop.app.test_client()
    sign_in(client, "staff@tegoed.example")
    return client


def command(shop: Shop, *words: str) -> bytes:
    result = shop.runner.invoke(args=["invoicing", "export", *words])
    db.session.rollback()
    assert result.exit_code == 0, result.output
    return result.stdout_bytes


def name_of(answer: TestResponse) -> str:
    return answer.headers["Content-Disposition"].partition('filename="')[2].rstrip('"')


@pytest.mark.parametrize("kind", ["vat", "oss", "icp"])
def test_a_declaration_is_the_commands(shop: Shop, staff: FlaskClient, kind: str) -> None:
    answer = staff.get(f"/desk/exports/declaration.csv?kind={kind}&quarter=2026-Q4")
    assert answer.mimetype == "text/csv"
    assert name_of(answer) == f"{kind}-2026-Q4.csv"
    assert answer.data == command(shop, "declaration", kind, "--quarter", "2026-Q4")
    assert len(answer.data.splitlines()) > 1


def test_the_journal_comes_as_csv_and_as_audit_file(shop: Shop, staff: FlaskClient) -> None:
    days = ("--from", "2026-10-01", "--to", "2026-12-31")
    found = staff.get("/desk/exports/journal.csv?from=2026-10-01&to=2026-12-31")
    assert (name_of(found), found.is_streamed) == ("journal-2026-10-01-2026-12-31.csv", True)
    assert found.data == command(shop, "journal", *days)
    audit = staff.get("/desk/exports/auditfile.xml?from=2026-10-01&to=2026-12-31")
    assert name_of(audit).endswith(".xaf")
    assert audit.data == command(shop, "journal", *days, "--format", "xaf").rstrip(
        b"\n"
    ) or audit.data.startswith(b"<?xml")


def test_balances_name_the_deposits_held(shop: Shop, staff: FlaskClient) -> None:
    answer = staff.get("/desk/exports/balances.csv?on=2026-11-01")
    rows = {row["side"]: row["credit_balance"] for row in csv.DictReader(io.StringIO(answer.text))}
    assert rows["deposits_held"] == "17.60"
    assert answer.data == command(shop, "balances", "--on", "2026-11-01")


@pytest.mark.parametrize(
    "address",
    [
        "declaration.csv?kind=vat&quarter=2026-Q5",
        "declaration.csv?kind=tax&quarter=2026-Q4",
        "declaration.csv",
        "journal.csv?from=2026-12-31&to=2026-01-01",
        "auditfile.xml?from=2025-12-31&to=2026-01-01",
        "journal.csv?from=yesterday&to=2026-01-01",
        "journal.csv?from=0001-01-01&to=9999-12-31",
        "balances.csv?on=",
    ],
)
def test_what_cannot_be_exported_is_said_on_the_page(staff: FlaskClient, address: str) -> None:
    answer = staff.get(f"/desk/exports/{address}")
    assert answer.status_code == 422
    assert "say lost" in answer.text


def test_only_operators_see_them(shop: Shop, staff: FlaskClient) -> None:
    assert "VAT return" in staff.get("/desk/exports").text
    for path in ("", "/declaration.csv", "/journal.csv", "/auditfile.xml", "/balances.csv"):
        assert shop.app.test_client().get(f"/desk/exports{path}").status_code == 302


def test_the_ledger_codes_that_were_set_stand_in_every_export(shop: Shop, staff: FlaskClient) -> None:
    page = staff.get("/desk/settings").text
    form = fields(page) | {"ledger_accounts": "revenue,8400,Omzet AI\r\n\r\nbank,1010\r\n"}
    wrong = staff.post("/desk/settings", data=form | {"ledger_accounts": "nowhere,1"})
    assert wrong.status_code == 422
    assert "nowhere" in wrong.text
    assert staff.post("/desk/settings", data=form).status_code == 303
    assert "revenue,8400,Omzet AI" in staff.get("/desk/settings").text

    days = ("--from", "2026-10-01", "--to", "2026-12-31")
    found = staff.get("/desk/exports/journal.csv?from=2026-10-01&to=2026-12-31").data
    assert b"8400" in found
    assert b"8000" not in found
    assert found == command(shop, "journal", *days)
    assert b"Omzet AI" in staff.get("/desk/exports/auditfile.xml?from=2026-10-01&to=2026-12-31").data
    balances = staff.get("/desk/exports/balances.csv?on=2026-12-31").data
    assert b"8400" in balances
    assert balances == command(shop, "balances", "--on", "2026-12-31")

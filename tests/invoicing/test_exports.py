"""What leaves for bookkeeper and tax office agrees with the ledger and the documents."""

import csv
import io
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from app.ledger import books
from app.ledger.books import DayTotal
from app.ledger.sides import Side
from app.money import cents_of_micros
from invoicing.exports.accounts import USUAL, accounts_from
from invoicing.exports.declared import Kind, declared_on, kind_of, supplied_on
from invoicing.exports.journal import entries_of
from invoicing.exports.quarters import Quarter
from invoicing.exports.tables import csv_of
from tests.fixtures.shop import AFTER_OCTOBER, Shop


def table(shop: Shop, *command: str) -> list[dict[str, str]]:
    result = shop.runner.invoke(args=["invoicing", "export", *command])
    assert result.exit_code == 0, result.output
    return list(csv.DictReader(io.StringIO(result.output)))


def credit(shop: Shop, number: str, body: dict[str, Any], key: str) -> None:
    answer = shop.api.post(f"/v1/invoices/{number}/credit", json=body, headers={"Idempotency-Key": key})
    assert answer.status_code == 201, answer.get_json()


@pytest.fixture
def quarter(shop: Shop) -> Shop:
    """October's invoices of a Dutch, a Belgian and a German business, a Finnish consumer and an American."""
    shop.customer("acme")
    shop.customer("brussel", country="BE", vat_number="BE0403019261")
    shop.customer("suomi", country="FI", kind="consumer")
    shop.customer("texas", country="US")
    for reference in shop.customers:
        shop.use_42_40(reference)
    shop.top_up("acme", 60)
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    return shop


def test_each_supply_is_declared_where_it_belongs(quarter: Shop) -> None:
    credit(quarter, quarter.invoice("brussel").number, {"reason": "x"}, "be")
    credit(
        quarter,
        quarter.invoice("suomi").number,
        {"reason": "x", "amount": {"value": "12.55", "currency": "EUR"}},
        "fi",
    )
    vat = table(quarter, "declaration", "vat", "--quarter", "2026-Q4")
    assert [(row["box"], row["taxable"], row["vat"]) for row in vat] == [
        ("1a", "35.04", "7.36"),
        ("3b", "0.00", "0.00"),
        ("", "35.04", "0.00"),
    ]
    oss = table(quarter, "declaration", "oss", "--quarter", "2026-4")
    assert [(r["country"], r["rate"], r["taxable"], r["vat"]) for r in oss] == [
        ("FI", "25.50", "25.04", "6.39")
    ]
    icp = table(quarter, "declaration", "icp", "--quarter", "2026-Q4")
    assert [(r["country"], r["vat_number"], r["services"]) for r in icp] == [("BE", "0403019261", "0.00")]
    assert table(quarter, "declaration", "vat", "--quarter", "2026-Q3") == []


def test_what_is_no_quarter_is_refused(quarter: Shop) -> None:
    result = quarter.runner.invoke(args=["invoicing", "export", "declaration", "vat", "--quarter", "2026-Q5"])
    assert result.exit_code == 1
    assert "2026-Q4" in result.output


def test_the_journal_balances_and_ends_at_the_ledgers_balances(quarter: Shop) -> None:
    rows = table(quarter, "journal", "--from", "2026-01-01", "--to", "2026-12-31")
    by_account: dict[str, int] = {}
    for row in rows:
        cents = round(100 * float(row["credit"])) - round(100 * float(row["debit"]))
        by_account[row["account"]] = by_account.get(row["account"], 0) + cents
    assert sum(by_account.values()) == 0
    balances = books.balances_on(date(2026, 12, 31))
    assert sum(balances.values()) == 0
    for side, micros in balances.items():
        assert abs(by_account.get(USUAL[side].code, 0) - cents_of_micros(micros)) <= 2
    shown = {r["side"]: r["credit_balance"] for r in table(quarter, "balances", "--on", "2026-12-31")}
    assert shown["deposits_held"] == "17.60"
    assert shown["psp"] == "-60.00"
    assert shown["vat"] == f"{cents_of_micros(balances[Side.VAT]) / 100:.2f}"


def test_a_balance_is_that_of_the_end_of_its_day(quarter: Shop) -> None:
    before = {r["side"]: r["credit_balance"] for r in table(quarter, "balances", "--on", "2026-10-31")}
    after = {r["side"]: r["credit_balance"] for r in table(quarter, "balances", "--on", "2026-11-01")}
    assert (before["revenue"], after["revenue"]) == ("0.00", "140.16")
    assert (before["unbilled_usage"] != "0.00", after["unbilled_usage"]) == (True, "0.00")


def test_the_audit_file_counts_its_lines_and_names_its_accounts(quarter: Shop) -> None:
    wanted = ["invoicing", "export", "journal", "--from", "2026-10-01", "--to", "2026-12-31"]
    result = quarter.runner.invoke(args=[*wanted, "--format", "xaf"])
    assert result.exit_code == 0, result.output
    root = etree.fromstring(result.stdout_bytes)
    names = {"x": "http://www.auditfiles.nl/XAF/3.2"}

    def texts(path: str) -> list[str]:
        return [element.text or "" for element in root.iterfind(path, names)]

    lines = root.findall(".//x:trLine", names)
    assert texts(".//x:linesCount") == [str(len(lines))]
    assert len(lines) == 10
    assert texts(".//x:totalDebit") == texts(".//x:totalCredit")
    assert set(texts(".//x:trLine/x:accID")) <= set(texts(".//x:ledgerAccount/x:accID"))
    assert texts(".//x:period/x:endDatePeriod") == ["2026-10-31", "2026-11-30", "2026-12-31"]
    across = quarter.runner.invoke(args=[*wanted[:4], "2025-12-01", *wanted[5:], "--format", "xaf"])
    assert across.exit_code == 1


def test_a_provider_has_ledger_codes_of_its_own() -> None:
    chart = accounts_from(["side,code,name", "revenue,8400,Omzet AI", "bank,1010"])
    assert (chart[Side.REVENUE].code, chart[Side.REVENUE].name) == ("8400", "Omzet AI")
    assert (chart[Side.BANK].code, chart[Side.BANK].name) == ("1010", "Bank")
    assert chart[Side.VAT] == USUAL[Side.VAT]
    with pytest.raises(ValueError, match="no_such_side"):
        accounts_from(["no_such_side,1"])
    for line in ("revenue", "revenue, "):
        with pytest.raises(ValueError, match="revenue has no code"):
            accounts_from([line])


def test_a_spreadsheet_runs_no_customers_name() -> None:
    assert csv_of(("a",), [["=1+1"], ["@x"], ["plain"]]) == "a\r\n'=1+1\r\n'@x\r\nplain\r\n"


def test_decembers_usage_invoiced_in_january_is_declared_by_its_kind() -> None:
    issued, end = date(2027, 1, 1), date(2027, 1, 1)
    supplied = supplied_on(invoiced=issued, period_end=end, is_close=True)
    days = {
        kind: declared_on(kind, is_by_issue=False, issued=issued, supplied=supplied).isoformat()
        for kind in Kind
    }
    assert days == {
        "domestic": "2027-01-01",
        "outside": "2027-01-01",
        "oss": "2026-12-31",
        "icp": "2026-12-31",
    }
    assert declared_on(Kind.OSS, is_by_issue=True, issued=issued, supplied=supplied) == issued
    assert supplied_on(invoiced=issued, period_end=date(2028, 1, 1), is_close=False) == issued
    assert Quarter.of(date(2026, 12, 31)) == Quarter.parse("2026-Q4")
    assert kind_of("S", "BE", "NL") is Kind.OSS


moves = st.lists(
    st.builds(
        DayTotal,
        day=st.integers(0, 90).map(lambda n: date(2026, 1, 1) + timedelta(days=n)),
        kind=st.sampled_from(["usage", "top_up"]),
        debit=st.sampled_from([Side.PREPAID, Side.PROMO]),
        credit=st.just(Side.UNBILLED_USAGE),
        amount_micros=st.integers(1, 10**10),
    ),
    max_size=40,
).map(lambda found: sorted(found, key=lambda one: one.day))


@given(moves, st.integers(0, 90))
def test_rounded_entries_never_drift_from_the_ledger(totals: list[DayTotal], first: int) -> None:
    since = date(2026, 1, 1) + timedelta(days=first)
    for pair in {(t.kind, t.debit) for t in totals}:
        mine = [t for t in totals if (t.kind, t.debit) == pair]
        whole = sum(entry.cents for entry in entries_of(mine, date(2026, 1, 1)))
        assert whole == cents_of_micros(sum(t.amount_micros for t in mine))
        # What is exported in two parts is what is exported at once.
        early = entries_of([t for t in mine if t.day < since], date(2026, 1, 1))
        assert sum(e.cents for e in early) + sum(e.cents for e in entries_of(mine, since)) == whole
    assert all(entry.cents > 0 for entry in entries_of(totals, since))

"""Invoices are found by what a reader remembers of them, in the tab and the order they are looked at."""

import re
from datetime import date, timedelta
from html import unescape

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text

from app.db import db
from invoicing.searching import terms_of
from invoicing.shapes import payment_reference
from tests.fixtures.outside import Mailbox, Sandbox
from tests.fixtures.product import LiveApp
from tests.fixtures.shop import Shop
from tests.invoicing.payers import Payer, payer
from tests.portal.people import operator, sign_in
from tests.portal.test_queries import LIMIT, counted
from topups import methods

OCTOBER = (date(2026, 10, 1), date(2026, 11, 1))
# As many documents as a customer has who was invoiced every day for years; paid, as long ago as their number.
MANY = """
INSERT INTO invoice (customer_id, invoice_id, number, kind, period_start, period_end, issue_date, due_date,
    issued_at, currency, locale, seller, buyer, paid_first_cents, net_cents, discount_cents, vat_cents,
    total_cents, credits_used_cents, credits_left_cents, prepaid_cents, due_cents, offset_cents,
    to_credits_cents, balance, settled_micros, late_fee_cents, written_off_micros, credited_cents)
SELECT customer_id, gen_random_uuid(), 'F2020-' || lpad(n::text, 6, '0'), kind, period_start - n,
    period_end - n, issue_date - n, due_date - n, issued_at - n * interval '1 day', currency, locale, seller,
    buyer, 0, net_cents, discount_cents, vat_cents, total_cents, 0, 0, total_cents, 0, 0, 0, balance, 0, 0,
    0, 0
FROM invoice, generate_series(1, :count) AS n WHERE invoice.number = :number
"""

# More mails of the customer, as one that was written before.
MAILS = """
INSERT INTO mail_message (customer_id, template, locale, recipient, subject, text_body, html_body, dedupe_key,
    status, attempts, created_at)
SELECT customer_id, :template, locale, :to, 'Subject', '', '', :key || n, 'sent', 1, now()
FROM mail_message, generate_series(1, :count) AS n WHERE dedupe_key = :known
"""


def numbers(page: str) -> list[str]:
    """The documents that a list shows, in its order."""
    rows = page.split("<tbody>")[1] if "<tbody>" in page else ""
    return [found for found in re.findall(r'href="[^"]*/invoices/([A-Z][\w-]+)"', rows) if found]


@pytest.fixture
def acme(shop: Shop, live_app: LiveApp, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Payer:
    """October and November are to be paid: €42.40 each, under the customer's own order."""
    for module in ("topups.receipts", "invoicing.notices", "invoicing.paid_copies"):
        monkeypatch.setattr(f"{module}.render_pdf", lambda html: b"%PDF " + html.encode())
    methods.forget()
    owing = payer(shop, sandbox, purchase_order="PO-4471")
    owing.uses_november_too()
    owing.signs_in()
    return owing


@pytest.mark.parametrize(
    ("typed", "days", "month", "cents"),
    [
        ("2026-10", OCTOBER, None, None),
        ("10-2026", OCTOBER, None, None),
        ("oktober 2026", OCTOBER, None, None),
        ("Oct. 2026", OCTOBER, None, None),
        ("mrt", None, 3, None),
        ("18 november 2026", (date(2026, 11, 18), date(2026, 11, 19)), None, None),
        ("2026-12", (date(2026, 12, 1), date(2027, 1, 1)), None, None),
        ("2026-02-31", None, None, None),
        ("42,40", None, None, (4240, 4240)),
        ("€ 1.042,4", None, None, (104240, 104240)),
        ("−42", None, None, (4200, 4299)),
    ],
)
def test_what_was_typed_is_a_month_a_day_or_an_amount(
    typed: str, days: tuple[date, date] | None, month: int | None, cents: tuple[int, int] | None
) -> None:
    (term,) = terms_of(typed)
    assert (term.days, term.month, term.cents) == (days, month, cents)


def test_a_year_may_be_a_year_an_amount_or_a_part_of_a_number() -> None:
    (term,) = terms_of("2026")
    assert term.days == (date(2026, 1, 1), date(2027, 1, 1))
    assert (term.text, term.cents) == ("2026", (202600, 202699))


def test_a_customer_finds_an_invoice_by_what_stands_on_it(acme: Payer) -> None:
    october, november = acme.numbers
    reference = payment_reference(acme.invoices[0])
    assert reference is not None
    found_by = {
        october: [october],
        november.lower(): [november],
        november[-4:]: [november],
        reference: [october],
        f"{reference[:4]} {reference[4:8]} {reference[8:]}": [october],
        "oktober": [october],
        "november 2026": [november],
        "2026-10": [october],
        "42,40": [november, october],
        "€ 42.40 October": [october],
        "42,41": [],
        "po-4471": [november, october],
        "generated tokens": [november, october],
        "Gegenereerde": [november, october],
        "100%": [],
        "'; --": [],
    }
    for typed, expected in found_by.items():
        answer = acme.client.get("/invoices", query_string={"search": typed}) if acme.client else None
        assert answer is not None
        assert numbers(answer.text) == expected, typed


def test_a_search_without_an_answer_says_so_keeps_what_was_typed_and_leads_back(acme: Payer) -> None:
    page = acme.get("/invoices?search=%3Cb%3Egone&show=open&sort=total")
    assert "Nothing found for “&lt;b&gt;gone”." in page
    assert 'value="&lt;b&gt;gone"' in page
    assert 'href="/invoices?show=open&amp;sort=total"' in page


def test_search_tab_and_order_go_together_on_every_link(acme: Payer) -> None:
    page = unescape(acme.get("/invoices?search=42%2C40&show=open&sort=total"))
    assert len(numbers(page)) == 2
    assert "/invoices?search=42%2C40&show=open&sort=-total" in page
    assert "/invoices?search=42%2C40&show=paid&sort=total" in page
    assert '<th scope="col" class="figure" aria-sort="ascending">' in page
    form = page.split('role="search"')[1].split("</form>")[0]
    assert '<input type="hidden" name="show" value="open">' in form
    assert '<input type="hidden" name="sort" value="total">' in form
    assert numbers(acme.get("/invoices?search=42%2C40&show=paid")) == []


def test_a_long_history_is_paged_in_every_order_and_tab_with_few_statements(acme: Payer) -> None:
    october = acme.numbers[0]
    db.session.execute(text(MANY), {"number": october, "count": 1_200})
    db.session.commit()
    for asked in ("", "sort=total", "sort=-total", "sort=number&show=paid", "search=2020&sort=period"):
        address, seen = f"/invoices?{asked}", []
        for _turn in range(100):
            with counted() as sent:
                page = acme.get(address)
            assert len(sent) <= LIMIT, "\n".join(sent)
            seen += numbers(page)
            following = re.search(r'rel="next" href="([^"]+)"', page)
            if following is None:
                break
            address = unescape(following[1])
        assert len(seen) == len(set(seen)) == (1_202 if "=" not in asked or "total" in asked else 1_200), (
            asked
        )


def test_each_tab_shows_what_its_name_says_while_a_payment_is_under_way(acme: Payer) -> None:
    october, november = acme.numbers
    debit = acme.story.save_method("ideal")
    acme.sends(acme.get(f"/invoices/{october}"), method=f"mandate:{debit.payment_method_id}")
    assert numbers(acme.get("/invoices?show=in_progress")) == [october]
    assert numbers(acme.get("/invoices?show=open")) == [november]
    acme.at_the_bank(acme.payments[0], "paid")
    assert numbers(acme.get("/invoices?show=in_progress")) == []
    assert numbers(acme.get("/invoices?show=paid")) == [october]


def test_the_desk_finds_by_customer_too_and_pays_no_statement_per_customer(
    shop: Shop, sandbox: Sandbox, acme: Payer
) -> None:
    operator()
    staff = shop.app.test_client()
    sign_in(staff, "staff@tegoed.example")
    alone = statements(staff)
    shop.customer("grachten", name="Grachtwerk Software")
    shop.use_42_40("grachten", at=shop.clock.now() - timedelta(days=2))
    shop.close("2026-11")
    shop.clock.travel_to(shop.clock.now() + timedelta(days=32))
    shop.close("2026-12")
    (theirs,) = [one.number for one in shop.invoices("grachten")][:1]
    assert statements(staff) == alone
    for typed in ("grachtwerk", "Grachtwerk Software", "GRACHTEN", theirs):
        assert numbers(staff.get("/desk/invoices", query_string={"search": typed}).text) == [theirs], typed
    both = staff.get("/desk/invoices?sort=customer").text
    assert numbers(both) == [*acme.numbers, theirs]
    assert "aria-sort" in both
    assert numbers(staff.get("/desk/invoices?show=paid").text) == []
    assert sorted(numbers(staff.get("/desk/invoices?show=open").text)) == sorted([*acme.numbers, theirs])
    assert "Nothing found for “nobody”." in staff.get("/desk/invoices?search=nobody").text


def statements(staff: FlaskClient) -> int:
    staff.get("/desk/invoices")
    with counted() as sent:
        staff.get("/desk/invoices")
    assert len(sent) <= LIMIT
    # The provider's settings are read again after some seconds, by whichever page comes then.
    return len([one for one in sent if "provider_settings" not in one])


def test_the_history_tells_of_a_mail_however_many_came_after_it(acme: Payer, smtp: Mailbox) -> None:
    october = acme.numbers[0]
    acme.shop.run_jobs()
    assert "Mailed to acme@example.nl" in acme.get(f"/invoices/{october}")
    known = {"known": f"invoice_ready-{october}"}
    db.session.execute(
        text(MAILS), known | {"count": 400, "template": "balance_alert", "key": "later-", "to": "x"}
    )
    for key, to in (
        (f"{known['known']}-again-", "books@example.nl"),
        (known["known"], "neighbour@example.nl"),
    ):
        facts = {"count": 1, "template": "invoice_ready", "key": key, "to": to}
        db.session.execute(text(MAILS), known | facts)
    db.session.commit()
    page = acme.get(f"/invoices/{october}")
    assert "Mailed to acme@example.nl" in page
    assert "Mailed to books@example.nl" in page
    assert "neighbour@example.nl" not in page, "a longer number is another document"


def test_the_history_leads_to_the_payment_and_to_the_credit_note(acme: Payer) -> None:
    october = acme.numbers[0]
    acme.sends(acme.get(f"/invoices/{october}"), amount="20")
    payment = acme.payments[0]
    acme.at_the_bank(payment, "paid")
    body = {"reason": "Outage", "amount": {"value": "5.00", "currency": "EUR"}}
    note = acme.shop.api.post(
        f"/v1/invoices/{october}/credit", json=body, headers={"Idempotency-Key": "k"}
    ).get_json()["number"]
    page = acme.get(f"/invoices/{october}")
    history = page.split('id="history"')[1]
    assert f'<a href="/top-up/{payment.top_up_id}">€20.00 paid</a>' in history
    assert f'<a href="/invoices/{note}">€5.00 credited by {note}: Outage</a>' in history
    assert f'<a href="/invoices/{october}">{october}</a>' in acme.get(f"/invoices/{note}")
    falls = page.split('class="rows fall"')[1].split("</table>")[0]
    for leads_to in ("#history", "#pay", "/account", "/usage"):
        assert f'href="{leads_to}' in falls, leads_to

"""The whole story, once, against the running parts: one customer, one month, every euro accounted for.

PostgreSQL, Redis, jobs, HTTP, SMTP and the PDF program are real; Mollie is the sandbox, reached by the real
client, and it calls our webhook over HTTP.
"""

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient, FlaskCliRunner
from pypdf import PdfReader

from tests.fixtures.outside import Mailbox, Sandbox
from tests.fixtures.product import Clock, LiveApp

BEGIN = datetime(2026, 10, 5, 9, tzinfo=UTC)


def euros(value: str) -> dict[str, str]:
    return {"value": value, "currency": "EUR"}


@pytest.fixture
def travel(clock: Clock, sandbox: Sandbox) -> Callable[[datetime], None]:
    """Our clock and Mollie's go together."""

    def to(moment: datetime) -> None:
        clock.travel_to(moment)
        sandbox.control("clock/set", {"now": moment.isoformat()})

    return to


def test_the_way_of_one_euro(
    api: FlaskClient,
    live_app: LiveApp,
    sandbox: Sandbox,
    smtp: Mailbox,
    run_jobs: Callable[..., int],
    runner: FlaskCliRunner,
    travel: Callable[[datetime], None],
) -> None:
    def answer(response: Any, status: int = 200) -> dict[str, Any]:
        assert response.status_code == status, response.text
        found: dict[str, Any] = response.json
        return found

    def subjects() -> list[str]:
        return [str(mail["Subject"]).replace("\u00a0", " ") for mail in smtp.messages]

    travel(BEGIN)

    # The provider sells tokens: a meter, and a price of €2.00 per million.
    meter = {
        "event_type": "llm.completion",
        "aggregation": "sum",
        "value_property": "tokens",
        "unit": "token",
        "dimensions": [],
        "name": {"en": "Tokens", "nl": "Tokens"},
    }
    answer(api.put("/v1/meters/tokens", json=meter), 201)
    price = {"currency": "EUR", "model": "per_unit", "unit_amount": "0.000002"}
    answer(api.post("/v1/meters/tokens/prices", json=price), 201)

    # Acme opens an account.
    acme = {
        "reference": "acme",
        "name": "Acme B.V.",
        "email": "boekhouding@acme.example",
        "kind": "business",
        "country": "NL",
        "locale": "nl",
        "address": {"line1": "Prinsengracht 2", "postal_code": "1015 DV", "city": "Amsterdam"},
    }
    answer(api.post("/v1/customers", json=acme), 201)

    # It tops up by hand with iDEAL, and leaves a mandate for later.
    wish = {"amount": euros("25.00"), "method": "ideal", "save_method": True, "consent": {"locale": "nl"}}
    top_up = answer(
        api.post("/v1/customers/acme/top-ups", json=wish, headers={"Idempotency-Key": "first"}), 201
    )
    assert top_up["checkout_url"].startswith(sandbox.url)
    sandbox.control(f"payments/{top_up['mollie_payment_id']}/state", {"status": "paid"})
    run_jobs()
    assert answer(api.get("/v1/customers/acme/balance"))["prepaid"] == euros("25.00")
    assert "We hebben je betaling van € 25,00 ontvangen" in subjects()
    (method,) = answer(api.get("/v1/customers/acme/payment-methods"))["data"]
    assert (method["method"], method["status"]) == ("directdebit", "valid")

    # It asks for automatic top-up: below €10 we add €25, at most €100 a month.
    rule = {
        "enabled": True,
        "threshold": euros("10.00"),
        "amount": euros("25.00"),
        "monthly_maximum": euros("100.00"),
        "payment_methods": [method["id"]],
        "consent": {"locale": "nl"},
    }
    saved = answer(api.put("/v1/customers/acme/auto-top-up", json=rule))
    assert saved["last_decision"]["reason"] == "above_threshold"

    # Usage debits the balance; the answer carries it. 5 million tokens: €10.00, with VAT €12.10.
    def use(event_id: str, tokens: int, at: datetime) -> dict[str, Any]:
        event = {
            "specversion": "1.0",
            "id": event_id,
            "source": "api",
            "type": "llm.completion",
            "subject": "acme",
            "time": at.isoformat(),
            "data": {"tokens": tokens},
        }
        return answer(api.post("/v1/events", json=event))

    used = use("r-1", 5_000_000, BEGIN)
    assert used["balances"]["acme"]["available"] == euros("12.90")
    again = use("r-1", 5_000_000, BEGIN)
    assert (again["accepted"], again["duplicates"]) == (0, 1)
    assert again["balances"]["acme"]["available"] == euros("12.90")

    # Below the threshold the mandate is charged; the debit is announced, and settles a business day later.
    used = use("r-2", 2_000_000, BEGIN)
    assert used["balances"]["acme"]["available"] == euros("8.06")
    run_jobs()
    rule_now = answer(api.get("/v1/customers/acme/auto-top-up"))
    assert rule_now["last_decision"]["reason"] == "charged"
    assert rule_now["month_in_flight"] == euros("25.00")
    assert any(subject.endswith("schrijven we € 25,00 af") for subject in subjects())
    assert answer(api.get("/v1/customers/acme/balance"))["available"] == euros("8.06")
    travel(BEGIN + timedelta(days=3))
    run_jobs()
    assert answer(api.get("/v1/customers/acme/balance"))["available"] == euros("33.06")
    assert "Je tegoed is automatisch opgewaardeerd met € 25,00" in subjects()

    # On the first of November October becomes an invoice: 7 million tokens, settled from the balance.
    travel(datetime(2026, 11, 1, 5, tzinfo=UTC))
    for _ in range(2):
        closed = runner.invoke(args=["invoicing", "close", "--period", "2026-10"])
        assert closed.exit_code == 0, closed.output
        run_jobs()
    (invoice,) = answer(api.get("/v1/customers/acme/invoices"))["data"]
    assert invoice["number"] == "F2026-000001"
    assert invoice["taxes"] == [
        {"category": "S", "rate": "21.00", "taxable": euros("14.00"), "amount": euros("2.94")}
    ]
    assert (invoice["total"], invoice["prepaid"]) == (euros("16.94"), euros("16.94"))
    assert (invoice["amount_due"], invoice["status"]) == (euros("0.00"), "paid")
    assert answer(api.get("/v1/customers/acme/balance"))["available"] == euros("33.06")

    # It is mailed once, in Dutch, with the PDF and the e-invoice that the API serves too.
    (mail,) = [m for m in smtp.messages if "F2026-000001" in str(m["Subject"])]
    attached, e_invoice = mail.iter_attachments()
    stored = api.get("/v1/invoices/F2026-000001.pdf")
    assert attached.get_content() == stored.data
    assert e_invoice.get_content() == api.get("/v1/invoices/F2026-000001.xml").data
    words = PdfReader(io.BytesIO(stored.data)).pages[0].extract_text()
    assert all(word in words for word in ("Factuur", "F2026-000001", "7.000.000", "16,94", "21%"))

    # And the books say the same.
    verified = runner.invoke(args=["ledger", "verify"])
    assert "all is right" in verified.output

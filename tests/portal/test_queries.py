"""No page costs more than twelve statements, whatever its customer has lived through."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

import pytest
from flask import Flask, url_for
from flask.testing import FlaskClient, FlaskCliRunner
from sqlalchemy import event

from app.clock import utc_now
from app.customers.service import get_customer
from app.db import db, in_unit_of_work, unit_of_work
from app.i18n import local_date
from invoicing import service as invoicing
from tests.fixtures.outside import Mailbox, Sandbox
from tests.fixtures.product import Clock, LiveApp
from tests.portal import stories
from tests.portal.people import customer_with_user, operator, sign_in
from tests.topups.conftest import Story
from topups import methods, receipts
from topups import service as topups

LIMIT: Final = 12
# Not pages: what programs ask for, and files.
NOT_PAGES: Final = ("/v1/", "/static/", "/bootstrap/", "/metrics", "/healthz", "/readyz", "/webhooks")
FILES: Final = (".pdf", ".xml", ".csv", ".zip")
EURO: Final = 1_000_000


@contextmanager
def counted() -> Iterator[list[str]]:
    """The statements that are sent to the database meanwhile."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        sent.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


@pytest.fixture
def everything(
    monkeypatch: pytest.MonkeyPatch,
    api: FlaskClient,
    runner: FlaskCliRunner,
    live_app: LiveApp,
    sandbox: Sandbox,
    smtp: Mailbox,
    clock: Clock,
    run_jobs: Callable[..., int],
) -> dict[str, str]:
    """A customer with all that a page can show; answers what stands for the arguments of the addresses."""
    monkeypatch.setattr(receipts, "render_pdf", lambda html: b"%PDF " + html.encode())
    methods.forget()
    acme, _ = customer_with_user()
    operator()
    story = Story(acme, sandbox, run_jobs)
    stories.meters(api)
    stories.welcome_credit(acme)
    older, newer = _two_months(api, runner, clock, story)
    for number in range(50):
        stories.money_in(acme, 1, f"topup-{number}")
    with unit_of_work():
        get_customer(acme).provisional_limit_micros = 50 * EURO
    debit = story.save_method("ideal")
    story.save_method("creditcard", key="card")
    topups.pay_with_mandate(
        story.customer,
        5 * EURO,
        debit.payment_method_id,
        request_key="pay",
        purpose="invoice",
        invoice_number=older,
    )
    story.turn_on()
    story.use(story.prepaid / EURO - 5)
    story.evaluate()
    run_jobs()
    kinds = {(payment.origin, payment.purpose) for payment in topups.payments_under_way(acme)}
    assert kinds == {("automatic", "balance"), ("manual", "invoice")}
    link = in_unit_of_work(topups.make_pay_link, acme, amount_micros=None, invoice_number=newer)
    (saved, *_) = story.top_ups()
    charged = stories.charges(api, "acme")
    known = {"number": newer, "top_up_id": saved.top_up_id, "reference": "acme", "token": link.pay_link_id}
    return known | charged


def _two_months(api: FlaskClient, runner: FlaskCliRunner, clock: Clock, story: Story) -> tuple[str, str]:
    """The last two months' usage with nothing paid before, and their invoices."""
    this_month = utc_now().replace(day=1, hour=12)
    last_month = (this_month - timedelta(days=1)).replace(day=1)
    for number, begun in enumerate((last_month, this_month)):
        clock.travel_to(begun + timedelta(hours=12))
        stories.use(api, "acme", days=20, prompt=4_000_000, name=f"month-{number}")
        ended = local_date(begun - timedelta(days=2))
        result = runner.invoke(args=["invoicing", "close", "--period", f"{ended:%Y-%m}"])
        assert result.exit_code == 0, result.output
        if begun == last_month:
            # One printed invoice is enough.
            story.lose_jobs()
    clock.travel_to(max(utc_now(), this_month + timedelta(days=2)))
    db.session.rollback()
    older, newer = (due.number for due in invoicing.due(story.customer_id))
    return older, newer


def pages(app: Flask, arguments: dict[str, str]) -> list[str]:
    """Every address that answers GET, save those with an argument that nothing here stands for."""
    found = []
    with app.test_request_context():
        for rule in app.url_map.iter_rules():
            is_page = not rule.rule.startswith(NOT_PAGES) and not rule.rule.endswith(FILES)
            if is_page and "GET" in (rule.methods or ()) and rule.arguments <= arguments.keys():
                values: dict[str, Any] = {name: arguments[name] for name in rule.arguments}
                found.append(url_for(rule.endpoint, **values))
    return sorted(found)


def test_no_page_costs_more_than_twelve_statements(
    app: Flask, client: FlaskClient, everything: dict[str, str]
) -> None:
    staff = app.test_client()
    sign_in(client, "acme@tegoed.example")
    sign_in(staff, "staff@tegoed.example")
    more = ["/usage?period=previous", "/invoices?show=open", f"/invoices?after={everything['number']}"]
    change = f"subscriptions/{everything['subscription_id']}/preview?plan=large&quantity=2"
    more += [f"/{change}", f"/desk/customers/acme/{change}", "/desk/plans?code=large"]
    costs: dict[str, list[str]] = {}
    for address in [*pages(app, everything), *more]:
        visitor = staff if address.startswith("/desk") else client
        # What a process remembers, such as the catalogue of meters, is read by the first visit.
        visitor.get(address)
        with counted() as sent:
            answer = visitor.get(address)
        assert answer.status_code in {200, 302}, f"{address}: {answer.status}"
        costs[address] = sent

    dear = {address: sent for address, sent in costs.items() if len(sent) > LIMIT}
    assert not dear, "\n".join(f"{page}: {len(sent)}\n  " + "\n  ".join(sent) for page, sent in dear.items())

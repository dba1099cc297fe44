"""Whatever a person changes on a customer's pages is in the audit log: who, what, before, after, where."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

import pyotp
import pytest
from flask import Flask
from flask.testing import FlaskClient
from lxml import html
from sqlalchemy import select

from app import audit
from app.audit import AuditEntry, Filters
from app.clock import utc_now
from app.customers import authenticators, team
from app.customers.models import User
from app.customers.people_models import Authenticator, SignInIdentity
from app.db import db, in_unit_of_work, unit_of_work
from app.ledger.service import lock_balance, post
from app.ledger.sides import Posting, Side
from app.mail import MailMessage
from tests.fixtures.everything import EURO, Everything
from tests.fixtures.product import Clock
from tests.portal.people import PASSWORD, enter, member
from tests.routes import KIND_OF
from topups import service as topups
from topups.models import AutoTopUp

# They write nothing: one looks at another of one's customers, one goes to a provider of sign-ins.
WRITES_NOTHING: Final = {"account.switch", "single_sign_on.connect"}
CUSTOMERS: Final = ("view", "pay", "manage_methods", "manage_account", "manage_team", "manage_keys", "person")


class Clerk:
    """A signed-in person who fills in forms as their pages bring them; each must leave an entry of theirs."""

    def __init__(self, app: Flask, user: User) -> None:
        self.app, self.email = app, user.email
        self.client: FlaskClient = app.test_client()
        enter(self.client, user)
        self.done: set[str] = set()
        self.silent: list[str] = []

    def sends(self, page: str, action: str, **fields: Any) -> list[AuditEntry]:
        """Send the form with this action, a pattern, found on a page; the entries that it left."""
        shown = self.client.get(page)
        assert shown.status_code == 200, f"{page}: {shown.status}"
        tree = html.document_fromstring(shown.text)
        ways = [
            (form, str(way))
            for form in tree.forms
            for way in (form.action or page, *form.xpath(".//button/@formaction"))
            if re.fullmatch(action, str(way)) and form.method == "POST"
        ]
        assert ways, f"no form to {action} on {page}"
        form, address = ways[0]
        with self.noting(address) as found:
            answer = self.client.post(address, data=dict(form.form_values()) | fields)
            assert answer.status_code in {200, 302, 303}, f"{action}: {answer.status}"
        return found

    @contextmanager
    def noting(self, address: str) -> Iterator[list[AuditEntry]]:
        endpoint = self.app.url_map.bind("127.0.0.1").match(address, method="POST")[0]
        db.session.rollback()
        (newest,) = audit.entries(Filters(), limit=1)
        found: list[AuditEntry] = []
        yield found
        db.session.rollback()
        found += [
            entry
            for entry in audit.entries(Filters(actor=self.email))
            if entry.entry_id > newest.entry_id and str(entry.ip_address) == "127.0.0.1"
        ]
        self.done.add(endpoint)
        if not any(entry.before or entry.after for entry in found):
            self.silent.append(endpoint)


@pytest.fixture
def anna(everything: Everything) -> Clerk:
    return Clerk(everything.app, everything.people["customer"])


def test_every_change_on_a_customers_pages_is_noted(
    everything: Everything, anna: Clerk, clock: Clock
) -> None:
    _account(anna)
    _people(everything, anna, clock)
    _money(everything, anna)
    _documents(everything, anna)
    _subscriptions(everything, anna)
    _security(everything, anna)

    posts = {
        rule.endpoint
        for rule in everything.app.url_map.iter_rules()
        if "POST" in (rule.methods or ()) and KIND_OF.get(rule.endpoint) in CUSTOMERS
    }
    assert posts - anna.done - WRITES_NOTHING == set(), "walk these too"
    assert anna.silent == []


def _account(anna: Clerk) -> None:
    details = {"line1": "Kade 1", "postal_code": "1011 AB", "city": "Amsterdam", "country": "NL"}
    changed = _first(anna.sends("/account", "/account", name="Acme Print", **details), "customer.changed")
    assert changed.subject == "acme"
    assert changed.before is not None
    assert changed.after is not None
    assert (changed.before["name"], changed.after["name"]) == ("Acme", "Acme Print")
    anna.sends("/account", "/account/notifications", topics="invoices")
    asked = anna.sends("/account/closing", "/account/closing", reason="We stop.", confirm="y")
    assert _first(asked, "closing_wish.created").customer_id == changed.customer_id
    _first(anna.sends("/account/closing", "/account/closing/withdraw"), "closing_wish.removed")
    anna.sends("/alerts", "/alerts", amount="50", percentage="20", days_left="")
    entries = anna.sends("/alerts", "/alerts", amount="60", percentage="20", days_left="")
    added, removed = _first(entries, "alert_rule.created"), _first(entries, "alert_rule.removed")
    assert (added.after or {})["value"] == 60 * EURO
    assert (removed.before or {})["value"] == 50 * EURO
    made = _first(
        anna.sends("/account/api-keys", "/account/api-keys", name="Shop", scope="read"), "api_key.created"
    )
    _first(anna.sends("/account/api-keys", f"/account/api-keys/{made.subject}/revoke"), "api_key.changed")


def _people(everything: Everything, anna: Clerk, clock: Clock) -> None:
    bo = member(everything.customer_id, "viewer", "bo@acme.example")
    anna.sends("/team", "/team/invite", email="new@acme.example", role="viewer")
    clock.travel_to(utc_now() + timedelta(hours=2))
    anna.sends("/team", "/team/invitations/.*/again")
    anna.sends("/team", "/team/invitations/.*/withdraw")
    raised = _first(anna.sends("/team", f"/team/{bo.user_id}/role", role="billing"), "membership.changed")
    assert (raised.before, raised.after) == ({"role": "viewer"}, {"role": "billing"})
    anna.sends("/team", f"/team/{bo.user_id}/remove")
    anna.sends("/addressees", "/addressees", email="new@acme.example", role="payer", invoices="y")
    page = next(a for a in _links(anna, "/addressees") if re.fullmatch("/addressees/[0-9a-f-]{36}", a))
    anna.sends(page, page, name="The books")
    _first(anna.sends("/addressees", f"{page}/remove"), "addressee.removed")


def _money(everything: Everything, anna: Clerk) -> None:
    acme = everything.customer_id
    asked = _first(anna.sends("/top-up", "/top-up", amount="25", method="ideal"), "payment.requested")
    assert asked.customer_id == acme
    anna.sends("/payment-methods/add", "/payment-methods/add", method="creditcard", save_method="y")
    anna.sends("/payment-methods", "/payment-methods/.*/first")
    rule = {"fill": "amount", "threshold": "12", "amount": "25", "monthly_maximum": "250", "consent": "y"}
    changed = [entry.after or {} for entry in anna.sends("/automatic-top-up", "/automatic-top-up", **rule)]
    assert 12 * EURO in [after.get("threshold_micros") for after in changed]
    with unit_of_work():
        row = db.session.get_one(AutoTopUp, acme)
        row.paused_at, row.paused_because = utc_now(), "failures"
    anna.sends("/automatic-top-up", "/automatic-top-up/resume")
    anna.sends("/automatic-top-up", "/automatic-top-up/off")
    anna.sends("/invoices/automatic-payment", "/invoices/automatic-payment", usage="y", consent="y")
    anna.sends("/invoices/automatic-payment", "/invoices/automatic-payment/off")
    anna.sends("/payment-methods", "/payment-methods/.*/revoke")
    anna.sends("/pay-links", "/pay-links", amount="25")
    anna.sends("/pay-links", "/pay-links/.*/revoke")
    link_ids = {link.pay_link_id for link in topups.pay_links(acme)}
    assert not any(entry.subject in link_ids for entry in audit.entries(Filters(), limit=500))


def _documents(everything: Everything, anna: Clerk) -> None:
    acme = everything.customer_id
    with unit_of_work():
        lock_balance(acme)
        post(
            Posting(
                customer_id=acme,
                kind="credit_note",
                debit=Side.REVENUE,
                credit=Side.CREDITS,
                amount_micros=20 * EURO,
                reference="credit-1",
            )
        )
    number = everything.known["number"]
    anna.sends(f"/invoices/pay?invoice={number}", "/invoices/pay")
    anna.sends(f"/invoices/{number}/send-again", f"/invoices/{number}/send-again")
    moved = _first(anna.sends("/invoices", "/invoices/credits/move"), "credits.moved")
    assert (moved.before, moved.after) == ({"credits_micros": 20 * EURO}, {"credits_micros": 0})


def _subscriptions(everything: Everything, anna: Clerk) -> None:
    here = f"/subscriptions/{everything.known['subscription_id']}"
    anna.sends(f"{here}/preview?cancel=end_of_period", f"{here}/confirm")
    anna.sends(here, f"{here}/resume")


def _security(everything: Everything, anna: Clerk) -> None:
    security = "/account/security"
    user_id = everything.people["customer"].user_id
    anna.client.get(f"{security}/authenticator")
    db.session.rollback()
    secret = authenticators.secret_of(db.session.get_one(Authenticator, user_id))
    assert secret is not None
    anna.sends(
        f"{security}/authenticator", f"{security}/authenticator", code=pyotp.TOTP(secret).at(utc_now())
    )
    for act in ("codes", "off"):
        codes = in_unit_of_work(authenticators.new_recovery_codes, everything.people["customer"])
        anna.sends(security, f"{security}/authenticator/{act}", code=codes[0])
    with unit_of_work():
        facts: dict[str, Any] = {"email": anna.email, "email_verified": True, "name": "Anna"}
        now = utc_now()
        db.session.add(
            SignInIdentity(
                issuer="https://sso.example",
                subject="anna",
                user_id=user_id,
                created_at=now,
                last_used_at=now,
                **facts,
            )
        )
    anna.sends(security, f"{security}/disconnect")
    for act in ("end", "end-others"):
        enter(everything.app.test_client(), everything.people["customer"])
        anna.sends(security, f"{security}/sessions/{act}")
    new = "a sentence that nobody guesses"
    entries = anna.sends(security, f"{security}/password", current=PASSWORD, password=new, again=new)
    changed = _first(entries, "user.changed")
    assert changed.after == {"password_hash": audit.HIDDEN}
    _invitation(everything, anna)
    anna.sends(security, f"{security}/sessions/end-all")


def _invitation(everything: Everything, anna: Clerk) -> None:
    """Somebody who has a sign-in here joins another customer's team."""
    guest = Clerk(everything.app, member(everything.customer_id, "viewer", "guest@acme.example"))
    in_unit_of_work(team.remove, everything.customer_id, db.session.scalar(_id_of(guest.email)))
    with unit_of_work():
        inviting = team.invite(
            everything.customer_id, guest.email, "viewer", by=everything.people["customer"]
        )
        assert inviting.email == guest.email
    mailed = select(MailMessage.text_body).where(MailMessage.recipient == guest.email)
    address = re.search(r"/invitation/\S+", "".join(db.session.scalars(mailed)))
    assert address is not None
    guest.sends(address[0], "/invitation/.*/accept")
    anna.done |= guest.done
    anna.silent += guest.silent


def _first(entries: list[AuditEntry], action: str) -> AuditEntry:
    found = [entry for entry in entries if entry.action == action]
    assert found, [entry.action for entry in entries]
    # The newest is first; what else changed with it comes after.
    return found[-1]


def _id_of(email: str) -> Any:
    return select(User.user_id).where(User.email == email)


def _links(anna: Clerk, page: str) -> list[str]:
    return [str(link) for link in html.document_fromstring(anna.client.get(page).text).xpath("//a/@href")]

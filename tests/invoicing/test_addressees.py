"""Who gets a customer's mails: each addressee as it wishes, each document once, and again when asked for."""

import re
from email.message import EmailMessage
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import mail
from app.customers import addressees
from app.customers.sign_in import add_member, create_user
from app.db import db, in_unit_of_work, unit_of_work
from invoicing import notices, reading
from tests.fixtures.outside import Mailbox
from tests.fixtures.shop import AFTER_OCTOBER, Shop
from tests.portal.people import PASSWORD, operator, sign_in, token_of


@pytest.fixture
def office(shop: Shop) -> Shop:
    """Acme used €42.40 in October; nothing is closed yet."""
    shop.customer("acme", locale="nl")
    shop.use_42_40("acme")
    shop.clock.travel_to(AFTER_OCTOBER)
    return shop


def add(shop: Shop, email: str, **facts: Any) -> addressees.BillingAddressee:
    return in_unit_of_work(addressees.add, shop.customers["acme"], {"email": email, **facts})


def close(shop: Shop) -> str:
    shop.close()
    shop.run_jobs()
    return shop.invoice("acme").number


def person(shop: Shop, role: str = "owner") -> FlaskClient:
    with unit_of_work():
        user = create_user("anna@acme.example", "Anna", locale="en", password=PASSWORD)
        add_member(shop.customers["acme"], user, role)
    client = shop.app.test_client()
    sign_in(client, "anna@acme.example")
    return client


def plain(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def test_each_addressee_gets_the_invoice_as_it_wishes(office: Shop, smtp: Mailbox) -> None:
    add(office, "boek@houder.nl", name="Bea Boek")
    add(office, "payer@acme.example", locale="en", delivery="notice", role="payer")
    add(office, "remind@acme.example", invoices=False, payments=True)
    number = close(office)
    mails = {m["To"]: m for m in smtp.messages if number in m["Subject"]}
    assert set(mails) == {"boek@houder.nl", "payer@acme.example"}
    dutch, english = mails["boek@houder.nl"], mails["payer@acme.example"]
    assert dutch["Subject"] == f"Je factuur {number} staat klaar"
    assert english["Subject"] == f"Invoice {number} is ready"
    assert [part.get_filename() for part in dutch.iter_attachments()] == [f"{number}.pdf", f"{number}.xml"]
    assert list(english.iter_attachments()) == []
    text = plain(english)
    assert "attached" not in text
    assert f"/documents/{number}." in text
    assert "Bea Boek" in plain(dutch)
    assert {m["From"] for m in mails.values()} == {"Tegoed <facturen@tegoed.example>"}


def test_without_addressees_of_a_kind_the_customer_gets_it(office: Shop, smtp: Mailbox) -> None:
    add(office, "remind@acme.example", invoices=False, payments=True)
    number = close(office)
    assert [m["To"] for m in smtp.messages if number in m["Subject"]] == ["acme@example.nl"]


def test_a_second_run_mails_nobody_again(office: Shop, smtp: Mailbox) -> None:
    add(office, "a@acme.example")
    add(office, "ACME@example.nl")
    number = close(office)
    for _ in range(2):
        in_unit_of_work(lambda: notices.mail_invoice(reading.find(number)))
    office.run_jobs()
    assert sorted(m["To"].casefold() for m in smtp.messages) == ["a@acme.example", "acme@example.nl"]


def test_an_addressee_is_kept_by_the_api(office: Shop) -> None:
    path = "/v1/customers/acme/addressees"
    body = {"email": "boek@houder.nl", "name": "Bea", "role": "bookkeeper", "payments": True}
    made = office.api.post(path, json=body)
    assert made.status_code == 201
    assert made.get_json() == {
        "id": made.get_json()["id"],
        "email": "boek@houder.nl",
        "name": "Bea",
        "locale": None,
        "role": "bookkeeper",
        "delivery": "documents",
        "invoices": True,
        "payments": True,
    }
    assert office.api.post(path, json=body).get_json() == made.get_json()
    one = f"{path}/{made.get_json()['id']}"
    taken = office.api.post(path, json={"email": "BOEK@houder.nl"})
    assert (taken.status_code, taken.get_json()["code"]) == (409, "addressee_taken")
    assert office.api.patch(one, json={"delivery": "notice"}).get_json()["delivery"] == "notice"
    assert [row["id"] for row in office.api.get(path).get_json()["data"]] == [made.get_json()["id"]]
    office.customer("bravo")
    assert office.api.patch(one.replace("acme", "bravo"), json={}).status_code == 404
    assert office.api.delete(one).get_json() == {}
    assert office.api.delete(one).status_code == 404


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"email": "nobody"}, "email"),
        ({}, "email"),
        ({"email": "a@b.nl", "role": "friend"}, "role"),
        ({"email": "a@b.nl", "delivery": "fax"}, "delivery"),
        ({"email": "a@b.nl", "locale": "de"}, "locale"),
        ({"email": "a@b.nl", "invoices": False}, "invoices"),
        ({"email": "a@b.nl", "payments": "yes"}, "payments"),
        ({"email": "a@b.nl", "fax": "1"}, "fax"),
    ],
)
def test_what_is_wrong_names_its_field(office: Shop, facts: dict[str, Any], field: str) -> None:
    answer = office.api.post("/v1/customers/acme/addressees", json=facts)
    assert (answer.status_code, answer.get_json()["field"]) == (422, field)


def test_there_is_a_limit_to_them(office: Shop) -> None:
    for number in range(addressees.MOST):
        add(office, f"a{number}@acme.example")
    with pytest.raises(addressees.TooManyAddressees):
        add(office, "one@too-many.example")


def post(client: FlaskClient, path: str, page: str, **fields: str) -> TestResponse:
    return client.post(path, data={"csrf_token": token_of(client.get(page)), **fields})


def test_the_customer_names_changes_and_removes_them_on_a_page(office: Shop) -> None:
    client = person(office)
    form = {
        "email": "boek@houder.nl",
        "name": "Bea",
        "role": "bookkeeper",
        "locale": "",
        "delivery": "documents",
    }
    assert post(client, "/addressees", "/addressees", **form).status_code == 422
    assert post(client, "/addressees", "/addressees", **form, invoices="y").status_code == 303
    again = post(client, "/addressees", "/addressees", **form, invoices="y", payments="y")
    assert (again.status_code, 'class="wrong"' in again.text) == (409, True)
    page = client.get("/addressees").text
    found = re.search(r'href="(/addressees/[0-9a-f-]{36})"', page)
    assert found
    assert 'value="boek@houder.nl"' in client.get(found[1]).text
    changed = form | {"delivery": "notice"}
    assert post(client, found[1], found[1], **changed, payments="y").status_code == 303
    table = client.get("/addressees").text.split("<tbody>")[1].split("</tbody>")[0]
    assert "As a notice with a link" in table
    assert post(client, f"{found[1]}/remove", "/addressees").status_code == 303
    assert "There are no addressees yet." in client.get("/addressees").text
    assert client.get(found[1]).status_code == 404


def test_a_viewer_may_look_but_not_change(office: Shop) -> None:
    add(office, "boek@houder.nl")
    client = person(office, "viewer")
    page = client.get("/addressees")
    assert "boek@houder.nl" in page.text
    assert 'name="email"' not in page.text
    data = {"csrf_token": token_of(page), "email": "x@y.nl", "invoices": "y"}
    assert client.post("/addressees", data=data).status_code == 403


def test_an_operator_does_the_same_and_sees_what_came_back(office: Shop) -> None:
    operator()
    staff = office.app.test_client()
    sign_in(staff, "staff@tegoed.example")
    path = "/desk/customers/acme/addressees"
    form = {"email": "boek@houder.nl", "role": "other", "locale": "en", "delivery": "notice", "invoices": "y"}
    assert post(staff, path, path, **form).status_code == 303
    close(office)
    (message,) = [m for m in mail.mail_log() if m.recipient == "boek@houder.nl"]
    result = office.runner.invoke(
        args=["mail", "bounced", str(message.mail_id), "--reason", "no such mailbox"]
    )
    assert (result.exit_code, result.output) == (0, "boek@houder.nl: noted\n")
    assert office.runner.invoke(args=["mail", "bounced", "999999", "--reason", "x"]).exit_code == 1
    for page in (path, "/desk/mails", "/desk/customers/acme"):
        assert "no such mailbox" in staff.get(page).text, page
    db.session.rollback()
    number = office.invoice("acme").number
    assert "The e-mail to boek@houder.nl came back" in person(office).get(f"/invoices/{number}").text


def test_an_invoice_is_sent_again_once_per_form_and_not_without_end(office: Shop, smtp: Mailbox) -> None:
    other = add(office, "boek@houder.nl")
    number = close(office)
    smtp.messages.clear()
    client = person(office)
    address = f"/invoices/{number}/send-again"
    assert address in client.get(f"/invoices/{number}").text
    page = client.get(address).text
    token = re.search(r'name="token" value="([a-f0-9]{32})"', page)
    assert token
    for to in ("own", "own", str(other.addressee_id)):
        answer = post(client, address, f"/invoices/{number}", to=to, token=token[1])
        assert answer.status_code == 303
    office.run_jobs()
    assert sorted(m["To"] for m in smtp.messages) == ["acme@example.nl", "boek@houder.nl"]
    assert [p.get_filename() for p in smtp.messages[0].iter_attachments()] == [
        f"{number}.pdf",
        f"{number}.xml",
    ]
    for wrong in ({"to": "x", "token": token[1]}, {"to": "own", "token": ""}):
        post(client, address, f"/invoices/{number}", **wrong)
    for count in range(12):
        post(client, address, f"/invoices/{number}", to="own", token=f"{count:032x}")
    assert "Too many requests" in client.get(f"/invoices/{number}").text
    office.run_jobs()
    assert len(smtp.messages) == 2 + 5


def test_a_viewer_sends_nothing_and_nobody_sends_anothers(office: Shop) -> None:
    number = close(office)
    client = person(office, "viewer")
    page = client.get("/addressees")
    data = {"csrf_token": token_of(page), "to": "own", "token": "0" * 32}
    for answer in (
        client.post(f"/invoices/{number}/send-again", data=data),
        client.get(f"/invoices/{number}/send-again"),
    ):
        assert answer.status_code == 403
    office.customers["acme"] = office.customer("bravo")
    with unit_of_work():
        user = create_user("bob@bravo.example", "Bob", locale="en", password=PASSWORD)
        add_member(office.customers["acme"], user)
    other = office.app.test_client()
    sign_in(other, "bob@bravo.example")
    assert other.get(f"/invoices/{number}/send-again").status_code == 404


def test_an_operator_sends_it_to_any_of_them(office: Shop, smtp: Mailbox) -> None:
    number = close(office)
    smtp.messages.clear()
    one = add(office, "boek@houder.nl", delivery="notice")
    operator()
    staff = office.app.test_client()
    sign_in(staff, "staff@tegoed.example")
    page = f"/desk/invoices/{number}"
    assert "boek@houder.nl" in staff.get(page).text
    post(staff, f"{page}/send-again", page, to=str(one.addressee_id), token="a" * 32)
    office.run_jobs()
    (message,) = smtp.messages
    assert (message["To"], list(message.iter_attachments())) == ("boek@houder.nl", [])


def test_an_address_that_the_server_refuses_for_good_is_not_tried_again(office: Shop, smtp: Mailbox) -> None:
    smtp.refuse_to["gone@acme.example"] = "550 5.1.1 no such mailbox"
    smtp.refuse_to["full@acme.example"] = "452 4.2.2 mailbox full"
    add(office, "gone@acme.example")
    add(office, "full@acme.example")
    office.close()
    office.run_jobs(failures_expected=True)
    log = {m.recipient: m for m in mail.mail_log()}
    assert (log["gone@acme.example"].status, log["gone@acme.example"].bounce_reason) == (
        "failed",
        "550 5.1.1 no such mailbox",
    )
    assert log["full@acme.example"].bounced_at is None
    smtp.refuse_to.clear()
    office.run_jobs(scheduled=True)
    assert [m["To"] for m in smtp.messages] == ["full@acme.example"]
    number = log["gone@acme.example"].mail_id
    with unit_of_work():
        mail.resend(office.customers["acme"], number)
    office.run_jobs()
    assert [m["To"] for m in smtp.messages] == ["full@acme.example", "gone@acme.example"]
    quoted = str(smtp.messages[1]["Message-ID"])
    assert mail.find_by_name(quoted) == (office.customers["acme"], number)

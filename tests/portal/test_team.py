"""The team: invited by mail, tied by accepting, with roles that hold at once, and never without an owner."""

import re
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app.clock import utc_now
from app.customers import sign_in, team
from app.customers.models import Membership, User
from app.db import db, in_unit_of_work
from tests.fixtures.outside import Mailbox
from tests.fixtures.product import Clock
from tests.portal.people import customer_with_user, enter, member, plain, token_of

PASSWORD = "a sentence that nobody guesses"


@pytest.fixture
def owner(app: Flask, client: FlaskClient) -> User:
    _, user = customer_with_user("acme")
    enter(client, user)
    return user


def send(client: FlaskClient, path: str, **fields: str) -> tuple[int, str]:
    """A form of the team's page; answers the status and the text that follows."""
    answer = client.post(path, data={"csrf_token": token_of(client.get("/team")), **fields})
    return answer.status_code, (client.get("/team") if answer.status_code == 303 else answer).text


def role_of(customer_id: int, email: str) -> str | None:
    db.session.rollback()
    user = sign_in.find_user(email)
    found = db.session.get(Membership, (customer_id, user.user_id)) if user else None
    return found.role if found else None


@pytest.fixture
def link(smtp: Mailbox, run_jobs: Callable[..., int]) -> Callable[[], str]:
    def newest() -> str:
        run_jobs()
        found = re.search(r"(/invitation/\S+)", plain(smtp.messages[-1]))
        assert found
        return found[1]

    return newest


def acme_of(user: User) -> int:
    found: int = db.session.scalars(
        select(Membership.customer_id).where(Membership.user_id == user.user_id)
    ).one()
    return found


def test_somebody_new_accepts_by_making_a_password(
    app: Flask, client: FlaskClient, owner: User, link: Callable[[], str], smtp: Mailbox
) -> None:
    acme = acme_of(owner)
    status, page = send(client, "/team/invite", email="Nina@Acme.example", role="billing")
    assert status == 303
    assert "nina@acme.example" in page
    path = link()
    assert smtp.messages[-1]["Subject"] == "Anna de Vries invites you to Acme"
    nina = app.test_client()
    nina.environ_base["HTTP_ACCEPT_LANGUAGE"] = "en"
    shown = nina.get(path)
    assert "You are invited to Acme" in shown.text
    form = {"csrf_token": token_of(shown), "name": "Nina"}
    assert nina.post(f"{path}/join", data=form | {"password": "short"}).status_code == 422

    answer = nina.post(f"{path}/join", data=form | {"password": PASSWORD})

    assert (answer.status_code, answer.location) == (303, "/")
    assert nina.get("/").location == "/invoices"
    assert role_of(acme, "nina@acme.example") == "billing"
    # Used up, for whoever finds the mail later.
    assert app.test_client().get(path).status_code == 404


def test_who_has_an_account_accepts_it_signed_in_and_finds_both_customers(
    app: Flask, client: FlaskClient, owner: User, link: Callable[[], str]
) -> None:
    _, bo = customer_with_user("globex")
    send(client, "/team/invite", email="globex@tegoed.example", role="viewer")
    path = link()
    them = app.test_client()
    assert "/sign-in?next=/invitation/" in them.get(path).text
    # The link alone makes no second account for a known address.
    form = {"csrf_token": token_of(them.get("/sign-in")), "name": "x", "password": PASSWORD}
    assert them.post(f"{path}/join", data=form).status_code == 409

    enter(them, bo)
    answer = them.post(f"{path}/accept", data={"csrf_token": token_of(them.get(path))})

    assert answer.status_code == 303
    account = them.get("/account")
    assert "Acme" in account.text
    moved = them.post("/account/switch", data={"csrf_token": token_of(account), "reference": "globex"})
    assert moved.status_code == 303
    assert "customer number globex" in them.get("/account").text
    stolen = them.post("/account/switch", data={"csrf_token": token_of(account), "reference": "initech"})
    assert stolen.status_code == 404


def test_inviting_twice_is_one_invitation_and_withdrawn_it_opens_nothing(
    app: Flask, client: FlaskClient, owner: User, link: Callable[[], str], smtp: Mailbox
) -> None:
    acme = acme_of(owner)
    send(client, "/team/invite", email="nina@acme.example", role="viewer")
    path = link()
    send(client, "/team/invite", email="nina@acme.example", role="viewer")
    link()
    assert len(smtp.messages) == 1
    (one,) = team.invitations(acme)

    send(client, f"/team/invitations/{one.invitation_id}/withdraw")

    assert app.test_client().get(path).status_code == 404
    assert team.invitations(acme) == []
    send(client, "/team/invite", email="nina@acme.example", role="viewer")
    assert link() != path


def test_an_invitation_is_sent_again_with_a_new_link_but_not_often(
    app: Flask, client: FlaskClient, owner: User, link: Callable[[], str], clock: Clock
) -> None:
    acme = acme_of(owner)
    send(client, "/team/invite", email="nina@acme.example", role="viewer")
    first = link()
    (one,) = team.invitations(acme)
    again = f"/team/invitations/{one.invitation_id}/again"
    assert send(client, again)[0] == 409
    clock.travel_to(utc_now() + timedelta(minutes=6))
    assert send(client, again)[0] == 303
    second = link()
    assert app.test_client().get(first).status_code == 404
    assert app.test_client().get(second).status_code == 200
    for _ in range(3):
        clock.travel_to(utc_now() + timedelta(minutes=6))
        assert send(client, again)[0] == 303
    clock.travel_to(utc_now() + timedelta(minutes=6))
    assert send(client, again)[0] == 409


def test_an_invitation_expires(
    app: Flask, client: FlaskClient, owner: User, link: Callable[[], str], clock: Clock
) -> None:
    send(client, "/team/invite", email="nina@acme.example", role="viewer")
    path = link()
    clock.travel_to(utc_now() + timedelta(days=8))
    assert app.test_client().get(path).status_code == 404


@pytest.mark.parametrize("path", ["/invitation/x", "/invitation/in_1_x.y", "/invitation/in_zz_a.b"])
def test_a_made_up_link_opens_nothing(app: Flask, client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_the_last_owner_can_neither_leave_nor_step_down(client: FlaskClient, owner: User) -> None:
    acme = acme_of(owner)
    status, page = send(client, f"/team/{owner.user_id}/remove")
    assert status == 409
    assert "There must be an owner." in page
    assert send(client, f"/team/{owner.user_id}/role", role="viewer")[0] == 409
    assert role_of(acme, owner.email) == "owner"

    bo = member(acme, "viewer", "bo@acme.example")
    assert send(client, f"/team/{bo.user_id}/role", role="owner")[0] == 303
    assert send(client, f"/team/{owner.user_id}/role", role="viewer")[0] == 303
    assert role_of(acme, owner.email) == "viewer"
    assert client.post(f"/team/{bo.user_id}/remove", data={}).status_code == 400


def test_a_member_is_not_invited_again_and_a_role_must_be_one(client: FlaskClient, owner: User) -> None:
    status, page = send(client, "/team/invite", email=owner.email, role="viewer")
    assert status == 409
    assert "This person is in your team already." in page
    assert send(client, "/team/invite", email="x@acme.example", role="king")[0] == 422
    assert send(client, "/team/invite", email="no address", role="viewer")[0] == 422
    assert send(client, f"/team/{owner.user_id}/role", role="king")[0] == 422


def test_who_is_removed_is_out_at_once(app: Flask, client: FlaskClient, owner: User) -> None:
    bo = member(acme_of(owner), "billing", "bo@acme.example")
    his = app.test_client()
    enter(his, bo)
    assert his.get("/team").status_code == 200
    assert send(client, f"/team/{bo.user_id}/remove")[0] == 303
    assert his.get("/team").status_code == 403
    assert his.get("/account/security").status_code == 200


def test_one_link_used_at_once_by_two_people_lets_one_in(
    app: Flask, client: FlaskClient, owner: User, link: Callable[[], str]
) -> None:
    acme = acme_of(owner)
    _, bo = customer_with_user("globex")
    _, kim = customer_with_user("initech")
    send(client, "/team/invite", email="nina@acme.example", role="viewer")
    token = link().removeprefix("/invitation/")
    ready, verdicts = threading.Barrier(2), []

    def accept(user_id: int) -> None:
        with app.app_context():
            ready.wait()
            try:
                in_unit_of_work(lambda: team.accept(token, db.session.get_one(User, user_id)))
                verdicts.append("in")
            except team.InvitationEnded:
                verdicts.append("ended")
            db.session.remove()

    threads = [threading.Thread(target=accept, args=(user.user_id,)) for user in (bo, kim)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(verdicts) == ["ended", "in"]
    assert len(team.members(acme)) == 2


def test_two_owners_who_remove_each_other_at_once_leave_one(app: Flask, owner: User) -> None:
    acme = acme_of(owner)
    bo = member(acme, "owner", "bo@acme.example")
    ready, verdicts = threading.Barrier(2), []

    def remove(user_id: int) -> None:
        with app.app_context():
            ready.wait()
            try:
                in_unit_of_work(team.remove, acme, user_id)
                verdicts.append("removed")
            except team.LastOwner:
                verdicts.append("kept")
            db.session.remove()

    threads = [threading.Thread(target=remove, args=(user_id,)) for user_id in (owner.user_id, bo.user_id)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(verdicts) == ["kept", "removed"]
    assert len(team.members(acme)) == 1

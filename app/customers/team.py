"""A customer's team: who is in it, who is invited, and what each may do.

What must stay true: a customer with members keeps an owner; an invitation works once, until it expires or is
withdrawn; its link is kept as a digest only.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from flask_babel import gettext, lazy_gettext
from sqlalchemy import select

from app.clock import utc_now
from app.config import page_url
from app.customers import sign_in
from app.customers.models import Customer, Membership, User
from app.customers.people_models import Invitation
from app.customers.roles import ROLES
from app.customers.service import checked, get_customer
from app.customers.user_sessions import digest
from app.db import db
from app.errors import Conflict, Invalid, NotFound
from app.i18n import in_locale
from app.mail import send
from app.public_ids import customer_of, new_public_id

LIFE: Final = timedelta(days=7)
MOST_MAILS: Final = 5
MAIL_AGAIN_AFTER: Final = timedelta(minutes=5)
MOST_OPEN: Final = 50


class LastOwner(Conflict):
    code = "last_owner"
    title = lazy_gettext("There must be an owner. Make somebody else an owner first.")


class AlreadyMember(Conflict):
    code = "already_member"
    title = lazy_gettext("This person is in your team already.")


class InvitationEnded(NotFound):
    code = "invitation_ended"
    title = lazy_gettext("This invitation has expired, was withdrawn or was accepted already.")


class MailedTooOften(Conflict):
    code = "mailed_too_often"
    title = lazy_gettext("This invitation was mailed a moment ago, or often enough. Invite again later.")


class SignInFirst(Conflict):
    code = "sign_in_first"
    title = lazy_gettext("There is an account with this address. Sign in with it to accept.")


@dataclass(frozen=True, kw_only=True)
class Member:
    """Somebody who acts for the customer."""

    user_id: int
    name: str
    email: str
    role: str
    since: datetime
    last_sign_in_at: datetime | None


def members(customer_id: int) -> list[Member]:
    rows = db.session.execute(
        select(Membership, User)
        .join(User, User.user_id == Membership.user_id)
        .where(Membership.customer_id == customer_id)
        .order_by(User.name, User.user_id)
    )
    return [
        Member(
            user_id=user.user_id,
            name=user.name,
            email=user.email,
            role=membership.role,
            since=membership.created_at,
            last_sign_in_at=user.last_sign_in_at,
        )
        for membership, user in rows
    ]


def invitations(customer_id: int) -> list[Invitation]:
    """Those that nobody has accepted yet, expired ones too: they may be sent again."""
    return list(
        db.session.scalars(
            select(Invitation)
            .where(
                Invitation.customer_id == customer_id,
                Invitation.accepted_at.is_(None),
                Invitation.revoked_at.is_(None),
            )
            .order_by(Invitation.created_at)
        )
    )


def invite(customer_id: int, email: str, role: str, *, by: User) -> Invitation:
    """Mail an invitation. The same address again changes the role of the open one and mails it again.

    Raises Invalid, AlreadyMember, MailedTooOften.
    """
    customer = _locked(customer_id)
    address = str(checked("email", email)).lower()
    if role not in ROLES:
        raise Invalid(lazy_gettext("Choose what this person may do."), field="role")
    member = sign_in.find_user(address)
    if member is not None and db.session.get(Membership, (customer_id, member.user_id)) is not None:
        raise AlreadyMember(field="email")
    found = next((one for one in invitations(customer_id) if one.email == address), None)
    if found is not None:
        if found.role != role:
            found.role = role
            _mail(customer, found, by)
        elif utc_now() - found.sent_at >= MAIL_AGAIN_AFTER:
            _mail(customer, found, by)
        return found
    if len(invitations(customer_id)) >= MOST_OPEN:
        raise Conflict(lazy_gettext("Too many invitations are open. Withdraw some first."), field="email")
    now = utc_now()
    made = Invitation(
        customer_id=customer_id,
        invitation_id=new_public_id("in", customer_id),
        email=address,
        role=role,
        token_digest="",
        invited_by_user_id=by.user_id,
        mails_sent=0,
        created_at=now,
        sent_at=now,
        expires_at=now,
    )
    db.session.add(made)
    _mail(customer, made, by)
    return made


def send_again(customer_id: int, invitation_id: str, *, by: User) -> None:
    """With a fresh link; the older one works no longer. Raises InvitationEnded, MailedTooOften."""
    customer = _locked(customer_id)
    found = _open(customer_id, invitation_id)
    if utc_now() - found.sent_at < MAIL_AGAIN_AFTER:
        raise MailedTooOften
    _mail(customer, found, by)


def withdraw(customer_id: int, invitation_id: str) -> None:
    """Again is harmless. Raises NotFound for what is no invitation of this customer."""
    _locked(customer_id)
    found = db.session.get(Invitation, (customer_id, invitation_id))
    if found is None:
        raise NotFound
    if found.accepted_at is None:
        found.revoked_at = found.revoked_at or utc_now()


def find_invitation(token: str) -> tuple[Invitation, Customer]:
    """What the mailed link stands for. Raises InvitationEnded."""
    invitation_id, _, secret = token.partition(".")
    try:
        customer_id = customer_of(invitation_id)
    except NotFound as error:
        raise InvitationEnded from error
    found = db.session.get(Invitation, (customer_id, invitation_id), populate_existing=True)
    if found is None or not secrets.compare_digest(found.token_digest, digest(secret)):
        raise InvitationEnded
    if found.accepted_at or found.revoked_at or found.expires_at <= utc_now():
        raise InvitationEnded
    customer = get_customer(customer_id)
    if customer.status != "active":
        raise InvitationEnded
    return found, customer


def accept(token: str, user: User) -> Invitation:
    """Tie this person to the customer. A member keeps the role they have. Raises InvitationEnded."""
    find_invitation(token)
    invitation_id = token.partition(".")[0]
    _locked(customer_of(invitation_id))
    invitation, customer = find_invitation(token)
    invitation.accepted_at = utc_now()
    invitation.accepted_by_user_id = user.user_id
    if db.session.get(Membership, (customer.customer_id, user.user_id)) is None:
        sign_in.add_member(customer.customer_id, user, invitation.role)
    return invitation


def join(customer_id: int, user: User, role: str) -> None:
    """By the operator. Raises Invalid, AlreadyMember."""
    _locked(customer_id)
    if role not in ROLES:
        raise Invalid(lazy_gettext("Choose what this person may do."), field="role")
    if db.session.get(Membership, (customer_id, user.user_id)) is not None:
        raise AlreadyMember
    sign_in.add_member(customer_id, user, role)


def accept_as_new(token: str, name: str, password: str | None, *, locale: str) -> User:
    """A new person, whose address the mailed link has proved. Raises InvitationEnded, SignInFirst."""
    find_invitation(token)
    _locked(customer_of(token.partition(".")[0]))
    invitation, _ = find_invitation(token)
    if sign_in.find_user(invitation.email) is not None:
        raise SignInFirst
    user = sign_in.create_user(
        invitation.email, name.strip() or invitation.email, locale=locale, password=password
    )
    accept(token, user)
    return user


def change_role(customer_id: int, user_id: int, role: str) -> None:
    """Raises Invalid, NotFound, LastOwner."""
    _locked(customer_id)
    if role not in ROLES:
        raise Invalid(lazy_gettext("Choose what this person may do."), field="role")
    membership = _membership(customer_id, user_id)
    if membership.role == "owner" and role != "owner":
        _keep_an_owner(customer_id, user_id)
    membership.role = role


def remove(customer_id: int, user_id: int) -> None:
    """The person stays, but acts for this customer no longer. Raises NotFound, LastOwner."""
    _locked(customer_id)
    membership = _membership(customer_id, user_id)
    if membership.role == "owner":
        _keep_an_owner(customer_id, user_id)
    db.session.delete(membership)


def role_name(role: str) -> str:
    return str({"owner": gettext("Owner"), "billing": gettext("Billing"), "viewer": gettext("Viewer")}[role])


def role_sentence(role: str) -> str:
    """What a role may do, to the person it is offered to."""
    sentences = {
        "owner": gettext("You may do everything: top up, pay, change mandates, details and the team."),
        "billing": gettext("You may top up and pay invoices, and see everything."),
        "viewer": gettext("You may see everything and change nothing."),
    }
    return str(sentences[role])


def _locked(customer_id: int) -> Customer:
    """One change of a team at a time, or two owners could remove each other."""
    return db.session.scalars(
        select(Customer)
        .where(Customer.customer_id == customer_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).one()


def _membership(customer_id: int, user_id: int) -> Membership:
    found = db.session.get(Membership, (customer_id, user_id), populate_existing=True)
    if found is None:
        raise NotFound
    return found


def _keep_an_owner(customer_id: int, but: int) -> None:
    others: Sequence[int] = db.session.scalars(
        select(Membership.user_id).where(
            Membership.customer_id == customer_id, Membership.role == "owner", Membership.user_id != but
        )
    ).all()
    if not others:
        raise LastOwner


def _open(customer_id: int, invitation_id: str) -> Invitation:
    found = next((one for one in invitations(customer_id) if one.invitation_id == invitation_id), None)
    if found is None:
        raise InvitationEnded
    return found


def _mail(customer: Customer, invitation: Invitation, by: User) -> None:
    if invitation.mails_sent >= MOST_MAILS:
        raise MailedTooOften
    secret, now = secrets.token_urlsafe(24), utc_now()
    invitation.token_digest = digest(secret)
    invitation.mails_sent += 1
    invitation.sent_at = now
    invitation.expires_at = now + LIFE
    db.session.flush()
    known = sign_in.find_user(invitation.email)
    locale = known.locale if known is not None else customer.locale
    with in_locale(locale):
        sentence = role_sentence(invitation.role)
    send(
        "invitation",
        to=invitation.email,
        locale=locale,
        customer_id=customer.customer_id,
        context={
            "customer": customer,
            "inviter": by.name,
            "role_sentence": sentence,
            "expires_at": invitation.expires_at,
            "url": page_url(f"/invitation/{invitation.invitation_id}.{secret}"),
        },
        dedupe_key=f"{invitation.invitation_id}-{invitation.mails_sent}",
    )

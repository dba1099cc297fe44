"""Who a single sign-on is, here. An address that the provider did not verify makes nobody somebody.

An identity is tied to a person when its verified address is theirs, when they connect it while signed in,
when they accept an invitation with it, or by the operator. Who has an authenticator gives its code before a
new identity becomes theirs: an address alone does not replace it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from flask_babel import lazy_gettext
from sqlalchemy import exists, select
from sqlalchemy.dialects.postgresql import insert

from app.clock import utc_now
from app.customers import authenticators, sign_in, team
from app.customers.models import Membership, User
from app.customers.oidc import Claims
from app.customers.people_models import SignInIdentity
from app.db import db
from app.errors import Conflict, NotFound

_SHOWN: Final = 30


class IdentityTaken(Conflict):
    code = "identity_taken"
    title = lazy_gettext("This sign-in belongs to another account.")


@dataclass(frozen=True, slots=True)
class Arrival:
    """Who came. Not `is_tied`: the code of their authenticator comes first, and `tie_to` after it."""

    user: User
    is_tied: bool


def person_of(claims: Claims, *, locale: str) -> Arrival | None:
    """Whom this sign-in belongs to; None when we cannot know. A new verified address becomes a person."""
    identity = _note(claims)
    if identity.user_id is not None:
        return Arrival(db.session.get_one(User, identity.user_id), is_tied=True)
    if not claims.email_verified:
        return None
    user = sign_in.find_user(claims.email)
    if user is None:
        user = sign_in.create_user(claims.email, claims.name, locale=locale)
    elif authenticators.is_on(user.user_id):
        return Arrival(user, is_tied=False)
    identity.user_id = user.user_id
    return Arrival(user, is_tied=True)


def connect(claims: Claims, user: User) -> None:
    """Tie this sign-in to who is signed in. Again is harmless. Raises IdentityTaken."""
    _tie(_note(claims), user)


def tie_to(user: User, issuer: str, subject: str) -> None:
    """After the authenticator's code: what `person_of` left untied. Raises IdentityTaken."""
    _tie(db.session.get_one(SignInIdentity, (issuer, subject), with_for_update=True), user)


def _tie(identity: SignInIdentity, user: User) -> None:
    if identity.user_id not in (None, user.user_id):
        raise IdentityTaken
    identity.user_id = user.user_id


def accept_invitation(claims: Claims, token: str, *, locale: str) -> Arrival:
    """The holder of an invitation comes with a sign-in of their own; who is not tied accepts nothing yet.

    Raises InvitationEnded, SignInFirst.
    """
    arrival = person_of(claims, locale=locale)
    if arrival is None:
        user = team.accept_as_new(token, claims.name, None, locale=locale)
        connect(claims, user)
        return Arrival(user, is_tied=True)
    if arrival.is_tied:
        team.accept(token, arrival.user)
    return arrival


def identities_of(user_id: int) -> list[SignInIdentity]:
    return list(
        db.session.scalars(
            select(SignInIdentity)
            .where(SignInIdentity.user_id == user_id)
            .order_by(SignInIdentity.created_at)
        )
    )


def disconnect(user: User, issuer: str, subject: str) -> None:
    """Raises NotFound for what is not theirs."""
    identity = db.session.get(SignInIdentity, (issuer, subject))
    if identity is None or identity.user_id != user.user_id:
        raise NotFound
    db.session.delete(identity)


def waiting() -> list[tuple[SignInIdentity, User | None]]:
    """Sign-ins that nobody has been tied to, and people who act for no customer, the latest first."""
    member = exists().where(Membership.user_id == User.user_id)
    rows = db.session.execute(
        select(SignInIdentity, User)
        .outerjoin(User, User.user_id == SignInIdentity.user_id)
        .where(SignInIdentity.user_id.is_(None) | (~member & User.is_operator.is_(False)))
        .order_by(SignInIdentity.last_used_at.desc())
        .limit(_SHOWN)
    )
    return [(row.SignInIdentity, row.User) for row in rows]


def tie(issuer: str, subject: str, customer_id: int, role: str, *, locale: str) -> User:
    """By the operator, who knows whose sign-in it is. Raises NotFound, Conflict, AlreadyMember."""
    identity = db.session.get(SignInIdentity, (issuer, subject), with_for_update=True)
    if identity is None:
        raise NotFound
    if identity.user_id is None:
        if not identity.email:
            raise Conflict(lazy_gettext("This sign-in has no e-mail address: invite the person instead."))
        if not identity.email_verified:
            raise Conflict(
                lazy_gettext("Nobody has proved that this address is theirs: invite the person instead.")
            )
        if sign_in.find_user(identity.email) is not None:
            raise Conflict(
                lazy_gettext("There is an account with this address: its person can connect the sign-in.")
            )
        user = sign_in.create_user(identity.email, identity.name, locale=locale)
        identity.user_id = user.user_id
    user = db.session.get_one(User, identity.user_id)
    team.join(customer_id, user, role)
    return user


def _note(claims: Claims) -> SignInIdentity:
    now: datetime = utc_now()
    values = {"email": claims.email, "email_verified": claims.email_verified, "name": claims.name}
    db.session.execute(
        insert(SignInIdentity)
        .values(issuer=claims.issuer, subject=claims.subject, created_at=now, last_used_at=now, **values)
        .on_conflict_do_update(index_elements=["issuer", "subject"], set_=values | {"last_used_at": now})
    )
    return db.session.get_one(
        SignInIdentity, (claims.issuer, claims.subject), with_for_update=True, populate_existing=True
    )

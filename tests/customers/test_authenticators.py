"""The secret of an authenticator app lies sealed; a key that changes locks nobody out for good."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pyotp
import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from flask import Flask
from sqlalchemy import create_engine, text

from app import audit
from app.audit import Filters
from app.clock import utc_now
from app.config import settings
from app.customers import authenticators
from app.customers.models import User
from app.customers.people_models import Authenticator
from app.db import db, driver_url, in_unit_of_work
from tests.fixtures.product import Clock
from tests.portal.people import customer_with_user, member

NEW_KEY = "another key for tests, of at least thirty-two characters"


@pytest.fixture
def anna(app: Flask) -> User:
    return customer_with_user("acme")[1]


def stored(user: User) -> Authenticator:
    db.session.rollback()
    return db.session.get_one(Authenticator, user.user_id)


def turned_on(user: User, clock: Clock) -> tuple[str, list[str]]:
    """The secret, as the app has it, and the recovery codes; the code that confirmed it is past."""
    secret = in_unit_of_work(lambda: authenticators.secret_of(authenticators.begin(user)))
    assert secret is not None
    codes = in_unit_of_work(authenticators.confirm, user, pyotp.TOTP(secret).at(utc_now()))
    assert codes is not None
    clock.travel_to(utc_now() + timedelta(minutes=2))
    return secret, codes


@contextmanager
def key_changed(app: Flask, *fallbacks: str) -> Iterator[None]:
    before = app.extensions["settings"]
    app.extensions["settings"] = replace(before, secret_key=NEW_KEY, secret_key_fallbacks=fallbacks)
    yield
    app.extensions["settings"] = before


def test_the_secret_lies_sealed_and_opens_for_its_person_alone(anna: User, clock: Clock) -> None:
    secret, _ = turned_on(anna, clock)
    bo = member(1000, "viewer", "bo@tegoed.example")
    in_unit_of_work(authenticators.begin, bo)

    sealed = stored(anna).secret
    assert secret not in sealed

    def steal() -> None:
        db.session.get_one(Authenticator, bo.user_id).secret = sealed

    in_unit_of_work(steal)
    assert authenticators.secret_of(stored(bo)) is None
    assert authenticators.secret_of(stored(anna)) == secret


def test_what_an_older_key_sealed_is_sealed_anew_when_it_is_used(
    app: Flask, anna: User, clock: Clock
) -> None:
    secret, _ = turned_on(anna, clock)
    before = stored(anna).secret

    with key_changed(app, settings().secret_key):
        assert in_unit_of_work(authenticators.check, anna, pyotp.TOTP(secret).at(utc_now()))
    after = stored(anna).secret
    with key_changed(app):
        assert authenticators.secret_of(stored(anna)) == secret

    assert after != before


def test_without_the_older_key_recovery_codes_let_one_in_to_set_the_app_up_again(
    app: Flask, anna: User, clock: Clock
) -> None:
    secret, codes = turned_on(anna, clock)

    with key_changed(app):
        assert not in_unit_of_work(authenticators.check, anna, pyotp.TOTP(secret).at(utc_now()))
        assert in_unit_of_work(authenticators.check, anna, codes[0])
        in_unit_of_work(authenticators.turn_off, anna)
        again, _ = turned_on(anna, clock)
        assert in_unit_of_work(authenticators.check, anna, pyotp.TOTP(again).at(utc_now()))

    assert again != secret


def test_a_secret_that_nobody_confirmed_is_made_anew_when_it_no_longer_opens(app: Flask, anna: User) -> None:
    in_unit_of_work(authenticators.begin, anna)
    same = in_unit_of_work(lambda: authenticators.secret_of(authenticators.begin(anna)))

    with key_changed(app):
        other = in_unit_of_work(lambda: authenticators.secret_of(authenticators.begin(anna)))

    assert same is not None
    assert other is not None
    assert other != same


def test_setting_it_up_is_in_the_audit_log_without_the_secret(anna: User, clock: Clock) -> None:
    turned_on(anna, clock)

    (begun,) = audit.entries(Filters(action="authenticator.created"))
    (confirmed,) = audit.entries(Filters(action="authenticator.changed"))

    assert begun.subject == str(anna.user_id)
    assert begun.after is not None
    assert begun.after["secret"] == audit.HIDDEN
    assert confirmed.after is not None
    assert set(confirmed.after) == {"confirmed_at"}


def test_the_migration_seals_what_lay_open(anna: User, clock: Clock) -> None:
    secret, _ = turned_on(anna, clock)
    db.session.rollback()
    migration = importlib.import_module("app.migrations.versions.0010_sealed_secrets")
    engine = create_engine(driver_url(settings().owner_database_url))
    lying = text("SELECT secret FROM authenticator")

    with engine.connect() as connection, Operations.context(MigrationContext.configure(connection)):
        migration.downgrade()
        assert connection.scalars(lying).all() == [secret]
        migration.upgrade()
        (sealed,) = connection.scalars(lying).all()
        connection.rollback()
    engine.dispose()

    assert secret not in sealed
    assert stored(anna).secret != sealed

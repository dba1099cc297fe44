"""Signing in: the right password or the newest code, few tries, and nothing told to strangers."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask

from app.clock import utc_now
from app.customers import auth, sign_in
from app.db import in_unit_of_work
from app.errors import TooManyRequests, Unauthorized
from tests.fixtures.outside import Mailbox
from tests.fixtures.product import Clock

JAN = "jan@example.nl"


@pytest.fixture
def jan(app: Flask) -> str:
    in_unit_of_work(sign_in.create_user, JAN, "Jan", locale="nl", password="correct horse")
    return JAN


@pytest.fixture
def mailed_code(jan: str, smtp: Mailbox, run_jobs: Callable[..., int]) -> Callable[[], str]:
    def request() -> str:
        in_unit_of_work(sign_in.send_sign_in_code, jan)
        run_jobs()
        found = re.match(r"\d{6}", smtp.messages[-1]["Subject"])
        assert found is not None
        return found.group()

    return request


def redeem(code: str) -> bool:
    return in_unit_of_work(lambda: sign_in.redeem_sign_in_code(JAN, code) is not None)


def test_the_right_password_signs_in_whatever_the_spelling_of_the_address(jan: str) -> None:
    assert in_unit_of_work(lambda: sign_in.authenticate(" Jan@Example.nl ", "correct horse") is not None)
    assert in_unit_of_work(sign_in.authenticate, jan, "wrong") is None
    assert in_unit_of_work(sign_in.authenticate, "nobody@example.nl", "correct horse") is None


def test_a_user_without_password_cannot_sign_in_with_one(app: Flask) -> None:
    in_unit_of_work(sign_in.create_user, "code@example.nl", "Code", locale="en")
    assert in_unit_of_work(sign_in.authenticate, "code@example.nl", "") is None


def test_a_code_works_once(mailed_code: Callable[[], str]) -> None:
    code = mailed_code()
    assert redeem(code)
    assert not redeem(code)


def test_only_the_newest_code_works(mailed_code: Callable[[], str]) -> None:
    first, second = mailed_code(), mailed_code()
    if first != second:
        assert not redeem(first)
    assert redeem(second)


def test_a_code_expires(mailed_code: Callable[[], str], clock: Clock) -> None:
    code = mailed_code()
    clock.travel_to(utc_now() + timedelta(minutes=11))
    assert not redeem(code)


def test_five_wrong_tries_end_a_code(mailed_code: Callable[[], str]) -> None:
    code = mailed_code()
    wrong = "000000" if code != "000000" else "111111"
    assert not any(redeem(wrong) for _ in range(5))
    assert not redeem(code)


def test_no_mail_goes_to_a_stranger(app: Flask, smtp: Mailbox, run_jobs: Callable[..., int]) -> None:
    in_unit_of_work(sign_in.send_sign_in_code, "nobody@example.nl")
    run_jobs()
    assert smtp.messages == []


@pytest.mark.parametrize("address", [JAN, "nobody@example.nl"])
def test_many_tries_for_an_address_are_refused_known_or_not(app: Flask, address: str) -> None:
    for _ in range(sign_in.ATTEMPTS_PER_QUARTER):
        in_unit_of_work(sign_in.authenticate, address, "wrong")
    with pytest.raises(TooManyRequests):
        in_unit_of_work(sign_in.authenticate, address, "wrong")


def test_a_revoked_key_is_refused(app: Flask) -> None:
    text = in_unit_of_work(lambda: auth.create_api_key("x")[1])
    key_id = auth.check_api_key(text).key_id
    in_unit_of_work(auth.revoke_api_key, key_id)
    auth.forget_api_keys()
    with pytest.raises(Unauthorized):
        auth.check_api_key(text)


def test_a_key_is_stored_only_as_a_digest(app: Flask) -> None:
    text = in_unit_of_work(lambda: auth.create_api_key("x")[1])
    (stored,) = auth.api_keys()
    secret = text.split("_", 2)[2]
    assert secret not in (stored.secret_hash, stored.key_id, stored.name)

"""Headers of every answer: nothing inline, nothing from elsewhere, pages not kept."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.portal.people import customer_with_user, sign_in


def test_a_page_allows_nothing_inline_and_nothing_from_elsewhere(app: Flask, client: FlaskClient) -> None:
    answer = client.get("/sign-in")

    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert policy.endswith("form-action 'self'")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"


def test_forms_of_a_signed_in_person_may_lead_to_a_checkout(app: Flask, client: FlaskClient) -> None:
    customer_with_user()
    sign_in(client, "acme@tegoed.example")

    policy = client.get("/transactions").headers["Content-Security-Policy"]

    assert "form-action 'self' https: http://127.0.0.1:" in policy


@pytest.mark.parametrize("path", ["/sign-in", "/sign-in/code", "/transactions", "/no-such-page"])
def test_no_page_carries_styles_or_scripts_of_its_own(app: Flask, client: FlaskClient, path: str) -> None:
    customer_with_user()
    if path == "/transactions":
        sign_in(client, "acme@tegoed.example")

    page = client.get(path).text

    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\ssrc=)", page)
    for address in re.findall(r'(?:src|href)="(https?:[^"]+)"', page):
        pytest.fail(f"{path} refers to {address}")


def test_assets_carry_their_version_and_may_be_kept_for_a_year(app: Flask, client: FlaskClient) -> None:
    page = client.get("/sign-in").text
    found = re.findall(r'href="(/[^"]+\.css[^"]*)"', page)

    assert len(found) == 2
    for address in found:
        answer = client.get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]
        answer.close()


def test_the_session_cookie_is_out_of_reach_of_scripts(app: Flask, client: FlaskClient) -> None:
    customer_with_user()

    cookie = sign_in(client, "acme@tegoed.example").headers["Set-Cookie"]

    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie

"""Webhooks never reach into the provider's own network."""

import pytest
from flask import Flask

from app.clock import utc_now
from app.config import Settings
from app.db import in_unit_of_work
from app.webhooks import sending, service, targets

REFUSED = [
    "http://example.com/hook",
    "ftp://example.com/hook",
    "https://",
    "https://user:password@example.com/",
    "https://127.0.0.1/",
    "https://localhost/",
    "http://127.0.0.1:9000/",
    "https://10.1.2.3/",
    "https://192.168.0.1/",
    "https://169.254.169.254/latest/meta-data",
    "https://100.64.0.1/",
    "https://0.0.0.0/",
    "https://[::1]/",
    "https://[fe80::1]/",
    "https://[fd00::1]/",
    "https://[::ffff:10.0.0.1]/",
    "https://[64:ff9b::a00:1]/",
    "https://[2002:a00:1::]/",
    "https://example.com:99999/",
    "https://example.com/\nHost: other",
    None,
    12,
]


@pytest.mark.parametrize("url", REFUSED)
def test_an_address_that_is_not_public_https_is_refused(app: Flask, url: object) -> None:
    with pytest.raises(targets.InvalidUrl):
        in_unit_of_work(service.register, url)


@pytest.mark.parametrize("url", ["https://example.com/hook?x=1", "https://1.1.1.1:8443/"])
def test_a_public_https_address_is_taken(app: Flask, url: str) -> None:
    assert in_unit_of_work(service.register, url)[0].url == url


def test_in_the_demo_this_machine_may_be_told_but_not_its_network(demo_settings: Settings) -> None:
    assert targets.check_url("http://127.0.0.1:9000/hook")
    assert targets.check_url("http://localhost:9000/hook")
    for url in ("http://10.0.0.1/", "https://192.168.1.1/", "http://example.com/"):
        with pytest.raises(targets.InvalidUrl):
            targets.check_url(url)


def test_a_name_that_leads_inward_is_refused_when_it_is_sent_to(app: Flask) -> None:
    """The name may have been public when it was registered."""
    outcome = sending.send(
        "https://localhost:1/", message_id="msg_1", body="{}", secrets=["whsec_c2VjcmV0"], at=utc_now()
    )

    assert outcome.status_code is None
    assert outcome.error == "localhost is not a public address"


def test_a_dead_address_is_an_outcome_not_an_error(demo_settings: Settings) -> None:
    outcome = sending.send(
        "http://127.0.0.1:1/", message_id="msg_1", body="{}", secrets=["whsec_c2VjcmV0"], at=utc_now()
    )

    assert (outcome.status_code, outcome.succeeded) == (None, False)
    assert "refused" in str(outcome.error)

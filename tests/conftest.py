"""What every test may ask for; the fixtures themselves stand in tests/fixtures/."""

import pytest

pytest_plugins = [
    "tests.fixtures.compiled",
    "tests.fixtures.servers",
    "tests.fixtures.outside",
    "tests.fixtures.product",
    "tests.fixtures.browser",
    "tests.fixtures.reader",
    "tests.fixtures.shop",
    "tests.fixtures.receiver",
    "tests.fixtures.single_sign_on",
    "tests.fixtures.subscriptions",
    "tests.fixtures.everything",
]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "broken_ledger: the test damages its ledger on purpose; it is not verified afterwards"
    )

"""The embedded servers, as the product and the tests start them."""

import psycopg
import pytest

from app.embedded import ROLE
from tests.fixtures.servers import Servers


def test_each_test_gets_a_database_of_its_own(bare_servers: Servers) -> None:
    first, second = bare_servers.fresh_database(), bare_servers.fresh_database()
    with psycopg.connect(bare_servers.url(first, "tegoed_owner")) as connection:
        connection.execute("CREATE TABLE note (id int)")
    with (
        psycopg.connect(bare_servers.url(second)) as connection,
        pytest.raises(psycopg.errors.UndefinedTable),
    ):
        connection.execute("SELECT * FROM note")
    bare_servers.drop(first)
    bare_servers.drop(second)


def test_the_product_runs_on_postgresql_18_as_a_role_that_owns_nothing(bare_servers: Servers) -> None:
    with psycopg.connect(bare_servers.url("tegoed")) as connection:
        assert connection.info.server_version // 10_000 == 18
        assert connection.info.user == ROLE
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE TABLE note (id int)")

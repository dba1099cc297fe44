"""The embedded servers, as the product and the tests start them."""

import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from app.embedded import BASE_ENV, OWNER, ROLE, EmbeddedServerError, Postgres
from app.run.processes import end, spawn
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


@pytest.fixture
def durable(bare_servers: Servers) -> Iterator[Postgres]:
    """A server as `make run` has it, with fsync and passwords."""
    with tempfile.TemporaryDirectory(prefix="tegoed-durable-") as name:
        place = Path(name)
        place.chmod(0o711)
        postgres = Postgres(place / "postgres", place / "postgres" / "run", bare_servers.postgres.account)
        assert postgres.prepare()
        yield postgres


def test_what_is_committed_is_on_disk_and_roles_need_their_password(
    durable: Postgres, tmp_path: Path
) -> None:
    server = durable.start(tmp_path / "log")
    durable.provision({OWNER: "owner's", ROLE: "p@ss/word"})
    with psycopg.connect(durable.url(ROLE, "p@ss/word")) as connection:
        shown = [connection.execute(query).fetchone() for query in ("SHOW fsync", "SHOW synchronous_commit")]
        assert shown == [("on",), ("on",)]
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(durable.url(ROLE, "wrong"))
    durable.provision({OWNER: "owner's", ROLE: "another"})
    psycopg.connect(durable.url(ROLE, "another")).close()
    end(server, first=signal.SIGINT)


def test_the_server_never_runs_as_root_and_opens_nothing_to_others(durable: Postgres, tmp_path: Path) -> None:
    around = durable.directory.parent.stat()
    server = durable.start(tmp_path / "log")
    assert Path(f"/proc/{server.pid}").stat().st_uid != 0
    for private in (durable.data, durable.sockets):
        assert private.stat().st_mode & 0o077 == 0
    assert durable.directory.stat().st_mode & 0o007 == 0
    end(server, first=signal.SIGINT)
    assert durable.directory.parent.stat().st_mode == around.st_mode


def test_a_start_after_a_kill_recovers_even_when_the_pid_is_another_programs_now(
    durable: Postgres, tmp_path: Path
) -> None:
    server = durable.start(tmp_path / "log")
    with durable.admin("postgres") as admin:
        admin.execute("CREATE TABLE kept AS SELECT 7 AS number")
    lines = (durable.data / "postmaster.pid").read_text().splitlines()
    end(server, first=signal.SIGKILL)
    # A pid that lives and belongs to the server's own account is what PostgreSQL itself stumbles over.
    bystander = spawn(["sleep", "60"], env=BASE_ENV, output=subprocess.DEVNULL, account=durable.account)
    (durable.data / "postmaster.pid").write_text("\n".join([str(bystander.pid), *lines[1:]]) + "\n")
    assert not durable.prepare()
    again = durable.start(tmp_path / "log")
    with durable.admin("postgres") as admin:
        assert admin.execute("SELECT number FROM kept").fetchone() == (7,)
    assert bystander.poll() is None
    end(bystander)
    end(again, first=signal.SIGINT)


def test_a_server_that_outlived_its_supervisor_is_ended_before_the_next_starts(
    durable: Postgres, tmp_path: Path
) -> None:
    orphan = durable.start(tmp_path / "log")
    durable.prepare()
    assert orphan.wait(10) is not None
    again = durable.start(tmp_path / "log")
    assert durable.answers()
    end(again, first=signal.SIGINT)


def test_data_of_another_major_version_is_refused_with_words(durable: Postgres) -> None:
    (durable.data / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedServerError, match="made by PostgreSQL 17"):
        durable.prepare()

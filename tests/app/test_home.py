"""The home directory: one holder, private secrets, ports that stay, data that is never mixed up."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.run import home as homes
from app.run.home import Home, HomeError


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home.at(tmp_path / "home")
    home.lock("process 1, http://127.0.0.1:1")
    yield home
    home.unlock()


def test_a_lock_is_held_once_and_gone_after_its_holder(home: Home) -> None:
    with pytest.raises(HomeError, match=r"already runs on .*process 1, http://127\.0\.0\.1:1"):
        Home.at(home.path).lock("second")
    home.unlock()
    again = Home.at(home.path)
    again.lock("second")
    again.unlock()
    assert not (home.path / "lock").exists()


def test_secrets_are_made_once_and_readable_by_their_owner_alone(home: Home) -> None:
    assert home.secret("key") == Home.at(home.path).secret("key")
    assert home.secret("key") != home.secret("other")
    assert len(home.secret("key")) >= 32
    assert (home.path / "secrets.json").stat().st_mode & 0o077 == 0
    assert home.path.stat().st_mode & 0o077 == 0


def test_ports_are_remembered_and_differ(home: Home) -> None:
    sandbox, mail = home.port("sandbox"), home.port("mail")
    assert sandbox != mail
    assert (Home.at(home.path).port("sandbox"), Home.at(home.path).port("mail")) == (sandbox, mail)


def test_a_home_may_lie_deep(tmp_path: Path) -> None:
    deep = Home.at(tmp_path / ("d" * 100) / "home")
    assert len(str(deep.sockets())) <= homes.SOCKET_DIRECTORY_LIMIT


def test_a_home_that_was_deleted_and_made_anew_does_not_show_the_old_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(homes, "SERVER_ROOT", tmp_path / "servers")
    first = Home.at(tmp_path / "home")
    first.lock("first")
    (first.server_directory() / "data").mkdir()
    assert (first.server_directory() / "data").exists()
    first.unlock()
    (tmp_path / "home" / "secrets.json").unlink()
    second = Home.at(tmp_path / "home")
    second.lock("second")
    assert not (second.server_directory() / "data").exists()
    assert "set aside" in second.notices[0]
    second.unlock()

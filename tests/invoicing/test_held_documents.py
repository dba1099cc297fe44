"""A document whose XML breaks a rule is held for the operator: not mailed, not handed out, not lost."""

from collections.abc import Iterator

import pytest

from invoicing import notices, service
from invoicing.ubl.profiles import Profile
from tests.fixtures.outside import Mailbox
from tests.fixtures.shop import AFTER_OCTOBER, Shop


@pytest.fixture
def _broken_rule(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A rule that no document keeps, as if the rules had changed."""
    monkeypatch.setattr(notices, "problems_of", lambda _xml, _profile: ["BR-X: no document is right"])
    yield
    monkeypatch.undo()


def held(shop: Shop) -> str:
    shop.customer("acme", locale="en")
    shop.use_42_40("acme")
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    shop.run_jobs()
    return shop.invoice("acme").number


def mailed(smtp: Mailbox, number: str) -> list[list[str | None]]:
    return [
        [part.get_filename() for part in message.iter_attachments()]
        for message in smtp.messages
        if number in message["subject"]
    ]


@pytest.mark.usefixtures("_broken_rule")
def test_a_held_document_is_not_mailed_until_the_operator_sends_it_without_xml(
    shop: Shop, smtp: Mailbox
) -> None:
    number = held(shop)
    assert mailed(smtp, number) == []
    refused = shop.api.get(f"/v1/invoices/{number}.xml")
    assert (refused.status_code, refused.get_json()["code"]) == (409, "held")
    assert shop.api.get(f"/v1/invoices/{number}.pdf").status_code == 200
    shown = shop.runner.invoke(args=["invoicing", "held"])
    assert number in shown.output
    assert "BR-X: no document is right" in shown.output
    again = shop.runner.invoke(args=["invoicing", "release", number])
    assert again.exit_code == 1
    assert mailed(smtp, number) == []
    for _ in range(2):
        sent = shop.runner.invoke(args=["invoicing", "release", number, "--without-xml"])
        assert sent.exit_code == 0, sent.output
    shop.run_jobs()
    assert mailed(smtp, number) == [[f"{number}.pdf"]]
    assert shop.runner.invoke(args=["invoicing", "held"]).output == ""


def test_a_held_document_that_is_right_now_goes_out_whole(
    shop: Shop, smtp: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(notices, "problems_of", lambda _xml, _profile: ["BR-X: no document is right"])
        number = held(shop)
    assert service.check_again(number) == []
    shop.run_jobs()
    assert mailed(smtp, number) == [[f"{number}.pdf", f"{number}.xml"]]
    content = shop.api.get(f"/v1/invoices/{number}.xml")
    assert content.mimetype == "application/xml"
    assert Profile.EN_16931.encode() in content.data

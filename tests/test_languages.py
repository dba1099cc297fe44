"""No page, mail or document mixes languages, whoever reads it: every one is walked in both."""

import pytest
from lxml import html
from sqlalchemy import select

from app.db import db
from app.mail import MailMessage
from tests.fixtures.everything import Everything, Walk
from tests.fixtures.languages import foreign_words, foreign_words_of_text


@pytest.mark.parametrize("everything", ["nl", "en"], indirect=True)
def test_no_page_mail_or_document_mixes_languages(
    everything: Everything, request: pytest.FixtureRequest
) -> None:
    language = request.node.callspec.params["everything"]
    walk = Walk(everything)
    walk.readers["anonymous"].environ_base["HTTP_ACCEPT_LANGUAGE"] = language
    mixed: dict[str, list[str]] = {}
    for visit in walk.visits():
        spoken = html.document_fromstring(visit.answer.text).get("lang")
        assert spoken == language, visit.address
        mixed[visit.address] = foreign_words(visit.answer.text, language)
    for reader, address in (
        ("customer", "/no-such-page"),
        ("customer", "/desk/customers"),
        ("staff", "/top-up"),
    ):
        answer = walk.readers[reader].get(address)
        assert answer.status_code in {403, 404}
        mixed[f"{reader}: {address}"] = foreign_words(answer.text, language)
    for number, page in enumerate(everything.printed):
        mixed[f"document {number}"] = foreign_words(page, language)
    db.session.rollback()
    for mail in db.session.scalars(select(MailMessage)):
        assert mail.locale == language
        mixed[f"mail {mail.template}"] = [
            *foreign_words(mail.html_body, language),
            *foreign_words_of_text(f"{mail.subject}\n{mail.text_body}", language),
        ]
    wrong = [f"{place}: {text}" for place, found in mixed.items() for text in found]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("language", "page"),
    [
        ("nl", "<p>Add <b>payment</b> method</p>"),
        ("nl", "<td>Paid</td>"),
        ("nl", '<a aria-label="Top up now">€</a>'),
        ("nl", "<p>The engine is tired and the queue is full.</p>"),
        ("nl", '<div lang="en"><p lang="nl">Turn on automatic top-up</p></div>'),
        ("en", "<p>Nu opwaarderen</p>"),
        ("en", "<p>Er is nog niet betaald, het is te laat.</p>"),
    ],
)
def test_what_is_said_in_the_other_language_is_found(language: str, page: str) -> None:
    assert foreign_words(f"<html><body>{page}</body></html>", language)


@pytest.mark.parametrize(
    ("language", "page"),
    [
        ("nl", "<p>Tegoed · Nu opwaarderen <code>top_up.paid</code> bij acme@tegoed.example</p>"),
        ("nl", '<button lang="en">English</button> <span translate="no">Add payment method</span>'),
        ("en", "<p>Add payment method, and pay <i>Anna de Vries</i> before the 3rd.</p>"),
    ],
)
def test_names_addresses_and_marked_words_are_of_no_language(language: str, page: str) -> None:
    assert foreign_words(f"<html><body>{page}</body></html>", language) == []

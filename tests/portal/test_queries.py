"""Every page, walked: it costs at most twelve statements, is small, and is whole without a script."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from lxml import html
from sqlalchemy import event

from app.db import db
from tests.fixtures.everything import Everything, Visit, Walk

LIMIT: Final = 12
LARGEST_BYTES: Final = 100_000
# It describes the API to programmers, in the language of the API.
LARGER: Final = {"/docs"}
INLINE: Final = re.compile(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\ssrc=)")


@contextmanager
def counted() -> Iterator[list[str]]:
    """The statements that are sent to the database meanwhile."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        sent.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


def faults(visit: Visit) -> list[str]:
    """What a page may not be: large, not valid for a reader without scripts, without its headers."""
    answer = visit.answer
    found = []
    if len(answer.data) > LARGEST_BYTES and visit.address not in LARGER:
        found.append(f"{len(answer.data)} bytes")
    policy = answer.headers.get("Content-Security-Policy", "")
    if "default-src 'none'" not in policy or "unsafe" in policy:
        found.append(f"policy {policy!r}")
    if answer.headers.get("Cache-Control") not in {"no-store", "private, no-cache"}:
        found.append(f"kept as {answer.headers.get('Cache-Control')!r}")
    if answer.headers.get("X-Content-Type-Options") != "nosniff":
        found.append("its type may be guessed")
    if INLINE.search(answer.text):
        found.append("styles or scripts of its own")
    tree = html.document_fromstring(answer.text)
    if len(tree.xpath("//h1")) != 1 or not tree.xpath("//title")[0].text.strip():
        found.append(f"{len(tree.xpath('//h1'))} headings of the first rank")
    found += [f"the link {link!r} needs a script" for link in tree.xpath("//a/@href[. = '#' or . = '']")]
    for form in tree.xpath("//form"):
        if not form.xpath(".//button | .//input[@type = 'submit']"):
            found.append(f"the form to {form.action!r} has no button")
        if form.method == "POST" and not form.xpath(".//input[contains(@name, 'csrf_token')]"):
            found.append(f"the form to {form.action!r} has no token")
    found += [f"{address} is loaded" for address in tree.xpath("//@src[contains(., '//')]")]
    return found


def test_every_page_is_cheap_and_small_and_needs_no_script(everything: Everything) -> None:
    walk = Walk(everything)
    wrong: dict[str, list[str]] = {}
    for visit in walk.visits():
        # What a process remembers, such as the catalogue of meters, was read by this visit.
        with counted() as sent:
            again = walk.visit(visit.address)
        assert again.answer.status_code == 200, f"{visit.address}: {again.answer.status}"
        found = faults(visit)
        if len(sent) > LIMIT:
            found.append(f"{len(sent)} statements:\n    " + "\n    ".join(sent))
        if found:
            wrong[visit.address] = found
    assert not wrong, "\n".join(f"{page}: " + "\n  ".join(found) for page, found in wrong.items())
    assert walk.dead == []
    assert walk.missed() == set()

"""Documents printed together: as safe as one by one, and one that fails holds up no other."""

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from app import pdf
from app.db import db
from app.pdf import PdfBatch, PdfNotMade
from invoicing import documents, jobs, notices, paper, service
from invoicing.models import Invoice
from invoicing.paper import html_of
from tests.fixtures.outside import Mailbox
from tests.fixtures.shop import AFTER_OCTOBER, OCTOBER, Shop
from tests.invoicing.documents import sample

PLAIN = "<!doctype html><p>Page number {}</p>"


def text_of(content: bytes | PdfNotMade, tmp_path: Path) -> str:
    assert isinstance(content, bytes), content
    file = tmp_path / "document.pdf"
    file.write_bytes(content)
    done = subprocess.run(["pdftotext", "-layout", str(file), "-"], check=True, capture_output=True)
    return done.stdout.decode()


def printed(*pages: str) -> list[bytes | PdfNotMade]:
    with PdfBatch(pages) as batch:
        return batch.files()


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of its own for the pages."""
    directory = tmp_path / "scratch"
    directory.mkdir(mode=0o700)
    monkeypatch.setattr("tempfile.tempdir", str(directory))
    return directory


def spooled(scratch: Path) -> list[Path]:
    return list(scratch.glob("*/batch-*"))


def test_each_page_becomes_its_own_file_in_order(scratch: Path, tmp_path: Path) -> None:
    files = printed(*(PLAIN.format(number) for number in range(7)))
    texts = [text_of(content, tmp_path) for content in files]
    assert [text.split() for text in texts] == [["Page", "number", str(number)] for number in range(7)]
    assert spooled(scratch) == [], "nothing of a page is left on disk"
    assert printed() == []


@pytest.mark.parametrize(
    "name",
    [
        '<script>document.write("SCRIPTED")</script>',
        '<iframe src="file:///etc/passwd" width="900" height="900"></iframe>',
        '"><meta name="pdfkit-enable-local-file-access" content=""><iframe src="file:///etc/passwd">',
        "--enable-local-file-access {{ 7 * 7 }} {% raw %}",
        "\n--allow / --enable-local-file-access /etc/passwd out.pdf\n",
    ],
)
def test_in_a_batch_a_customer_name_full_of_markup_is_printed_as_it_is(
    app: Flask, tmp_path: Path, name: str
) -> None:
    invoice = sample("nl", buyer={"name": name, "address_line1": name, "purchase_order": name})
    for line in invoice.lines:
        line.names = {"nl": name, "en": name}
    _, marked, _ = printed(html_of(sample("nl")), html_of(invoice), html_of(sample("en")))
    text = text_of(marked, tmp_path)
    assert name.strip()[:20] in text
    assert "root:" not in text
    assert "Te betalen" in text


def test_in_a_batch_a_page_reads_no_file_no_other_page_and_runs_no_script(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("TOPSECRET")
    planted = tmp_path / "planted.pdf"
    frame = '<iframe src="{}" width="600" height="200"></iframe>'
    evil = (
        '<!doctype html><meta name="pdfkit-enable-local-file-access" content="">'
        f'<meta name="pdfkit-cover" content="{planted}">'
        + "".join(frame.format(address) for address in (f"file://{secret}", "0.html", "2.html", "0.pdf"))
        + f'<object data="file://{secret}"></object><p id="p">before</p>'
        '<script>document.getElementById("p").textContent = "SCRIPTED"</script>'
    )
    first, made, last = printed(PLAIN.format("one"), evil, PLAIN.format("two"))
    text = text_of(made, tmp_path)
    assert "before" in text
    assert [word for word in ("TOPSECRET", "SCRIPTED", "number") if word in text] == []
    assert "Page number one" in text_of(first, tmp_path)
    assert "Page number two" in text_of(last, tmp_path)


def test_what_a_batch_left_out_is_made_singly(
    scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that dies amidst its batch, leaving the beginning of a file behind."""
    real = shutil.which("wkhtmltopdf")
    program = tmp_path / "wkhtmltopdf"
    program.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        "*read-args-from-stdin*) read in out; printf '%%PDF-1.4 and no more' > $out; kill -9 $$ ;;\n"
        f'*) exec {real} "$@" ;;\n'
        "esac\n"
    )
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    pdf._configuration.cache_clear()
    try:
        texts = [text_of(content, tmp_path) for content in printed(*(PLAIN.format(n) for n in range(3)))]
    finally:
        pdf._configuration.cache_clear()
    assert [text.split()[-1] for text in texts] == ["0", "1", "2"]


def test_a_batch_that_hangs_is_ended(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.pdf.TIMEOUT_SECONDS", 0)
    monkeypatch.setattr("app.pdf.TIMEOUT_PER_PAGE_SECONDS", 0)
    began = time.monotonic()
    files = printed(*(html_of_length(200) for _ in range(3)))
    assert all(isinstance(content, PdfNotMade) for content in files)
    assert time.monotonic() - began < 60
    assert spooled(scratch) == []


def html_of_length(pages: int) -> str:
    return "<!doctype html>" + "<p>word</p>" * 100 * pages


def test_pages_that_a_killed_process_left_behind_are_removed(scratch: Path) -> None:
    printed(PLAIN.format(1))
    (home,) = scratch.iterdir()
    old, new = home / "batch-old", home / "batch-new"
    for directory in (old, new):
        directory.mkdir()
        (directory / "0.html").write_text("private")
    hours_ago = time.time() - 2 * pdf.SPOOL_KEPT_SECONDS
    os.utime(old, (hours_ago, hours_ago))
    printed(PLAIN.format(1))
    assert (old.exists(), new.exists()) == (False, True)


@pytest.fixture
def closed(shop: Shop) -> Shop:
    """Five customers whose October is closed; nothing is rendered yet."""
    for number in range(5):
        shop.customer(f"c{number}")
        shop.use_42_40(f"c{number}")
    shop.clock.travel_to(AFTER_OCTOBER)
    return shop


def rows(shop: Shop) -> list[Invoice]:
    return [shop.invoice(reference) for reference in sorted(shop.customers)]


def test_a_chunk_is_stored_with_its_hashes_and_mailed_once_whoever_renders_it_again(
    closed: Shop, smtp: Mailbox, run_jobs: Callable[..., int]
) -> None:
    run_id = service.start_close(OCTOBER)
    run_jobs()
    stored = {invoice.number: documents.find(invoice).content for invoice in rows(closed)}
    assert all(content.startswith(b"%PDF") for content in stored.values())
    jobs.render_chunk(str(run_id), 0)
    assert notices.render_many(list(stored)) == []
    run_jobs()
    for invoice in rows(closed):
        document = documents.find(invoice)
        assert document.content == stored[invoice.number]
        assert document.sha256 == hashlib.sha256(document.content).hexdigest()
        assert documents.find(invoice, documents.XML).content.startswith(b"<?xml")
    assert len(smtp.messages) == 5


def test_a_document_that_cannot_be_made_holds_up_no_other_of_its_batch(
    closed: Shop, smtp: Mailbox, run_jobs: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    make, broken = paper.html_of, closed.customers["c2"]

    def html(invoice: Invoice, paid: paper.Paid | None = None) -> str:
        if invoice.customer_id == broken:
            raise ValueError("a document that cannot be put into words")
        return make(invoice, paid)

    monkeypatch.setattr("invoicing.paper.html_of", html)
    service.start_close(OCTOBER)
    run_jobs(failures_expected=True)
    without = [i.customer_id for i in rows(closed) if not documents.stored_kinds(i)]
    assert without == [broken]
    assert len(smtp.messages) == 4
    monkeypatch.undo()
    db.session.rollback()
    run_jobs(scheduled=True)
    assert len(smtp.messages) == 5

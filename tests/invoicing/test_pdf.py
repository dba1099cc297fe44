"""The PDF can reach nothing, whatever a customer typed, and says all it must in one language only."""

import http.server
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from app.i18n import LANGUAGES, in_locale
from app.pdf import PdfBatch, PdfNotMade, render_pdf
from invoicing import wording
from invoicing.models import Invoice
from invoicing.paper import html_of
from tests.fixtures.languages import foreign_words_of_text
from tests.invoicing.documents import sample
from tests.invoicing.test_ubl import CORPUS


def text_of(pdf: bytes, tmp_path: Path) -> str:
    file = tmp_path / "document.pdf"
    file.write_bytes(pdf)
    done = subprocess.run(["pdftotext", "-layout", str(file), "-"], check=True, capture_output=True)
    return done.stdout.decode()


@pytest.fixture
def listener() -> Iterator[tuple[int, list[str]]]:
    """A server that notes whoever calls it."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Tests read the list."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server.server_port, asked
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_page_cannot_set_the_options_of_the_program_that_prints_it(tmp_path: Path) -> None:
    planted = tmp_path / "planted.pdf"
    html = (
        f'<!doctype html><meta name="pdfkit-cover" content="{planted}">'
        '<meta name="pdfkit-enable-local-file-access" content="">'
        '<meta name="pdfkit-no-such-option" content="x">'
        "<p>Hello</p>"
    )
    text = text_of(render_pdf(html), tmp_path)
    assert "Hello" in text


def test_a_renderer_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.pdf.TIMEOUT_SECONDS", 0.001)
    with pytest.raises(PdfNotMade, match="seconds"):
        render_pdf("<p>Hello</p>")


def test_a_page_reads_no_file_runs_no_script_and_calls_nobody(
    tmp_path: Path, listener: tuple[int, list[str]]
) -> None:
    port, asked = listener
    secret = tmp_path / "secret.txt"
    secret.write_text("TOPSECRET")
    html = (
        f'<!doctype html><iframe src="file://{secret}" width="600" height="200"></iframe>'
        f'<img src="http://127.0.0.1:{port}/image"><link rel="stylesheet" href="http://127.0.0.1:{port}/style">'
        f'<object data="file://{secret}"></object><p id="p">before</p>'
        '<script>document.getElementById("p").textContent = "SCRIPTED"</script>'
    )
    try:
        text = text_of(render_pdf(html), tmp_path)
    except PdfNotMade:
        text = ""
    assert "TOPSECRET" not in text
    assert "SCRIPTED" not in text
    assert asked == []


@pytest.mark.parametrize(
    "name",
    [
        '<script>document.write("SCRIPTED")</script>',
        '<iframe src="file:///etc/passwd" width="900" height="900"></iframe>',
        '"><meta name="pdfkit-enable-local-file-access" content=""><iframe src="file:///etc/passwd">',
        "--enable-local-file-access {{ 7 * 7 }} {% raw %}",
    ],
)
def test_a_customer_name_full_of_markup_is_printed_as_it_is(app: Flask, tmp_path: Path, name: str) -> None:
    invoice = sample("nl", buyer={"name": name, "address_line1": name, "purchase_order": name})
    for line in invoice.lines:
        line.names = {"nl": name, "en": name}
    text = text_of(render_pdf(html_of(invoice)), tmp_path)
    assert name[:20] in text
    assert "root:" not in text
    assert "Te betalen" in text


DUTCH = ["Factuur", "Omschrijving", "Aantal", "Prijs", "Bedrag", "Btw", "Totaal", "Voldaan", "Te betalen",
         "eerste", "boven", "miljoen", "oktober", "november", "Pagina", "Vragen", "Je tegoed", "verzoeken",
         "Specificatie", "Klantnummer", "Vervaldatum", "Opgewaardeerd", "Verbruik"]  # fmt: skip
ENGLISH = ["Invoice", "Description", "Quantity", "Price", "Amount", "VAT", "Total", "Paid from", "Amount due",
           "first", "above", "million", "October", "November", "Page", "Questions", "balance", "requests",
           "Specification", "Customer number", "Due date", "Topped up", "Usage"]  # fmt: skip


@pytest.mark.parametrize(("locale", "own", "other"), [("nl", DUTCH, ENGLISH), ("en", ENGLISH, DUTCH)])
def test_a_document_holds_its_facts_and_no_word_of_the_other_language(
    app: Flask, tmp_path: Path, locale: str, own: list[str], other: list[str]
) -> None:
    text = text_of(render_pdf(html_of(sample(locale))), tmp_path)
    amounts = {
        "nl": ["53,07", "9,21", "43,86", "18,15", "2,00 / mln", "0,001", "8.059.974"],
        "en": ["53.07", "9.21", "43.86", "18.15", "2.00 / million", "0.001", "8,059,974"],
    }
    assert "F2026-000018" in text
    assert [amount for amount in amounts[locale] if amount not in text] == []
    assert [word for word in own if word not in text] == []
    assert [word for word in other if word in text] == []
    assert {"nl": "Pagina 1 van 2", "en": "Page 1 of 2"}[locale] in text


def test_every_kind_of_document_is_printed_whole_and_in_one_language(app: Flask, tmp_path: Path) -> None:
    """The corpus of the e-invoices on paper, in both languages, printed together."""
    documents = [
        (case, spoken(make(), language)) for case, (_, make) in CORPUS.items() for language in LANGUAGES
    ]
    with PdfBatch([html_of(invoice) for _, invoice in documents]) as batch:
        files = batch.files()
    wrong = []
    for (case, invoice), content in zip(documents, files, strict=True):
        assert isinstance(content, bytes), content
        printed = text_of(content, tmp_path)
        rows = [" ".join(row.split()) for row in printed.splitlines()]
        found = [f"{row} is missing" for row in rows_of(invoice) if not any(row in one for one in rows)]
        found += foreign_words_of_text(printed, invoice.locale)
        wrong += [f"{case} in {invoice.locale}: {one}" for one in found]
    assert not wrong, "\n".join(wrong)


def spoken(invoice: Invoice, language: str) -> Invoice:
    invoice.locale = language
    return invoice


def rows_of(invoice: Invoice) -> list[str]:
    """What the paper must say, each in one row: its number, its total, and each tax with its amount."""
    with in_locale(invoice.locale):
        on, total = ("over", "Totaal") if invoice.locale == "nl" else ("on", "Total")
        rows = [
            invoice.number,
            f"{total} {wording.cents_text(invoice.total_cents)}",
            *(
                f"{wording.tax_label(tax)} {on} {wording.cents_text(tax.taxable_cents)} "
                f"{wording.cents_text(tax.vat_cents)}"
                for tax in invoice.taxes
            ),
        ]
    return [" ".join(row.split()) for row in rows]


def test_reverse_charged_vat_says_so_with_both_vat_numbers(app: Flask, tmp_path: Path) -> None:
    buyer = {"country": "BE", "vat_number": "BE0403019261"}
    text = text_of(render_pdf(html_of(sample("nl", category="AE", buyer=buyer))), tmp_path)
    assert "Btw verlegd" in text
    assert "BE0403019261" in text
    assert "NL000000000B00" in text


def test_nothing_due_asks_for_nothing(app: Flask, tmp_path: Path) -> None:
    text = text_of(render_pdf(html_of(sample("nl", due_cents=0))), tmp_path)
    assert "Je hoeft niets te doen" in text
    assert "Betaal online" not in text
    assert "Vervaldatum" not in text


def test_what_is_due_comes_with_a_pay_link_iban_and_reference_and_two_codes(
    app: Flask, tmp_path: Path
) -> None:
    html = html_of(sample("nl"))
    assert html.count("<svg") == 2
    text = text_of(render_pdf(html), tmp_path)
    assert "NL00 BANK 0000 0000 00" in text
    assert "RF11 F202 6000 018" in text
    assert "documents/F2026-000018." in text
    assert "<svg" not in html_of(sample("nl", due_cents=0))
    belgian = html_of(sample("nl", category="AE", buyer={"country": "BE", "vat_number": "BE0403019261"}))
    assert "+++202/6000/01812+++" in belgian


@pytest.mark.parametrize("count", [1, 12, 13, 40, 120])
def test_long_invoices_keep_the_whole_answer_on_page_1(app: Flask, tmp_path: Path, count: int) -> None:
    file = tmp_path / "long.pdf"
    file.write_bytes(render_pdf(html_of(sample("nl", meters=count))))
    info = subprocess.run(["pdfinfo", str(file)], check=True, capture_output=True, text=True).stdout
    pages = int(next(line.split()[1] for line in info.splitlines() if line.startswith("Pages:")))
    first = subprocess.run(
        ["pdftotext", "-layout", "-l", "1", str(file), "-"], check=True, capture_output=True, text=True
    ).stdout
    assert f"Pagina 1 van {pages}" in first
    assert first.index("Totaal") < first.rindex("Te betalen") < first.index("Vragen?")
    whole = text_of(file.read_bytes(), tmp_path)
    assert whole.count("Opslag nummer") >= count

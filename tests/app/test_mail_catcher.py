"""The mail catcher: what is sent by SMTP can be read as a page and as JSON."""

import json
import smtplib
import sys
import urllib.request
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from app.embedded import BASE_ENV
from app.run.processes import end, spawn
from tests.fixtures.outside import ROOT, eventually, free_port, listens


class Catcher:
    def __init__(self, store: Path) -> None:
        self.smtp, self.http = free_port(), free_port()
        command = [sys.executable, "-m", "app.mail_catcher", "--smtp-port", str(self.smtp)]
        command += ["--http-port", str(self.http), "--store", str(store)]
        with (store.parent / "log").open("ab") as output:
            self.process = spawn(command, env=BASE_ENV, output=output, cwd=ROOT)
        eventually(lambda: listens(self.smtp) and listens(self.http))

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=5) as answer:
            return str(answer.read().decode())

    def send(self, subject: str) -> None:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = "facturen@tegoed.example", "jan@example.nl", subject
        mail.set_content("Uw factuur: € 53,07")
        mail.add_alternative("<p>Uw factuur: <b>€ 53,07</b></p><script>alert(1)</script>", subtype="html")
        mail.add_attachment(b"%PDF-1.7", maintype="application", subtype="pdf", filename="factuur.pdf")
        with smtplib.SMTP("127.0.0.1", self.smtp) as smtp:
            smtp.send_message(mail)


@pytest.fixture
def catcher(tmp_path: Path) -> Iterator[Catcher]:
    catcher = Catcher(tmp_path / "mail")
    yield catcher
    end(catcher.process)


def test_a_mail_is_shown_with_its_text_its_html_and_its_attachment(catcher: Catcher) -> None:
    catcher.send("Factuur <oktober>")
    (mail,) = json.loads(catcher.get("/messages.json"))
    assert (mail["to"], mail["subject"]) == ("jan@example.nl", "Factuur <oktober>")
    assert "€ 53,07" in mail["text"]
    assert "<b>€ 53,07</b>" in mail["html"]
    assert mail["attachments"][0]["filename"] == "factuur.pdf"
    assert catcher.get(mail["attachments"][0]["url"]) == "%PDF-1.7"
    assert "Factuur &lt;oktober&gt;" in catcher.get("/")
    assert "factuur.pdf" in catcher.get("/mails/1?lang=en")


def test_a_mail_cannot_run_scripts(catcher: Catcher) -> None:
    catcher.send("Hallo")
    with urllib.request.urlopen(f"http://127.0.0.1:{catcher.http}/mails/1/html", timeout=5) as answer:
        policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "allow-scripts" not in policy


def test_mails_survive_a_restart_and_the_newest_comes_first(catcher: Catcher, tmp_path: Path) -> None:
    catcher.send("eerste")
    end(catcher.process)
    again = Catcher(tmp_path / "mail")
    again.send("tweede")
    subjects = [mail["subject"] for mail in json.loads(again.get("/messages.json"))]
    end(again.process)
    assert subjects == ["tweede", "eerste"]

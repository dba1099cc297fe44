"""HTML → PDF by pdfkit and wkhtmltopdf, for documents that print what customers typed.

The page can reach nothing: no scripts, no plugins, no files, and a proxy that leads nowhere. pdfkit 1.0.0
obeys `<meta name="pdfkit-…">` found in the HTML (CVE-2025-26240), so that search is taken out of it: text
on an invoice must never become an option of the program that prints it.
"""

import os
import shutil
import subprocess
import tempfile
from collections import OrderedDict
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from pdfkit.configuration import Configuration
from pdfkit.pdfkit import PDFKit

OPTIONS: Final[dict[str, str]] = {
    "page-size": "A4",
    "margin-top": "0",
    "margin-right": "0",
    "margin-bottom": "0",
    "margin-left": "0",
    "encoding": "UTF-8",
    "javascript-delay": "0",
    "disable-javascript": "",
    "disable-local-file-access": "",
    "disable-plugins": "",
    "proxy": "http://127.0.0.1:1",
}


TIMEOUT_SECONDS: Final = 60


class PdfNotMade(RuntimeError):
    """The renderer is missing, failed, or answered something that is no PDF."""


class _SafePdf(PDFKit):
    """pdfkit that takes options from the program only, never from the page."""

    def _find_options_in_meta(self, content: str) -> dict[str, Any]:  # noqa: ARG002  # pdfkit's own shape
        return OrderedDict()

    def to_pdf(self, path: str | None = None) -> bytes:
        """As pdfkit does it for a string, but never for longer than `TIMEOUT_SECONDS`."""
        done = subprocess.run(  # noqa: S603  # our own options; the page goes in by a pipe
            self.command(path),
            input=self.source.to_s().encode(),
            env=self.environ,
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        self.handle_error(done.returncode, done.stderr.decode(errors="replace"))
        return bytes(done.stdout)


def render_pdf(html: str) -> bytes:
    """The page as a PDF of A4 sheets. Raises PdfNotMade."""
    try:
        content = bytes(
            _SafePdf(html, "string", options=dict(OPTIONS), configuration=_configuration()).to_pdf()
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PdfNotMade(str(error)) from error
    if not content.startswith(b"%PDF"):
        raise PdfNotMade(f"wkhtmltopdf answered {content[:40]!r}")
    return content


@lru_cache(maxsize=1)
def _configuration() -> Configuration:
    program = shutil.which("wkhtmltopdf")
    if program is None:
        raise PdfNotMade("wkhtmltopdf is not installed: apt-get install wkhtmltopdf")
    scratch = Path(tempfile.gettempdir()) / f"tegoed-pdf-{os.getuid()}"
    scratch.mkdir(mode=0o700, exist_ok=True)
    # A clean environment of its own: no display, no credentials, nothing of the service's settings.
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(scratch),
        "LANG": "C.UTF-8",
        "QT_QPA_PLATFORM": "offscreen",
        "XDG_RUNTIME_DIR": str(scratch),
    }
    return Configuration(wkhtmltopdf=program, environ=environment)

"""HTML → PDF by pdfkit and wkhtmltopdf, for documents that print what customers typed.

The page can reach nothing: no scripts, no plugins, no files, and a proxy that leads nowhere. pdfkit 1.0.0
obeys `<meta name="pdfkit-…">` found in the HTML (CVE-2025-26240), so that search is taken out of it: text
on an invoice must never become an option of the program that prints it.

Many pages go to the program in batches, which spares a start for each: the pages are files with names of our
own, in a directory nobody else can read, and the program is given those names and nothing of the pages.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

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
# A batch: how many programs share it, and how long each of them may take for a page on a busy machine.
PROCESSES: Final = 2
TIMEOUT_PER_PAGE_SECONDS: Final = 3
SPOOL_KEPT_SECONDS: Final = 3600
_SPOOL: Final = "batch-"


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


class PdfBatch:
    """Pages that are made into PDFs by two programs at once, while the caller does something else.

    ``with PdfBatch(pages) as batch: …; files = batch.files()``. Leaving it ends the programs and removes the
    pages.
    """

    def __init__(self, pages: Sequence[str]) -> None:
        self._pages = pages
        self._cleaning = ExitStack()
        self._running: list[tuple[subprocess.Popen[bytes], float]] = []

    def __enter__(self) -> Self:
        """Start. Raises PdfNotMade when the program cannot be started at all."""
        with ExitStack() as failing:
            failing.callback(self._cleaning.close)
            spool = tempfile.TemporaryDirectory(dir=_scratch(), prefix=_SPOOL, ignore_cleanup_errors=True)
            self._spool = Path(self._cleaning.enter_context(spool))
            for position, page in enumerate(self._pages):
                (self._spool / f"{position}.html").write_text(page, encoding="utf-8")
            for first in range(min(PROCESSES, len(self._pages))):
                self._start(range(first, len(self._pages), PROCESSES))
            failing.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cleaning.close()

    def files(self) -> list[bytes | PdfNotMade]:
        """A PDF per page, in order; in the place of one that could not be made, why not.

        One page that fails ends its batch: what is missing then is made singly.
        """
        for process, deadline in self._running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        return [self._file(position) for position in range(len(self._pages))]

    def _start(self, positions: Sequence[int]) -> None:
        lines = self._spool / f"{positions[0]}.lines"
        lines.write_text("".join(f"{position}.html {position}.pdf\n" for position in positions))
        configuration = _configuration()
        with lines.open("rb") as source:
            try:
                process = subprocess.Popen(  # noqa: S603  # our own options and names; nothing of a page's
                    [configuration.wkhtmltopdf, *_arguments(), "--read-args-from-stdin"],
                    stdin=source,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=configuration.environ,
                    cwd=self._spool,
                )
            except OSError as error:
                raise PdfNotMade(str(error)) from error
        self._cleaning.callback(_end, process)
        allowed = TIMEOUT_SECONDS + TIMEOUT_PER_PAGE_SECONDS * len(positions)
        self._running.append((process, time.monotonic() + allowed))

    def _file(self, position: int) -> bytes | PdfNotMade:
        try:
            content = (self._spool / f"{position}.pdf").read_bytes()
        except FileNotFoundError:
            content = b""
        # A program that was ended in the midst of a file leaves its beginning.
        if content.startswith(b"%PDF") and content.rstrip().endswith(b"%%EOF"):
            return content
        try:
            return render_pdf(self._pages[position])
        except PdfNotMade as error:
            return error


def _arguments() -> Iterator[str]:
    yield "--quiet"
    for name, value in OPTIONS.items():
        yield f"--{name}"
        if value:
            yield value


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _scratch() -> Path:
    """The directory of our own. What a killed process left in it is removed: pages hold what is private."""
    scratch = Path(tempfile.gettempdir()) / f"tegoed-pdf-{os.getuid()}"
    scratch.mkdir(mode=0o700, exist_ok=True)
    if scratch.lstat().st_uid != os.getuid():
        raise PdfNotMade(f"{scratch} belongs to somebody else")
    for left in scratch.glob(f"{_SPOOL}*"):
        # Two processes may sweep at once.
        with suppress(OSError):
            if left.stat().st_mtime < time.time() - SPOOL_KEPT_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
    return scratch


@lru_cache(maxsize=1)
def _configuration() -> Configuration:
    program = shutil.which("wkhtmltopdf")
    if program is None:
        raise PdfNotMade("wkhtmltopdf is not installed: apt-get install wkhtmltopdf")
    scratch = _scratch()
    # A clean environment of its own: no display, no credentials, nothing of the service's settings.
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(scratch),
        "LANG": "C.UTF-8",
        "QT_QPA_PLATFORM": "offscreen",
        "XDG_RUNTIME_DIR": str(scratch),
    }
    return Configuration(wkhtmltopdf=program, environ=environment)

"""`python -m app.mail_catcher --smtp-port 20025 --http-port 20080 --store var/mail`; loopback only."""

import argparse
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from aiosmtpd.controller import Controller

from app.mail_catcher.pages import server
from app.mail_catcher.store import Receiver, Store


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m app.mail_catcher", description=__doc__)
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--http-port", type=int, required=True)
    parser.add_argument("--store", type=Path, required=True)
    options = parser.parse_args(arguments)
    store = Store(options.store)
    smtp = Controller(Receiver(store), hostname="127.0.0.1", port=options.smtp_port)
    pages = server(store, options.http_port)

    def stop(_number: int, _frame: FrameType | None) -> None:
        # shutdown() waits for serve_forever(), which this very thread runs.
        threading.Thread(target=pages.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    smtp.start()
    pages.serve_forever(poll_interval=0.1)
    smtp.stop()
    pages.server_close()


if __name__ == "__main__":
    main(sys.argv[1:])

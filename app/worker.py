"""A worker: takes jobs from the named queues and runs each in the application's context.

`python -m app.worker [urgent default bulk]`
"""

import gc
import sys
from typing import cast

from redis import Redis
from rq import SimpleWorker
from rq.executions import Execution
from rq.job import Job
from rq.queue import Queue

from app import logs
from app.config import Settings
from app.db import db
from app.factory import create_app
from app.jobs import QUEUES


class TegoedWorker(SimpleWorker):
    """Runs jobs in its own process, each with a session of its own."""

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        try:
            return super().perform_job(job, queue, execution)
        finally:
            db.session.remove()


def main(names: list[str]) -> None:
    settings = Settings.from_env()
    logs.configure(settings)
    app = create_app(settings)
    connection = cast("Redis", app.extensions["redis"])
    queues = cast("dict[str, Queue]", app.extensions["queues"])
    with app.app_context():
        worker = TegoedWorker([queues[name] for name in names or QUEUES], connection=connection)
        # What is loaded by now lives as long as the worker: no collection needs to walk through it again.
        gc.collect()
        gc.freeze()
        worker.work(with_scheduler=True, logging_level="WARNING")


if __name__ == "__main__":
    main(sys.argv[1:])

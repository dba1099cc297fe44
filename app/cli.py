"""Commands that belong to no slice: `flask --app wsgi jobs …`, `users …`, `keys …`."""

import click
from flask.cli import AppGroup

from app.customers import auth, sign_in
from app.customers.service import find_customer
from app.db import in_unit_of_work
from app.errors import NotFound
from app.jobs import failed_jobs, retry_failed_job
from app.mail import find_by_name, note_bounce

mails = AppGroup("mail", help="The mail log.")
jobs = AppGroup("jobs", help="Background jobs.")
users = AppGroup("users", help="People who sign in.")
keys = AppGroup("keys", help="API keys of programs.")


@jobs.command("failed")
def list_failed() -> None:
    """The jobs that gave up, newest first."""
    found = failed_jobs()
    for job in found:
        click.echo(f"{job.job_id}  {job.queue}  {job.function}({job.arguments})  {job.error}")
    click.echo(f"{len(found)} failed jobs")


@jobs.command("retry")
@click.argument("job_id")
def retry(job_id: str) -> None:
    """Put a failed job back into its queue."""
    retry_failed_job(job_id)
    click.echo(f"{job_id} is queued again")


@mails.command("bounced")
@click.argument("mail")
@click.option("--reason", required=True, help="What the other side said.")
def mail_bounced(mail: str, reason: str) -> None:
    """Note that a mail came back. MAIL is its number in the log, or the Message-ID that the bounce quotes."""
    try:
        message = in_unit_of_work(lambda: note_bounce(*find_by_name(mail), reason).recipient)
    except NotFound as error:
        raise click.ClickException(f"there is no mail {mail}") from error
    click.echo(f"{message}: noted")


@users.command("create")
@click.argument("email")
@click.option("--name", default="", help="How mails and pages address them.")
@click.option("--locale", type=click.Choice(["nl", "en"]), default="nl")
@click.option("--operator", is_flag=True, help="Staff of the provider.")
@click.option("--customer", "reference", help="The customer they act for, as owner.")
@click.password_option(help="Asked for when not given.")
def create_user(
    *, email: str, name: str, locale: str, operator: bool, reference: str | None, password: str
) -> None:
    """A person who can sign in."""

    def create() -> None:
        user = sign_in.create_user(
            email, name or email, locale=locale, password=password, is_operator=operator
        )
        if reference:
            sign_in.add_member(find_customer(reference).customer_id, user)

    in_unit_of_work(create)
    click.echo(f"{email} can sign in")


@keys.command("create")
@click.argument("name")
def create_key(name: str) -> None:
    """A new API key; its text is shown this once."""
    click.echo(in_unit_of_work(lambda: auth.create_api_key(name)[1]))


@keys.command("revoke")
@click.argument("key_id")
def revoke_key(key_id: str) -> None:
    """End an API key by its id (the part between the underscores)."""
    in_unit_of_work(auth.revoke_api_key, key_id)
    click.echo(f"{key_id} is revoked")

"""Jobs of bank transfers. Each may run twice."""

from uuid import UUID

from invoicing import bank_import


def match_run(import_id: str) -> None:
    """Match what one file brought."""
    bank_import.match_new(UUID(import_id))


def match_waiting() -> None:
    """What a run that died, or a lost queue, left unmatched."""
    bank_import.match_new()

"""The desk's own pages beside those of the slices, as the factory registers them."""

from typing import Final

from flask import Blueprint

from app import provider_settings  # noqa: F401 - its tables are part of the schema
from app.desk import adjustments, audit_log, meters, runs, staff, viewing

BLUEPRINTS: Final[tuple[Blueprint, ...]] = (
    adjustments.blueprint,
    audit_log.blueprint,
    meters.blueprint,
    runs.blueprint,
    staff.blueprint,
    viewing.blueprint,
)

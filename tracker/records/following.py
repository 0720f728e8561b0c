"""The record database as figures follow it."""

from metrics.engine.following import follow
from metrics.engine.record_databases import DatabaseRecords
from tracker.settings import Settings


def followed(settings: Settings) -> DatabaseRecords:
    """The records that the settings name, read of the replica where they name one."""
    return follow(settings.record_database_url, settings.replica_database_url, is_service=True)

"""Work that one process at a time does: whoever holds the lease, and another once it has run out."""

from sqlalchemy import delete, insert, select, update

from tracker.records.ledger import Ledger
from tracker.records.tables import LEASES


def take(ledger: Ledger, name: str, holder: str, now: int, expires_at: int) -> bool:
    """Take or renew a lease until an instant; whether it could be had."""
    columns = LEASES.c
    current = ledger.connection.execute(select(LEASES).where(columns.name == name)).first()
    values = {"holder": holder, "expires_at": expires_at}
    if current is None:
        ledger.connection.execute(insert(LEASES).values(name=name, **values))
    elif current.holder == holder or current.expires_at <= now:
        ledger.connection.execute(update(LEASES).where(columns.name == name).values(**values))
    else:
        return False
    return True


def release(ledger: Ledger, name: str, holder: str) -> None:
    """Give a lease back, so that nobody has to wait until it runs out."""
    columns = LEASES.c
    ledger.connection.execute(delete(LEASES).where(columns.name == name, columns.holder == holder))

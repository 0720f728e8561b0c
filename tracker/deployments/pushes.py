"""Records commits that were pushed: what deployments carry that tell none themselves."""

from sqlalchemy import ColumnElement, and_, func, select

from metrics.domain.pushes import PushFacts
from tracker.records.ledger import Author, Ledger, repository_columns
from tracker.records.tables import PUSHES


def record_push(ledger: Ledger, author: Author, pushed: PushFacts) -> bool:
    """Record a push; return whether it is new. The same one told again changes nothing."""
    known = select(PUSHES.c.revision).where(is_push(author.organization, pushed))
    if ledger.connection.execute(known).first() is not None:
        return False
    row = {
        **vars(ledger.first_version(author)),
        **repository_columns(pushed.repository),
        **pushed.columns(),
    }
    ledger.insert(PUSHES, row)
    return True


def is_push(organization: str, pushed: PushFacts) -> ColumnElement[bool]:
    """Whether a row is this push of the organization."""
    columns = PUSHES.c
    return and_(
        columns.organization == organization,
        columns.repository_key == pushed.repository.key,
        columns.after == pushed.after,
        func.coalesce(columns.before, "") == (pushed.before or ""),
    )

"""Tokens in the terminal."""

from collections.abc import Sequence

from tracker.auth.register import TokenEntry
from tracker.cli.console import DataTable, Terminal


def print_tokens(tokens: Sequence[TokenEntry]) -> None:
    """One row a token; what has ended is said, and what ends soon."""
    table = DataTable()
    # An id is needed whole, to revoke it.
    table.add_column("id", overflow="fold", min_width=16)
    for title in ("who", "scope", "repositories", "made", "last used", "valid until"):
        table.add_column(title, overflow="fold")
    for token in tokens:
        made = f"{token.minted_at:%Y-%m-%d} by {token.minted_by}" if token.minted_at else "-"
        used = f"{token.last_used_at:%Y-%m-%d %H:%M}" if token.last_used_at else "never"
        until = f"{token.expires_at:%Y-%m-%d %H:%M}"
        if token.revoked_at is not None:
            until = f"revoked {token.revoked_at:%Y-%m-%d %H:%M}"
        elif not token.is_honoured:
            until += " (expired)"
        elif token.expires_soon:
            until += " (soon)"
        reach = "all" if token.repositories is None else ", ".join(token.repositories)
        cells = (token.id, token.subject, " ".join(token.scopes), reach, made, used, until)
        table.add_row(*cells)
    Terminal().print(table)

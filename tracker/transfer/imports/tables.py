"""The tables of imports out of other systems, and of the records that each has made."""

from sqlalchemy import BigInteger, Index
from sqlmodel import Field, SQLModel

from tracker.records.tables import table


class Import(SQLModel, table=True):
    """One run of `tracker import --from`; instants in microseconds."""

    __tablename__ = "imports"
    __table_args__ = (Index("ix_imports_organization", "organization", "id"),)

    id: str = Field(primary_key=True)
    organization: str
    source: str
    name: str
    """What was read: the file, the repository, the database without its password."""
    started_at: int = Field(sa_type=BigInteger)
    finished_at: int | None = Field(default=None, sa_type=BigInteger)
    recorded: int
    undone_at: int | None = Field(default=None, sa_type=BigInteger)


class ImportedRecord(SQLModel, table=True):
    """A record that an import has made, and the version that it wrote."""

    __tablename__ = "imported_records"
    __table_args__ = (Index("ix_imported_records_import", "import_id"),)

    record_id: str = Field(primary_key=True)
    import_id: str
    kind: str
    revision: int = Field(sa_type=BigInteger)


IMPORTS = table(Import)
IMPORTED_RECORDS = table(ImportedRecord)

"""The migrations make the models' schema, go down and up with data, and what is not at head is refused."""

from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text
from sqlmodel import SQLModel

from tests.conftest import Book, Postgres, sqlite_url
from tests.server import Server, deployment, run_tracker
from tracker.records.engine import connect
from tracker.records.migrations import (
    SchemaError,
    is_workable,
    migrate,
    migrate_down,
    migrations_folder,
    require_workable,
)
from tracker.web.idempotency import KeptAnswer, KeyedRequest, answer_once

INDEXES = {
    "sqlite": "select sql from sqlite_master where type = 'index' and sql <> '' and tbl_name <> 'alembic_version'",
    "postgresql": "select indexdef from pg_indexes where schemaname = 'public' and tablename <> 'alembic_version'",
}


def schema(engine: Engine) -> tuple[set[str], dict[str, dict[str, tuple[str, bool]]]]:
    """The definitions of all indexes, predicates included, and of each table the columns."""
    with engine.connect() as connection:
        indexes = connection.exec_driver_sql(INDEXES[engine.dialect.name]).scalars()
        found = inspect(connection)
        columns = {
            table: {
                str(column["name"]): (str(column["type"]), bool(column["nullable"]))
                for column in found.get_columns(table)
            }
            for table in found.get_table_names()
            if table != "alembic_version"
        }
        return {index.replace('"', "") for index in indexes}, columns


def test_the_migrated_schema_is_the_one_of_the_models(
    database_url: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    migrated = connect(database_url)
    migrate(migrated)
    if migrated.dialect.name == "postgresql":
        postgres: Postgres = request.getfixturevalue("postgres")
        modelled = connect(postgres.database(template="template0"))
    else:
        modelled = connect(sqlite_url(tmp_path / "modelled"))
    SQLModel.metadata.create_all(modelled)
    (indexes, columns), (wanted_indexes, wanted_columns) = schema(migrated), schema(modelled)
    assert indexes == wanted_indexes
    assert columns == wanted_columns
    assert sum(" WHERE " in index or " where " in index for index in indexes) >= 9
    migrated.dispose()
    modelled.dispose()


def test_down_and_up_again_with_data(book: Book) -> None:
    book.deploy(deployment_node_id="1")
    book.deploy(deployment_node_id="1", branch="main")
    book.report(started_at="2026-03-02T10:00:00Z", key="i")
    request = KeyedRequest.of("acme", "/", "k", b"{}")
    kept = KeptAnswer(201, "/x", "{}")
    book.recorder.record_now(lambda ledger: answer_once(ledger, request, lambda _: kept))
    before = [book.rows(f"select * from {table} order by revision") for table in ("deployments", "incidents")]

    assert migrate_down(book.engine, "0001")
    assert not is_workable(book.engine)
    with pytest.raises(SchemaError, match="tracker migrate"):
        require_workable(book.engine)
    assert migrate(book.engine)

    after = [book.rows(f"select * from {table} order by revision") for table in ("deployments", "incidents")]
    assert after == before
    assert book.rows("select * from idempotency_keys") == []
    assert book.deploy(deployment_node_id="1", team="a").repeated
    assert book.ask()["deployment_frequency"].row.deployments == 1  # type: ignore[union-attr]


def test_down_to_nothing_and_up(book: Book) -> None:
    book.deploy()
    assert migrate_down(book.engine, "base")
    assert migrate(book.engine)
    assert book.rows("select * from deployments") == []


def upgrade_by_a_later_program(book: Book, works_with: str) -> None:
    with book.engine.begin() as connection:
        connection.exec_driver_sql("update alembic_version set version_num = '9999'")
        connection.exec_driver_sql(f"update schema_promise set works_with = '{works_with}'")


def head() -> str:
    return max(file.name[:4] for file in (migrations_folder() / "versions").glob("*.py"))


def test_a_service_serves_on_over_a_later_schema_that_works_with_it(book: Book, tmp_path: Path) -> None:
    with Server(tmp_path, TRACKER_DATABASE_URL=book.url) as server, server.client(server.token()) as client:
        upgrade_by_a_later_program(book, works_with=head())
        assert client.get("/readyz").status_code == 200
        assert client.post("/api/v1/deployments", json=deployment()).status_code == 201
        upgrade_by_a_later_program(book, works_with="9999")
        refused = client.get("/readyz")
        assert (refused.status_code, refused.json()["status"]) == (503, "not ready")

    upgrade_by_a_later_program(book, works_with=head())
    # Whoever goes back to the version before starts it over the schema of the later one.
    with Server(tmp_path, TRACKER_DATABASE_URL=book.url) as server, server.client() as client:
        assert client.get("/readyz").status_code == 200


def test_every_migration_says_what_it_works_with() -> None:
    scripts = ScriptDirectory(str(migrations_folder()))
    promises = {
        script.revision: script.module.works_with
        for script in scripts.walk_revisions()
        if script.revision >= "0017"
    }
    assert all("0001" <= earliest <= revision for revision, earliest in promises.items())
    # What a migration makes unusable stays so.
    assert sorted(promises.values()) == [promises[revision] for revision in sorted(promises)]


def test_a_schema_of_the_future_is_refused_in_a_plain_line(book: Book, tmp_path: Path) -> None:
    upgrade_by_a_later_program(book, works_with="9999")
    with pytest.raises(SchemaError, match="9999"):
        migrate(book.engine)
    for arguments in (
        ["migrate"],
        ["serve", "--port", "0"],
        ["serve", "--port", "0", "--no-migrate"],
        ["verify"],
    ):
        refused = run_tracker(tmp_path, *arguments, TRACKER_DATABASE_URL=book.url)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr.startswith("tracker: the ")
        assert refused.stderr.count("\n") == 1


def test_the_command_line_goes_down_and_up(tmp_path: Path) -> None:
    assert run_tracker(tmp_path, "migrate").stdout == "The schema is now at head.\n"
    assert run_tracker(tmp_path, "migrate", "down", "0001", stdin="n\n").returncode == 130
    assert run_tracker(tmp_path, "migrate", "down", "0001", "--yes").stdout == "The schema is now at 0001.\n"
    refused = run_tracker(tmp_path, "serve", "--port", "0", "--no-migrate")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "not at head" in refused.stderr
    assert run_tracker(tmp_path, "migrate", "up", "0002").stdout == "The schema is now at 0002.\n"
    assert run_tracker(tmp_path, "migrate", "down", "nowhere", "--yes").returncode == 1


def as_recorded_before(book: Book, record_id: str, url: str, host: str, path: str) -> None:
    """Give a repository, known by one of its records, the identity that the program before 0007 gave it."""
    identity = {
        "repository_url": url,
        "repository_host": host,
        "repository_path": path,
        "repository_key": f"{host}/{path}".casefold(),
    }
    changes = ", ".join(f"{name} = :{name}" for name in identity)
    with book.engine.begin() as connection:
        find = text("select repository_key from deployments where id = :id")
        old = connection.execute(find, {"id": record_id}).scalars().first()
        for table in ("deployments", "incidents", "repositories"):
            statement = text(f"update {table} set {changes} where repository_key = :old")
            connection.execute(statement, {**identity, "old": old})


def test_records_of_the_version_before_get_their_identities(book: Book) -> None:
    """Two spellings of one repository, each with its own row, and the same id of the sender in both."""
    at = "2026-03-02T{:02}:00:00Z".format
    first, second, third = (
        book.deploy(
            repository_url=f"https://host-{number}.example/a/b",
            commit_id=f"{number}" * 40,
            service=service,
            finished_at=at(9 + number),
            deployment_node_id="7",
        ).deployment.version.id
        for number, service in enumerate(["Web", "WEB", "Web"])
    )
    book.correct(second, branch="main")
    book.report(started_at=at(12), repository_url="https://host-2.example/a/b")
    assert migrate_down(book.engine, "0006")
    azure, older = (
        "https://dev.azure.com/acme/Big%20Shop/_git/Web",
        "https://acme.visualstudio.com/Big%20Shop/_git/Web",
    )
    as_recorded_before(book, first, older, "acme.visualstudio.com", "Big%20Shop/_git/Web")
    as_recorded_before(book, second, azure, "dev.azure.com", "acme/Big%20Shop/_git/Web")
    as_recorded_before(book, third, "https://2001:db8::1:3000/a/b", "2001:db8::1", "a/b")
    assert migrate(book.engine)

    rows = book.rows(
        "select id, repository_key, service_key, deployment_node_id from deployments order by revision"
    )
    shop = "dev.azure.com/acme/big shop/web"
    assert rows == [
        (first, shop, "web", "7"),
        (second, shop, "web", f"7 ({second})"),
        (third, "[2001:db8::1]:3000/a/b", "web", "7"),
        (second, shop, "web", f"7 ({second})"),
    ]
    known = book.rows(
        "select repository_key, service_key from repositories "
        "where superseded_revision is null order by repository_key, service_key"
    )
    assert len(known) == len(set(known))
    assert (shop, "web") in known
    answers: Any = book.ask(group_by="service", from_="2026-03-02", to="2026-03-03")
    frequency = answers["deployment_frequency"]
    assert [(group.name, group.row.deployments) for group in frequency.groups] == [("Web", 3)]
    repeat = book.deploy(repository_url=azure, service="web", commit_id="0" * 40, deployment_node_id="7")
    assert (repeat.repeated, repeat.deployment.version.id) == (True, first)

"""What an operator can set: environment variables with the prefix `TRACKER_`, read here alone."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, IPvAnyNetwork, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class SigningAlgorithm(StrEnum):
    """The algorithms a key may have. Anything else is refused, `none` first of all."""

    HS256 = "HS256"
    ES256 = "ES256"
    RS256 = "RS256"
    EDDSA = "EdDSA"


class LogFormat(StrEnum):
    """How log events are written; `auto` is JSON unless a person is watching."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"


class SmtpSecurity(StrEnum):
    """How the connection to the mail server is protected."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


class LogLevel(StrEnum):
    """The lowest level that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class DurationUnit(StrEnum):
    """The unit of a duration that is sent as a bare number."""

    MINUTES = "minutes"
    SECONDS = "seconds"


def _listed(text: object) -> object:
    return [part.strip() for part in text.split(",") if part.strip()] if isinstance(text, str) else text


class Settings(BaseSettings):
    """The service's settings; each field is `TRACKER_<NAME>` in the environment."""

    model_config = SettingsConfigDict(env_prefix="TRACKER_", extra="ignore", frozen=True)

    data_dir: Path = Field(
        Path("data"), description="Folder for the SQLite file, the keys and the derived stores."
    )
    database_url: SecretStr | None = Field(
        None, description="Record database. Default: the SQLite file tracker.db in the data folder."
    )
    replica_url: SecretStr | None = Field(
        None, description="PostgreSQL replica of it, which figures are pulled from as far as it has come."
    )
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    workers: int = Field(
        1,
        ge=1,
        le=64,
        description="Processes that share the work of one service, over PostgreSQL.",
    )
    public_url: str | None = Field(
        None, description="Base of the URLs in answers, where a proxy hides the service."
    )
    trusted_proxies: Annotated[tuple[IPvAnyNetwork, ...], NoDecode, BeforeValidator(_listed)] = Field(
        (),
        description="Networks, comma-separated, of proxies whose X-Forwarded headers are believed.",
    )
    keys_file: Path | None = Field(
        None, description="Key ring, a JSON Web Key Set. Default: keys.json in the data folder."
    )
    keys: SecretStr | None = Field(
        None,
        description="Key ring itself, a JSON Web Key Set, where hosts share one; used in place of the file.",
    )
    signing_algorithm: SigningAlgorithm = Field(
        SigningAlgorithm.HS256, description="Algorithm of the key that is made on the first start."
    )
    github_url: str = Field(
        "https://github.com", description="Where the repositories are that GitHub's clients name."
    )
    gitlab_url: str = Field(
        "https://gitlab.com", description="Where the repositories are that GitLab's clients name."
    )
    iftrue_duration_unit: DurationUnit = Field(
        DurationUnit.MINUTES,
        description="What iftrue's clients send as deployment_duration: minutes, as documented, or seconds.",
    )
    webhook_networks: Annotated[tuple[IPvAnyNetwork, ...], NoDecode, BeforeValidator(_listed)] = Field(
        (),
        description="Private networks, comma-separated, where subscribers may be: 10.1.0.0/16, say.",
    )
    max_body_bytes: int = Field(
        10_000_000, ge=1_000, description="Largest body of a request that is no batch, in bytes."
    )
    max_batch_bytes: int = Field(
        1_000_000_000, ge=1_000, description="Largest batch, in bytes after decompression."
    )
    max_request_seconds: float = Field(
        60,
        gt=0,
        description="Longest time until an answer begins, or between two parts of a body; in seconds.",
    )
    token_requests_per_minute: int = Field(
        60_000, ge=0, description="Requests that one token may make a minute; 0 is no limit."
    )
    organization_requests_per_minute: int = Field(
        120_000, ge=0, description="Requests that one organization may make a minute; 0 is no limit."
    )
    failed_logins_per_minute: int = Field(
        120,
        ge=0,
        description="Requests without a valid token that an address may make a minute; 0 is no limit.",
    )
    max_webhooks: int = Field(50, ge=1, description="Most webhooks of one organization.")
    store_memory: str = Field(
        "50%",
        pattern=r"^\d+(\.\d+)?\s*(%|[KMGT]i?B)$",
        description="Memory that DuckDB may take for figures: a share of the machine's, or 4GB, say.",
    )
    store_threads: int | None = Field(
        None, ge=1, description="Threads that DuckDB may use for figures. Default: one for each core."
    )

    smtp_host: str | None = Field(None, description="Mail server that reports are sent by.")
    smtp_port: int = Field(587, ge=1, le=65535, description="Its port.")
    smtp_security: SmtpSecurity = Field(
        SmtpSecurity.STARTTLS, description="starttls, tls from the beginning, or none."
    )
    smtp_user: str | None = Field(None, description="Who signs in to it; nobody where it is not set.")
    smtp_password: SecretStr | None = Field(None, description="The password to it.")
    smtp_from: str | None = Field(None, description="Sender of reports, as in tracker@example.com.")

    log_format: LogFormat = Field(
        LogFormat.AUTO, description="Logs on standard error: json, console, or auto."
    )
    log_level: LogLevel = Field(LogLevel.INFO, description="debug, info, warning or error.")

    @property
    def record_database_url(self) -> str:
        """The record database: sqlite:///… or postgresql://…"""
        if self.database_url is None:
            return f"sqlite:///{self.data_dir / 'tracker.db'}"
        return self.database_url.get_secret_value()

    @property
    def replica_database_url(self) -> str | None:
        return None if self.replica_url is None else self.replica_url.get_secret_value()

    @property
    def key_ring_file(self) -> Path:
        return self.keys_file or self.data_dir / "keys.json"

    @property
    def stores_dir(self) -> Path:
        """Where the derived stores are kept; it may be deleted at any time."""
        return self.data_dir / "stores"

    def base_of(self, address: str) -> str:
        """Return the service's address for the client of a request: the public URL where that is set."""
        return (self.public_url or address).rstrip("/")

    def link(self, path: str) -> str:
        """A path of the service as a client finds it: absolute where the public URL is known."""
        return path if self.public_url is None else self.public_url.rstrip("/") + path

"""`/api/v1/trusts`: the issuers of OIDC tokens whose jobs may record for an organization."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

import jwt
from litestar import Controller, Response, delete, get, post
from litestar.params import FromPath, JSONBody
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from metrics.domain.errors import InvalidInput
from metrics.domain.fields import Body, Name, ShortText
from metrics.domain.repositories import PatternError, RepositoryPattern
from tracker.auth.callers import requires
from tracker.auth.issuers import KINDS
from tracker.auth.issuers.base import ClaimPatterns, IssuerKind
from tracker.auth.issuers.oidc import OIDC
from tracker.auth.tokens import Scope
from tracker.auth.trusts import TrustedIssuer, add_trust, list_trusts, load_trusts, new_trust, remove_trust
from tracker.records.engine import write_transaction
from tracker.web.paging import CallerRequest, ListAnswer
from tracker.web.state import Service

PATH = "/api/v1/trusts"
_WHY = "trusts are the whole organization's"


def _repository(text: str) -> str:
    try:
        RepositoryPattern.parse(text)
    except PatternError as error:
        raise PydanticCustomError("repository_pattern", "{reason}", {"reason": str(error)}) from None
    return text


def _kind(text: str) -> str:
    if text not in KINDS:
        raise PydanticCustomError("kind", "must be one of {known}", {"known": ", ".join(KINDS)})
    return text


def _key_set(keys: dict[str, Any]) -> dict[str, Any]:
    try:
        usable = jwt.PyJWKSet.from_dict(keys)
    except (jwt.PyJWTError, TypeError, ValueError):
        usable = None
    if usable is None or any(key.key_type == "oct" for key in usable.keys):
        raise PydanticCustomError("jwks", "must be a JSON Web Key Set of public keys")
    return keys


Option = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[!-~]+$")]
Tenant = Annotated[str, Field(max_length=250, pattern=r"^[A-Za-z0-9{][A-Za-z0-9_.{}/-]*$")]
"""Whose jobs they are: one name, and no pattern."""
Patterns = Annotated[list[Annotated[Name, AfterValidator(_repository)]], Field(min_length=1, max_length=200)]


class NewTrust(Body):
    """An issuer of OIDC tokens to trust, and which of its jobs."""

    kind: Annotated[Name, AfterValidator(_kind)] = Field(description=f"One of {', '.join(KINDS)}.")
    owner: Tenant | None = Field(None, description="github: the organization or user with the repositories.")
    group: Tenant | None = Field(None, description="gitlab: the group, with its subgroups, or the user.")
    organization: Tenant | None = Field(None, description="circleci, azure: its id; buildkite: its slug.")
    workspace: Tenant | None = Field(None, description="bitbucket: the workspace.")
    url: Option | None = Field(None, description="github, gitlab: the issuer, where it is one of one's own.")
    issuer: Option | None = Field(None, description="oidc: the issuer, as the claim iss has it.")
    claims: dict[Name, ShortText | list[ShortText]] | None = Field(
        None,
        max_length=50,
        description="Further claims, each with the texts of which it must be one; * for any characters.",
    )
    repositories: Patterns | None = Field(
        None, description="Which repositories its jobs record for. Default: whichever their tokens prove."
    )
    environments: Annotated[list[Name], Field(min_length=1, max_length=50)] | None = Field(
        None, description="Patterns of the environments that its jobs record into. Default: all."
    )
    audience: Option | None = Field(
        None, description="An audience that its tokens may have beside the service's own."
    )
    allow_pull_requests: bool | None = Field(
        None, description="True: jobs that a pull request or its like has set off record production too."
    )
    allow_any_commit: bool | None = Field(
        None, description="True: its jobs deploy other commits than the one that they run for."
    )
    jwks: Annotated[dict[str, Any], AfterValidator(_key_set)] | None = Field(
        None, description="The issuer's keys, a JSON Web Key Set, where they cannot be fetched."
    )

    def trust(self, organization: str, created_by: str) -> TrustedIssuer:
        """The trust to add. Raises `InvalidInput`."""
        kind = KINDS[self.kind]
        options = self._options(kind)
        claims, issuer = self._claims(kind.claims_of(options)), kind.issuer_of(options)
        _require_issuer(issuer, "issuer" if "issuer" in options else "url")
        if not kind.proves_repository and self.repositories is None:
            detail = f"is required: the tokens of {kind.title} name no repository"
            raise InvalidInput.field("repositories", detail)
        if kind is OIDC and all(set(text) <= {"*"} for texts in claims.values() for text in texts):
            raise InvalidInput.field("claims", "is required: which of the issuer's tokens are meant")
        return new_trust(
            organization,
            created_by,
            kind=kind.name,
            issuer=issuer,
            audience=self.audience,
            claims=claims,
            repositories=self.repositories,
            environments=self.environments,
            allow_pull_requests=bool(self.allow_pull_requests),
            allow_any_commit=bool(self.allow_any_commit),
            jwks=self.jwks,
        )

    def _options(self, kind: IssuerKind) -> Mapping[str, str]:
        """The options of the kind, and no other's. Raises `InvalidInput`."""
        every = {option.name for one in KINDS.values() for option in one.options}
        given = {name: value for name in every if (value := getattr(self, name)) is not None}
        taken = {option.name for option in kind.options}
        for name in sorted(given.keys() - taken):
            raise InvalidInput.field(name, f"is not said of {kind.title}")
        for option in kind.options:
            if option.required and option.name not in given:
                raise InvalidInput.field(option.name, f"is required: {option.help}")
        return given

    def _claims(self, of_kind: ClaimPatterns) -> ClaimPatterns:
        """The claims that say whose the jobs are, and those that are given. Raises `InvalidInput`."""
        texts = (self.claims or {}).items()
        given = {name: [one] if isinstance(one, str) else one for name, one in texts}
        for name in given.keys() & of_kind.keys():
            raise InvalidInput.field(f"claims/{name}", "is said by the kind's own field")
        return {**of_kind, **given}


def _require_issuer(issuer: str, field: str) -> None:
    """Raises `InvalidInput` where it is no address that keys could be fetched from."""
    try:
        parts = urlsplit(issuer)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_one = False
    if not is_one or parts.username is not None or parts.query or parts.fragment:
        raise InvalidInput.field(field, "must be an http or https address without a query")


@dataclass(frozen=True, slots=True)
class TrustAnswer:
    """A trust as its organization's admins see it."""

    id: str
    kind: str
    issuer: str
    audience: str | None
    claims: Mapping[str, Sequence[str]]
    repositories: Sequence[str] | None
    environments: Sequence[str] | None
    allow_pull_requests: bool
    allow_any_commit: bool
    keys_given: bool
    created_at: datetime
    created_by: str
    last_used_at: datetime | None

    @classmethod
    def of(cls, trust: TrustedIssuer) -> Self:
        names = cls.__dataclass_fields__.keys() - {"keys_given"}
        return cls(keys_given=trust.jwks is not None, **{name: getattr(trust, name) for name in names})


class TrustsController(Controller):
    """List the issuers that are trusted, trust one, trust one no longer."""

    @get(PATH, guards=[requires(Scope.ADMIN)], sync_to_thread=True)
    def list_all(self, request: CallerRequest, service: Service) -> ListAnswer[TrustAnswer]:
        """The issuers that the organization trusts, the oldest first."""
        request.user.require_unlimited(_WHY)
        found = list_trusts(service.engine, request.user.organization)
        return ListAnswer([TrustAnswer.of(one) for one in found])

    @post(PATH, guards=[requires(Scope.ADMIN)], opt={"refusals": {409: "Another organization trusts it."}})
    async def add(
        self, data: JSONBody[NewTrust], request: CallerRequest, service: Service
    ) -> Response[TrustAnswer]:
        """Trust an issuer of OIDC tokens: jobs record with the token that it gives them, and read nothing.

        In force at once here, and within five seconds in every other process.
        """
        request.user.require_unlimited(_WHY)
        trust = data.trust(request.user.organization, request.user.claims.subject)

        def act() -> TrustedIssuer:
            with write_transaction(service.engine) as connection:
                added = add_trust(connection, trust)
            service.authenticator.take_trusts(load_trusts(service.engine))
            return added

        answer = TrustAnswer.of(await asyncio.to_thread(act))
        return Response(answer, headers={"Location": service.settings.link(f"{PATH}/{answer.id}")})

    @delete(PATH + "/{trust_id:str}", guards=[requires(Scope.ADMIN)])
    async def remove(self, trust_id: FromPath[str], request: CallerRequest, service: Service) -> None:
        """Trust an issuer no longer: in force at once here, and within five seconds everywhere."""
        request.user.require_unlimited(_WHY)

        def act() -> None:
            with write_transaction(service.engine) as connection:
                remove_trust(connection, request.user.organization, trust_id)
            service.authenticator.take_trusts(load_trusts(service.engine))

        await asyncio.to_thread(act)

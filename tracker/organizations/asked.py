"""What lists and exports of an organization's records are asked for with."""

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from tracker.organizations.service import read_settings
from tracker.records.aliases import read_aliases
from tracker.web.paging import CallerRequest, FilterParameters
from tracker.web.state import Service


def filter_asked_for(
    request: CallerRequest,
    service: Service,
    parameters: FilterParameters,
    kind: type[FilterParameters],
    revision: int | None,
) -> Mapping[str, Any]:
    """The fields of a `ListFilter` that the parameters of a kind fill, limited to what the caller may see.

    Dates and aliases are what they were at the revision; what may be seen is what may be seen now. Raises
    `ParameterError`.
    """
    organization = request.user.organization
    with service.engine.connect() as connection:

        def zone() -> ZoneInfo:
            return ZoneInfo(read_settings(connection, organization, revision).timezone)

        aliases = read_aliases(connection, organization)
        then = aliases if revision is None else read_aliases(connection, organization, revision)
        return {
            "organization": organization,
            "visible": request.user.repositories,
            "revision": revision,
            "aliases": aliases,
            "aliases_then": then,
            **{name: getattr(parameters, name) for name in kind.model_fields},
            **parameters.bounds(zone),
        }

"""The pages: what a browser is shown. They ask as the interface does, and decide nothing that it does not."""

from collections.abc import Sequence

from litestar import Controller
from litestar.handlers import HTTPRouteHandler

from tracker.pages.deployment import deployment_page
from tracker.pages.deployments import deployments_page
from tracker.pages.frame.assets import static_file
from tracker.pages.guides import guide
from tracker.pages.incidents import incident_page, incidents_page
from tracker.pages.intakes import IntakesPages
from tracker.pages.metric import metric_page
from tracker.pages.overview import overview
from tracker.pages.quality import quality_page
from tracker.pages.reference import reference
from tracker.pages.report import report_file, report_page
from tracker.pages.repositories import RepositoryPages, repositories_page
from tracker.pages.settings import SettingsPages
from tracker.pages.signin import SignInPages
from tracker.pages.tokens import TokensPages

PAGES: Sequence[type[Controller] | HTTPRouteHandler] = [
    static_file,
    SignInPages,
    overview,
    metric_page,
    deployments_page,
    deployment_page,
    incidents_page,
    incident_page,
    repositories_page,
    RepositoryPages,
    quality_page,
    report_page,
    report_file,
    reference,
    guide,
    SettingsPages,
    IntakesPages,
    TokensPages,
]

"""The command line `tracker`: wiring, and the one place where a failure becomes a line and an exit code."""

import sys
from importlib import import_module
from typing import Any

import rich_click as click

click.rich_click.TEXT_MARKUP = "rich"

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130

# Imported when they are called: a token must not wait for DuckDB and a web framework.
_COMMANDS = {
    "record": "tracker.cli.record:record",
    "serve": "tracker.cli.service:serve",
    "migrate": "tracker.cli.service:migrate",
    "token": "tracker.cli.tokens:token",
    "login-link": "tracker.cli.login_link:login_link",
    "organization": "tracker.cli.organizations:organization",
    "trust": "tracker.cli.trust:trust",
    "intake": "tracker.cli.intake:intake",
    "keys": "tracker.cli.keys:keys",
    "settings": "tracker.cli.settings:settings",
    "teams": "tracker.cli.teams:teams",
    "import": "tracker.cli.imports:import_history",
    "export": "tracker.cli.transfer:export_records",
    "demo": "tracker.cli.demo:demo",
    "metrics": "tracker.cli.metrics:metrics",
    "report": "tracker.cli.report:report",
    "workspace": "tracker.cli.workspaces:workspace",
    "runner": "tracker.cli.runner:runner",
    "lake": "tracker.cli.lake:lake",
    "verify": "tracker.cli.operations:verify",
    "backup": "tracker.cli.operations:backup",
    "restore": "tracker.cli.operations:restore",
}


class _Commands(click.RichGroup):
    def list_commands(self, _: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, _: click.Context, name: str) -> Any:
        if name not in _COMMANDS:
            return None
        module, attribute = _COMMANDS[name].split(":")
        return getattr(import_module(module), attribute)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="shiptally", prog_name="tracker", message="%(prog)s %(version)s")
def tracker() -> None:
    """Records deployments and answers how a team ships.

    Settings are environment variables: TRACKER_DATA_DIR (./data), TRACKER_DATABASE_URL, TRACKER_HOST,
    TRACKER_PORT and more; the README lists them.

    Exit codes: 0 done, 1 it could not be done, 2 the command line is wrong.
    """


def main() -> None:
    """Run `tracker`. Every failure that has a name ends in one line on standard error."""
    try:
        sys.exit(tracker(standalone_mode=False))
    except click.Abort:
        sys.exit(EXIT_INTERRUPTED)
    except click.ClickException as failure:
        _fail(failure.format_message(), failure.exit_code)
    except OSError as failure:
        _fail(str(failure))
    except ModuleNotFoundError as failure:
        if failure.name is None or failure.name.partition(".")[0] in ("tracker", "metrics"):
            raise
        _fail(f"this command needs more than is installed ({failure.name}): pip install 'shiptally[service]'")
    except Exception as failure:
        from tracker.cli.failures import message_of  # what it knows is not there without the service

        message = message_of(failure)
        if message is None:
            raise
        _fail(message)


def _fail(message: str, exit_code: int = EXIT_FAILED) -> None:
    click.echo(f"tracker: {message}", err=True)
    sys.exit(exit_code)

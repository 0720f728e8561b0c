"""Each CI system's page and wrapper: right by the system's own schema, and run as far as a shell can.

What a system would do itself is done here: its expressions are filled in, its variables set, its shell started. What is
installed is this checkout.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.git_repository import Repository
from tests.pipeline import Job
from tests.server import TRACKER, Server
from tests.tracker.client.test_systems import (
    AZURE,
    BITBUCKET,
    BUILDKITE,
    CIRCLECI,
    DRONE,
    GITHUB,
    GITLAB,
    JENKINS,
    TEAMCITY,
    WOODPECKER,
)

PROJECT = Path(__file__).parents[3]
INTEGRATIONS, DOCS = PROJECT / "integrations", PROJECT / "docs"
DEPLOYMENTS = "/api/v1/deployments"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def snippets(page: str) -> list[str]:
    """What a page shows to be copied."""
    return [text for _, text in FENCE.findall((DOCS / f"pipeline-{page}.md").read_text())]


def yaml_of(text: str) -> Any:
    # A key that is `on` is one here, and no boolean.
    return yaml.load(text, yaml.BaseLoader)


def check(schema: str, text: str, folder: Path) -> None:
    """The text is right by a CI system's own schema."""
    file = folder / "checked.yml"
    file.write_text(text)
    done = subprocess.run(
        [Path(sys.executable).with_name("check-jsonschema"), "--regex-variant=nonunicode", "--builtin-schema", f"vendor.{schema}", str(file)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def gitlab_component(**inputs: str) -> str:
    """The component as GitLab takes it in: without its header, its inputs filled in."""
    head, body = (INTEGRATIONS / "gitlab" / "templates" / "record.yml").read_text().split("\n---\n")
    given = {name: one.get("default") for name, one in yaml_of(head)["spec"]["inputs"].items()} | inputs
    return re.sub(r"\$\[\[ inputs\.(\w+) \]\]", lambda found: str(given[found[1]]), body)


def circleci_orb() -> str:
    """A configuration with the orb written into it, and a job that uses its command."""
    orb = yaml_of((INTEGRATIONS / "circleci" / "orb.yml").read_text())
    job = {
        "docker": [{"image": "cimg/python:3.13"}],
        "steps": ["checkout", {"shiptally/record": {"url": "https://tracker.example.com"}}],
    }
    inline = {"commands": orb["commands"]}
    return yaml.safe_dump(
        {
            "version": 2.1,
            "orbs": {"shiptally": inline},
            "jobs": {"deploy": job},
            "workflows": {"all": {"jobs": ["deploy"]}},
        }
    )


CHECKED: dict[str, tuple[str, Callable[[], str]]] = {
    "GitHub's page": ("github-workflows", lambda: snippets("github")[0]),
    "GitHub's action": ("github-actions", (INTEGRATIONS / "github" / "action.yml").read_text),
    "GitLab's page": ("gitlab-ci", lambda: snippets("gitlab")[0]),
    "GitLab's component": ("gitlab-ci", lambda: gitlab_component(url="https://tracker.example.com")),
    "CircleCI's page": ("circle-ci", lambda: snippets("circleci")[0]),
    "CircleCI's orb": ("circle-ci", circleci_orb),
    "Buildkite's page": ("buildkite", lambda: snippets("buildkite")[0]),
    "Azure's page": ("azure-pipelines", lambda: snippets("azure")[0]),
    "Azure's template": ("azure-pipelines", (INTEGRATIONS / "azure" / "record.yml").read_text),
    "Bitbucket's page": ("bitbucket-pipelines", lambda: snippets("bitbucket")[0]),
    "Bitbucket's step": ("bitbucket-pipelines", (INTEGRATIONS / "bitbucket" / "bitbucket-pipelines.yml").read_text),
    "Drone's page": ("drone-ci", lambda: snippets("drone")[0]),
    "Woodpecker's page": ("woodpecker-ci", lambda: snippets("drone")[1]),
}  # fmt: skip


@pytest.mark.parametrize("name", CHECKED)
def test_it_is_right_by_the_systems_own_schema(tmp_path: Path, name: str) -> None:
    schema, text = CHECKED[name]
    check(schema, text(), tmp_path)


@dataclass
class Runner:
    """A machine that runs the steps of a pipeline, with the programs that CI systems have there."""

    folder: Path
    environment: dict[str, str]

    def __post_init__(self) -> None:
        programs = self.folder.parent / "programs"
        programs.mkdir()
        for name, script in {
            "pipx": f'test "$1 $2" = "run shiptally" || exit 9; shift 2; exec {TRACKER} "$@"',
            "pip": 'test "$*" = "install --quiet shiptally"',
            "tracker": f'exec {TRACKER} "$@"',
            # An environment into which something is installed is one with this checkout in it.
            "python3": f'test "$1 $2" = "-m venv" || exit 9; mkdir -p "$3/bin" && cp "$(dirname "$0")/venv-pip" "$3/bin/pip" && ln -s {TRACKER} "$3/bin/tracker"',
            "venv-pip": 'test "$*" = "install --quiet shiptally"',
        }.items():
            (programs / name).write_text(f"#!/bin/sh\n{script}\n")
            (programs / name).chmod(0o755)
        deploy = self.folder / "deploy.sh"
        deploy.write_text('#!/bin/sh\nsleep 0.2; exit "${DEPLOY_EXITS:-0}"\n')
        deploy.chmod(0o755)
        self.environment["PATH"] = f"{programs}:{os.environ['PATH']}"

    def run(self, script: str, shell: str = "bash -e", **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*shell.split(), "-c", script], cwd=self.folder, env=Job(self.folder, self.environment)._environment() | more,
            capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "shop")
    made.commit("one", 0)
    return made


@pytest.fixture
def runner(server: Server, organization: str, repository: Repository, tmp_path: Path) -> Runner:
    return Runner(repository.folder, {
        "TRACKER_TOKEN": server.token("deployments:record", organization), "TRACKER_SPOOL_DIR": str(tmp_path / "spool"), "HOME": str(tmp_path), "TMPDIR": str(tmp_path),
    })  # fmt: skip


def recorded(client: httpx.Client) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = client.get(DEPLOYMENTS).json()["items"]
    return items


def filled(values: Mapping[str, str], server: Server) -> dict[str, str]:
    """A step's variables as its system would set them: the service is the one that runs here."""
    of_a_secret = {name: value for name, value in values.items() if isinstance(value, str)}
    return {
        name: value.replace("https://tracker.example.com", server.url) for name, value in of_a_secret.items()
    }


STATUSES = pytest.mark.parametrize(("exits", "status"), [("0", "success"), ("1", "fail")])


def githubs_step(inputs: Mapping[str, str], job_status: str) -> tuple[str, dict[str, str]]:
    """The action's step and its variables, for these inputs in a job that went so."""
    action = yaml_of((INTEGRATIONS / "github" / "action.yml").read_text())
    given = {name: one.get("default", "") for name, one in action["inputs"].items()} | dict(inputs)
    (step,) = action["runs"]["steps"]

    def value(expression: str) -> str:
        known = {f"inputs.{name}": text for name, text in given.items()} | {"job.status": job_status}
        return next((found for part in expression.split("||") if (found := known[part.strip()])), "")

    return step["run"], {
        name: re.sub(r"\$\{\{ (.*?) \}\}", lambda found: value(found[1]), text)
        for name, text in step["env"].items()
    }


@pytest.mark.parametrize(
    ("word", "status"), [("success", "success"), ("failure", "fail"), ("cancelled", "cancelled")]
)
def test_githubs_action_records_as_its_page_says(
    server: Server, client: httpx.Client, runner: Runner, repository: Repository, word: str, status: str
) -> None:
    workflow = yaml_of(snippets("github")[0])
    used = workflow["jobs"]["deploy"]["steps"][-1]
    assert (used["uses"].split("@")[0], used["if"]) == ("shiptally/shiptally/integrations/github", "always()")
    inputs = filled(used["with"], server)
    assert inputs.keys() <= yaml_of((INTEGRATIONS / "github" / "action.yml").read_text())["inputs"].keys()
    script, variables = githubs_step(
        inputs | {"token": runner.environment["TRACKER_TOKEN"], "arguments": "--label\nregion=eu west\n"},
        word,
    )
    github = GITHUB | {
        "GITHUB_SHA": repository.head(),
        "GITHUB_ACTION_PATH": str(INTEGRATIONS / "github"),
        "RUNNER_TEMP": str(repository.folder.parent),
    }
    for _ in range(2):
        done = runner.run(script, **github, **variables)
        assert done.returncode == 0, done.stderr
    (record,) = recorded(client)
    assert (record["status"], record["environment"], record["labels"]) == (
        status,
        "production",
        {"region": "eu west"},
    )


def test_githubs_action_records_start_and_finish(
    server: Server, client: httpx.Client, runner: Runner, repository: Repository
) -> None:
    github = GITHUB | {
        "GITHUB_SHA": repository.head(),
        "GITHUB_ACTION_PATH": str(INTEGRATIONS / "github"),
        "RUNNER_TEMP": str(repository.folder.parent),
    }
    for command, expected in (("start", "in_progress"), ("finish", "success")):
        inputs = {
            "url": server.url,
            "token": runner.environment["TRACKER_TOKEN"],
            "command": command,
            "service": "web",
        }
        script, variables = githubs_step(inputs, "success")
        assert runner.run(script, **github, **variables).returncode == 0
        assert [(one["status"], one["service"]) for one in recorded(client)] == [(expected, "web")]
    assert recorded(client)[0]["duration_seconds"] > 0


def test_githubs_action_never_fails_the_job(runner: Runner, repository: Repository) -> None:
    github = GITHUB | {
        "GITHUB_ACTION_PATH": str(INTEGRATIONS / "github"),
        "RUNNER_TEMP": str(repository.folder.parent),
    }
    script, variables = githubs_step({"url": "http://127.0.0.1:9", "package": "not-there"}, "success")
    done = runner.run(script, **github, **variables)
    assert (done.returncode, "::warning" in done.stdout) == (0, True)


def test_what_githubs_action_is_told_is_no_code(
    server: Server, client: httpx.Client, runner: Runner, repository: Repository
) -> None:
    evil = '"; touch owned; $(touch owned) `touch owned`'
    github = GITHUB | {
        "GITHUB_SHA": repository.head(),
        "GITHUB_ACTION_PATH": str(INTEGRATIONS / "github"),
        "RUNNER_TEMP": str(repository.folder.parent),
    }
    script, variables = githubs_step(
        {
            "url": server.url,
            "token": runner.environment["TRACKER_TOKEN"],
            "service": evil,
            "arguments": f"--title\n{evil}",
        },
        "success",
    )
    runner.run(script, **github, **variables)
    assert not (repository.folder / "owned").exists()
    assert [(one["service"], one["title"]) for one in recorded(client)] == [(evil, evil)]


@STATUSES
@pytest.mark.parametrize("of", ["page", "component"])
def test_gitlabs_job_records(
    server: Server,
    client: httpx.Client,
    runner: Runner,
    repository: Repository,
    of: str,
    exits: str,
    status: str,
) -> None:
    job = yaml_of(snippets("gitlab")[0])["deploy"]
    if of == "component":
        job |= yaml_of(gitlab_component(url="https://tracker.example.com"))[".record-deployment"]
    assert job["id_tokens"] == {"TRACKER_ID_TOKEN": {"aud": "https://tracker.example.com"}}
    variables = GITLAB | {
        "CI_COMMIT_SHA": repository.head(),
        "CI_PROJECT_DIR": str(repository.folder),
        "CI_ENVIRONMENT_NAME": job["environment"],
    }
    variables |= filled(job["variables"], server) | {
        "TRACKER_SPOOL_DIR": str(repository.folder / ".shiptally")
    }
    deployed = runner.run("\n".join(job["script"]), **variables, DEPLOY_EXITS=exits)
    word = "failed" if deployed.returncode else "success"
    assert runner.run("\n".join(job["after_script"]), **variables | {"CI_JOB_STATUS": word}).returncode == 0
    assert [(one["status"], one["environment"], one["deployment_node_id"]) for one in recorded(client)] == [
        (status, "production", "gitlab:302")
    ]


@STATUSES
@pytest.mark.parametrize("of", ["page", "library"])
def test_jenkins_pipeline_records(
    server: Server,
    client: httpx.Client,
    runner: Runner,
    repository: Repository,
    of: str,
    exits: str,
    status: str,
) -> None:
    text = (
        snippets("jenkins")[0]
        if of == "page"
        else (INTEGRATIONS / "jenkins" / "vars" / "recordDeployment.groovy").read_text()
    )
    script = re.findall(r"""sh ['"](.*)['"]""", text)[-1].replace("${arguments}", '--status "$JOB_STATUS"')
    word = {"0": "SUCCESS", "1": "FAILURE"}[exits]
    variables = JENKINS | {"GIT_COMMIT": repository.head(), "TRACKER_URL": server.url, "JOB_STATUS": word}
    assert runner.run(script, "sh -xe", **variables).returncode == 0
    assert [(one["status"], one["branch"], one["repository"]) for one in recorded(client)] == [
        (status, "main", "acme/widget")
    ]


def circlecis_commands(of: str, status: str) -> tuple[list[str], dict[str, str]]:
    """The commands that run in a job that went so, and their variables."""
    if of == "page":
        job = yaml_of(snippets("circleci")[0])["jobs"]["deploy"]
        return [step["run"] for step in job["steps"] if isinstance(step, dict)], job["environment"]
    command = yaml_of((INTEGRATIONS / "circleci" / "orb.yml").read_text())["commands"]["record"]
    when = "on_success" if status == "success" else "on_fail"
    (step,) = [step["run"] for step in command["steps"] if step["run"]["when"] == when]
    given = {name: one.get("default", "") for name, one in command["parameters"].items()} | {
        "url": "https://tracker.example.com"
    }

    def fill(text: str) -> str:
        return re.sub(r"<< parameters\.(\w+) >>", lambda found: given[found[1]], text)

    return [fill(step["command"])], {name: fill(text) for name, text in step["environment"].items()}


@STATUSES
@pytest.mark.parametrize("of", ["page", "orb"])
def test_circlecis_job_records(
    server: Server,
    client: httpx.Client,
    runner: Runner,
    repository: Repository,
    of: str,
    exits: str,
    status: str,
) -> None:
    commands, variables = circlecis_commands(of, status)
    environment = CIRCLECI | {"CIRCLE_SHA1": repository.head()} | filled(variables, server)
    for command in commands:
        done = runner.run(command, "bash -eo pipefail", **environment, DEPLOY_EXITS=exits)
        assert done.returncode == (int(exits) if of == "page" else 0), done.stderr
    (record,) = recorded(client)
    assert (record["status"], record["repository"], record["branch"]) == (
        status,
        "acme/widget",
        "feature-branch-1",
    )


@STATUSES
def test_buildkites_step_records(
    server: Server, client: httpx.Client, runner: Runner, repository: Repository, exits: str, status: str
) -> None:
    (step,) = yaml_of(snippets("buildkite")[0])["steps"]
    environment = BUILDKITE | {"BUILDKITE_COMMIT": repository.head()} | filled(step["env"], server)
    assert runner.run(step["command"], **environment, DEPLOY_EXITS=exits).returncode == int(exits)
    assert [(one["status"], one["repository"]) for one in recorded(client)] == [
        (status, "acme-inc/my-project")
    ]


@STATUSES
def test_buildkites_plugin_records(
    server: Server, client: httpx.Client, runner: Runner, repository: Repository, exits: str, status: str
) -> None:
    properties = yaml_of((INTEGRATIONS / "buildkite" / "plugin.yml").read_text())["configuration"][
        "properties"
    ]
    given = {
        "url": server.url,
        "environment": "blue",
        "service": "web",
        "arguments": "--production --team checkout",
    }
    assert given.keys() == properties.keys()
    environment = BUILDKITE | {"BUILDKITE_COMMIT": repository.head(), "BUILDKITE_COMMAND_EXIT_STATUS": exits}
    environment |= {f"BUILDKITE_PLUGIN_SHIPTALLY_{name.upper()}": text for name, text in given.items()}
    assert runner.run(str(INTEGRATIONS / "buildkite" / "hooks" / "pre-exit"), **environment).returncode == 0
    (record,) = recorded(client)
    assert [record[name] for name in ("status", "environment", "service", "production", "team")] == [
        status,
        "blue",
        "web",
        True,
        "checkout",
    ]


@STATUSES
@pytest.mark.parametrize("of", ["page", "template"])
def test_azures_step_records(
    server: Server,
    client: httpx.Client,
    runner: Runner,
    repository: Repository,
    of: str,
    exits: str,
    status: str,
) -> None:
    step = yaml_of(
        snippets("azure")[0] if of == "page" else (INTEGRATIONS / "azure" / "record.yml").read_text()
    )["steps"][-1]
    assert step["condition"] == "always()"
    text = json.dumps(step).replace("${{ parameters.url }}", "https://tracker.example.com")
    step = json.loads(re.sub(r"\$\{\{ parameters\.\w+ \}\}", "", text))
    variables = filled(step["env"], server)
    environment = AZURE | {
        "BUILD_SOURCEVERSION": repository.head(),
        "AGENT_JOBSTATUS": {"0": "SucceededWithIssues", "1": "Failed"}[exits],
    }
    assert runner.run(step["script"], **environment, **variables).returncode == 0
    (record,) = recorded(client)
    assert (record["status"], record["branch"], record["repository"]) == (
        status,
        "feature/tools",
        "fabrikamfiber/Widget Project/Scripts",
    )


@STATUSES
def test_bitbuckets_step_records(
    server: Server, client: httpx.Client, runner: Runner, repository: Repository, exits: str, status: str
) -> None:
    (entry,) = yaml_of(snippets("bitbucket")[0])["pipelines"]["branches"]["main"]
    step = entry["step"]
    environment = BITBUCKET | {
        "BITBUCKET_COMMIT": repository.head(),
        "BITBUCKET_DEPLOYMENT_ENVIRONMENT": step["deployment"],
    }
    deployed = runner.run("\n".join(step["script"]), **environment, DEPLOY_EXITS=exits)
    after = "\n".join(step["after-script"]).replace("https://tracker.example.com", server.url)
    assert runner.run(after, **environment, BITBUCKET_EXIT_CODE=str(deployed.returncode)).returncode == 0
    assert [(one["status"], one["repository"], one["environment"]) for one in recorded(client)] == [
        (status, "acme/widget", "production")
    ]


@STATUSES
@pytest.mark.parametrize(("name", "number", "system"), [("drone", 0, DRONE), ("woodpecker", 1, WOODPECKER)])
def test_drones_and_woodpeckers_step_records(
    server: Server,
    client: httpx.Client,
    runner: Runner,
    repository: Repository,
    name: str,
    number: int,
    system: dict[str, str],
    exits: str,
    status: str,
) -> None:
    (step,) = yaml_of(snippets("drone")[number])["steps"]
    commit = {"drone": "DRONE_COMMIT_SHA", "woodpecker": "CI_COMMIT_SHA"}[name]
    environment = system | {commit: repository.head()} | filled(step["environment"], server)
    assert runner.run(
        "\n".join(step["commands"]), "sh -e", **environment, DEPLOY_EXITS=exits
    ).returncode == int(exits)
    (record,) = recorded(client)
    assert (record["status"], record["deployment_node_id"].partition(":")[0]) == (status, name)


@STATUSES
def test_teamcitys_step_records(
    server: Server, client: httpx.Client, runner: Runner, repository: Repository, exits: str, status: str
) -> None:
    environment = TEAMCITY | {"BUILD_VCS_NUMBER": repository.head(), "TRACKER_URL": server.url}
    assert runner.run(snippets("teamcity")[0], "sh -e", **environment, DEPLOY_EXITS=exits).returncode == int(
        exits
    )
    assert [(one["status"], one["repository"]) for one in recorded(client)] == [(status, "acme/shop")]


def kubernetes_variables(step: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, str]:
    """The variables of a container whose placeholders have these values; those out of secrets are the runner's."""
    found = {}
    for one in step["env"]:
        if "value" in one:
            text = one["value"]
            for placeholder, value in values.items():
                text = text.replace(placeholder, value)
            assert "$(" not in text, text
            assert "{{" not in text, text
            found[one["name"]] = text
    return found


@STATUSES
def test_tektons_task_records(
    server: Server, client: httpx.Client, runner: Runner, repository: Repository, exits: str, status: str
) -> None:
    (step,) = yaml_of(snippets("tekton")[0])["spec"]["steps"]
    values = {
        "https://tracker.example.com": server.url, "$(context.taskRun.uid)": "0f1e2d3c", "$(context.task.retry-count)": "0",
        "$(params.repo-url)": "https://github.com/acme/shop", "$(params.revision)": repository.head(), "$(params.branch)": "main",
    }  # fmt: skip
    assert runner.run(
        step["script"], "sh -e", **kubernetes_variables(step, values), DEPLOY_EXITS=exits
    ).returncode == int(exits)
    (record,) = recorded(client)
    assert (record["status"], record["branch"], record["deployment_node_id"]) == (
        status,
        "main",
        "tekton:0f1e2d3c:0",
    )


@pytest.mark.parametrize(
    ("word", "status"), [("Succeeded", "success"), ("Failed", "fail"), ("Error", "fail")]
)
def test_argos_exit_handler_records(
    server: Server, client: httpx.Client, runner: Runner, repository: Repository, word: str, status: str
) -> None:
    workflow = yaml_of(snippets("argo")[0])["spec"]
    (template,) = [one["script"] for one in workflow["templates"] if one["name"] == workflow["onExit"]]
    values = {
        "https://tracker.example.com": server.url, "{{workflow.uid}}": "4d3b2a10", "{{workflow.status}}": word,
        "{{workflow.parameters.repo-url}}": "https://github.com/acme/shop", "{{workflow.parameters.commit}}": repository.head(),
    }  # fmt: skip
    script = template["source"].replace("{{workflow.creationTimestamp}}", "2026-03-02T09:00:00Z")
    assert (
        runner.run(
            script, "sh -e", **kubernetes_variables(template, values), ARGO_NODE_ID="deploy-9tql2-1"
        ).returncode
        == 0
    )
    (record,) = recorded(client)
    assert (record["status"], record["started_at"], record["deployment_node_id"]) == (
        status,
        "2026-03-02T09:00:00Z",
        "argo:4d3b2a10",
    )

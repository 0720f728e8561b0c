"""What a run is, out of each CI system's variables, named and shaped as its documentation has them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tracker.client.systems import SYSTEMS, run_of

SHA = "c27d339ee6075c1f744c5d4b200f7901aad2c369"
GITHUB = {
    "CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_ACTOR": "octocat", "GITHUB_TRIGGERING_ACTOR": "octocat",
    "GITHUB_SERVER_URL": "https://github.com", "GITHUB_BASE_REF": "", "GITHUB_HEAD_REF": "", "GITHUB_EVENT_NAME": "push",
    "GITHUB_JOB": "deploy", "GITHUB_REF": "refs/heads/main", "GITHUB_REF_NAME": "main", "GITHUB_REF_TYPE": "branch",
    "GITHUB_REPOSITORY": "octocat/hello-world", "GITHUB_RUN_ATTEMPT": "1", "GITHUB_RUN_ID": "1658821493",
    "GITHUB_RUN_NUMBER": "314", "GITHUB_SHA": SHA, "GITHUB_WORKFLOW": "CI",
}  # fmt: skip
GITLAB = {
    "CI": "true", "GITLAB_CI": "true", "CI_SERVER_NAME": "GitLab", "CI_COMMIT_BRANCH": "feature-branch-1", "CI_COMMIT_REF_NAME": "feature-branch-1",
    "CI_COMMIT_SHA": SHA, "CI_JOB_ID": "302", "CI_JOB_STATUS": "running", "CI_JOB_STARTED_AT": "2022-01-31T16:47:55Z",
    "CI_JOB_URL": "https://gitlab.example.com/my-group/my-project/-/jobs/302", "CI_PIPELINE_ID": "574",
    "CI_PROJECT_PATH": "my-group/my-project", "CI_PROJECT_URL": "https://gitlab.example.com/my-group/my-project",
    "CI_REPOSITORY_URL": "https://gitlab-ci-token:glcbt-64_EXAMPLE@gitlab.example.com/my-group/my-project.git", "GITLAB_USER_LOGIN": "sample-user",
}  # fmt: skip
JENKINS = {
    "CI": "true", "JENKINS_URL": "https://jenkins.example.com/", "BUILD_NUMBER": "153", "BUILD_ID": "153", "BUILD_TAG": "jenkins-acme-widget-main-153",
    "BUILD_URL": "https://jenkins.example.com/job/acme/job/widget/job/main/153/", "JOB_NAME": "acme/widget/main", "BRANCH_NAME": "main",
    "GIT_BRANCH": "main", "GIT_COMMIT": SHA, "GIT_URL": "https://github.com/acme/widget.git",
}  # fmt: skip
AZURE = {
    "TF_BUILD": "True", "AGENT_JOBSTATUS": "Succeeded", "BUILD_BUILDID": "1430", "BUILD_BUILDNUMBER": "20240315.1", "BUILD_REASON": "IndividualCI",
    "BUILD_REPOSITORY_URI": "https://fabrikamfiber@dev.azure.com/fabrikamfiber/Widget%20Project/_git/Scripts",
    "BUILD_REQUESTEDFOR": "Raisa Pokrovskaya", "BUILD_REQUESTEDFOREMAIL": "raisa@fabrikam.com", "BUILD_SOURCEBRANCH": "refs/heads/feature/tools",
    "BUILD_SOURCEBRANCHNAME": "tools", "BUILD_SOURCEVERSION": SHA, "SYSTEM_COLLECTIONURI": "https://dev.azure.com/fabrikamfiber/",
    "SYSTEM_TEAMPROJECT": "Widget Project", "SYSTEM_JOBATTEMPT": "1", "SYSTEM_PIPELINESTARTTIME": "2024-03-15 10:02:03+00:00",
}  # fmt: skip
CIRCLECI = {
    "CI": "true", "CIRCLECI": "true", "CIRCLE_BRANCH": "feature-branch-1", "CIRCLE_BUILD_NUM": "1514",
    "CIRCLE_BUILD_URL": "https://circleci.com/gh/acme/widget/1514", "CIRCLE_REPOSITORY_URL": "git@github.com:acme/widget.git",
    "CIRCLE_SHA1": SHA, "CIRCLE_USERNAME": "octocat", "CIRCLE_WORKFLOW_JOB_ID": "1d4f0b66-2a2f-4f0b-8c52-0a1b2c3d4e5f",
}  # fmt: skip
BUILDKITE = {
    "CI": "true", "BUILDKITE": "true", "BUILDKITE_BRANCH": "main", "BUILDKITE_BUILD_CREATOR": "Carol Danvers", "BUILDKITE_COMMIT": SHA,
    "BUILDKITE_BUILD_URL": "https://buildkite.com/acme-inc/my-project/builds/1514", "BUILDKITE_JOB_ID": "e44f9784-e20e-4b93-a21d-f41fd5869db9",
    "BUILDKITE_PULL_REQUEST": "false", "BUILDKITE_PULL_REQUEST_LABELS": "", "BUILDKITE_REPO": "git@github.com:acme-inc/my-project.git",
    "BUILDKITE_RETRY_COUNT": "0", "BUILDKITE_TAG": "",
}  # fmt: skip
BITBUCKET = {
    "CI": "true", "BITBUCKET_BRANCH": "main", "BITBUCKET_BUILD_NUMBER": "5", "BITBUCKET_COMMIT": SHA,
    "BITBUCKET_GIT_HTTP_ORIGIN": "http://bitbucket.org/acme/widget", "BITBUCKET_STEP_RUN_NUMBER": "1",
    "BITBUCKET_STEP_TRIGGERER_UUID": "{5a50dd52-5ab7-4225-831c-4db9451375a2}", "BITBUCKET_STEP_UUID": "{0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0}",
}  # fmt: skip
TEAMCITY = {
    "TEAMCITY_VERSION": "2025.07 (build 197242)", "BUILD_NUMBER": "162", "BUILD_URL": "https://teamcity.example.com/build/12345",
    "BUILD_VCS_NUMBER": SHA,
}  # fmt: skip
DRONE = {
    "CI": "true", "DRONE": "true", "DRONE_REPO": "octocat/hello-world", "DRONE_BRANCH": "master", "DRONE_SOURCE_BRANCH": "master",
    "DRONE_GIT_HTTP_URL": "https://github.com/octocat/hello-world.git", "DRONE_COMMIT_SHA": SHA, "DRONE_COMMIT_AUTHOR": "octocat",
    "DRONE_BUILD_NUMBER": "42", "DRONE_BUILD_LINK": "http://drone.company.com/octocat/hello-world/42", "DRONE_STAGE_STARTED": "1561421746",
    "DRONE_STAGE_STATUS": "success", "DRONE_DEPLOY_TO": "",
}  # fmt: skip
WOODPECKER = {
    "CI": "woodpecker", "CI_REPO": "john-doe/my-repo", "CI_REPO_URL": "https://git.example.com/john-doe/my-repo",
    "CI_REPO_CLONE_URL": "https://git.example.com/john-doe/my-repo.git", "CI_COMMIT_SHA": SHA, "CI_COMMIT_BRANCH": "main",
    "CI_PIPELINE_NUMBER": "8", "CI_PIPELINE_AUTHOR": "octocat", "CI_STEP_STARTED": "1722617525",
    "CI_STEP_URL": "https://ci.example.com/repos/7/pipeline/8/2", "CI_PREV_PIPELINE_STATUS": "failure",
}  # fmt: skip
TEKTON = {
    "TEKTON_PIPELINE_RUN_UID": "0f1e2d3c", "TEKTON_RETRY": "0", "TEKTON_REPOSITORY_URL": "https://github.com/acme/widget",
    "TEKTON_COMMIT": SHA, "TEKTON_REVISION": "refs/heads/main", "TEKTON_TASKS_STATUS": "Failed",
}  # fmt: skip
ARGO_WORKFLOWS = {
    "ARGO_CONTAINER_NAME": "main", "ARGO_NODE_ID": "widget-ci-9tql2-1268523425", "ARGO_WORKFLOW_UID": "4d3b2a10",
    "ARGO_REPOSITORY_URL": "https://github.com/acme/widget.git", "ARGO_COMMIT": SHA, "ARGO_BRANCH": "main", "ARGO_WORKFLOW_STATUS": "Succeeded",
}  # fmt: skip
ARGO_CD = {
    "ARGOCD_APP_NAME": "guestbook", "ARGOCD_APP_REVISION": SHA, "ARGOCD_APP_SOURCE_TARGET_REVISION": "master",
    "ARGOCD_APP_SOURCE_REPO_URL": "https://github.com/argoproj/argocd-example-apps",
}  # fmt: skip
AT = datetime(2022, 1, 31, 16, 47, 55, tzinfo=UTC)

RUNS: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "GitHub, push": (GITHUB, {
        "node_id": "github:1658821493:1", "repository_url": "https://github.com/octocat/hello-world", "commit_id": SHA, "branch": "main",
        "tag": None, "actor": "octocat", "url": "https://github.com/octocat/hello-world/actions/runs/1658821493/attempts/1",
    }),
    "GitHub, tag": (GITHUB | {"GITHUB_REF": "refs/tags/v1.2.3", "GITHUB_REF_NAME": "v1.2.3", "GITHUB_REF_TYPE": "tag"}, {
        "branch": None, "tag": "v1.2.3", "commit_id": SHA,
    }),
    "GitHub, pull request": (
        GITHUB | {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_REF": "refs/pull/1234/merge", "GITHUB_HEAD_REF": "feature-branch-1", "GITHUB_BASE_REF": "main"},
        {"branch": "feature-branch-1", "tag": None},
    ),
    "GitHub, re-run": (GITHUB | {"GITHUB_RUN_ATTEMPT": "2", "GITHUB_TRIGGERING_ACTOR": "monalisa"}, {
        "node_id": "github:1658821493:2", "actor": "monalisa",
    }),
    "GitHub Enterprise Server": (GITHUB | {"GITHUB_SERVER_URL": "https://git.corp.example"}, {
        "repository_url": "https://git.corp.example/octocat/hello-world",
    }),
    "GitLab, push": (GITLAB, {
        "node_id": "gitlab:302", "repository_url": "https://gitlab.example.com/my-group/my-project", "branch": "feature-branch-1",
        "actor": "sample-user", "started_at": AT, "url": "https://gitlab.example.com/my-group/my-project/-/jobs/302",
    }),
    "GitLab, tag": ({n: v for n, v in GITLAB.items() if n != "CI_COMMIT_BRANCH"} | {"CI_COMMIT_TAG": "v1.2.3"}, {
        "branch": None, "tag": "v1.2.3",
    }),
    "GitLab, merge request": (
        {n: v for n, v in GITLAB.items() if n != "CI_COMMIT_BRANCH"}
        | {"CI_MERGE_REQUEST_IID": "1", "CI_MERGE_REQUEST_ID": "10021", "CI_MERGE_REQUEST_LABELS": "bug,priority::high",
           "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "feature-branch-1"},
        {"branch": "feature-branch-1", "pull_request_number": 1, "labels": ("bug", "priority::high")},
    ),
    "GitLab, retried job in an environment": (GITLAB | {"CI_JOB_ID": "319", "CI_ENVIRONMENT_NAME": "staging"}, {
        "node_id": "gitlab:319", "environment": "staging",
    }),
    "GitLab, after_script": (GITLAB | {"CI_JOB_STATUS": "failed"}, {"status": "failed"}),
    "Jenkins, multibranch": (JENKINS, {
        "node_id": "jenkins:jenkins-acme-widget-main-153", "repository_url": "https://github.com/acme/widget.git", "branch": "main", "commit_id": SHA,
    }),
    "Jenkins, freestyle": ({n: v for n, v in JENKINS.items() if n != "BRANCH_NAME"} | {"GIT_BRANCH": "origin/feature/x"}, {"branch": "feature/x"}),
    "Jenkins, tag": (JENKINS | {"BRANCH_NAME": "v1.2.3", "TAG_NAME": "v1.2.3", "GIT_BRANCH": "v1.2.3"}, {"branch": None, "tag": "v1.2.3"}),
    "Jenkins, pull request": (
        JENKINS | {"BRANCH_NAME": "PR-24", "CHANGE_ID": "24", "CHANGE_BRANCH": "feature-branch-1", "CHANGE_TARGET": "main", "CHANGE_FORK": "contributor"},
        {"branch": "feature-branch-1", "pull_request_number": 24},
    ),
    "Azure, push": (AZURE, {
        "node_id": "azure:1430:1", "branch": "feature/tools", "commit_id": SHA, "actor": "raisa@fabrikam.com", "status": "Succeeded",
        "started_at": datetime(2024, 3, 15, 10, 2, 3, tzinfo=UTC),
        "url": "https://dev.azure.com/fabrikamfiber/Widget%20Project/_build/results?buildId=1430",
    }),
    "Azure, tag": (AZURE | {"BUILD_SOURCEBRANCH": "refs/tags/v1.2.3"}, {"branch": None, "tag": "v1.2.3"}),
    "Azure, pull request at GitHub": (
        AZURE | {"BUILD_SOURCEBRANCH": "refs/pull/17/merge", "SYSTEM_PULLREQUEST_PULLREQUESTID": "1234567890",
                 "SYSTEM_PULLREQUEST_PULLREQUESTNUMBER": "17", "SYSTEM_PULLREQUEST_SOURCEBRANCH": "feature-branch-1"},
        {"branch": "feature-branch-1", "pull_request_number": 17},
    ),
    "Azure, pull request at Azure": (
        AZURE | {"BUILD_SOURCEBRANCH": "refs/pull/17/merge", "SYSTEM_PULLREQUEST_PULLREQUESTID": "17", "SYSTEM_PULLREQUEST_SOURCEBRANCH": "refs/heads/users/raisa/new"},
        {"branch": "users/raisa/new", "pull_request_number": 17},
    ),
    "Azure, re-run": (AZURE | {"SYSTEM_JOBATTEMPT": "2"}, {"node_id": "azure:1430:2"}),
    "CircleCI, push": (CIRCLECI, {
        "node_id": "circleci:1d4f0b66-2a2f-4f0b-8c52-0a1b2c3d4e5f", "repository_url": "git@github.com:acme/widget.git", "branch": "feature-branch-1",
        "pull_request_number": None,
    }),
    "CircleCI, tag": ({n: v for n, v in CIRCLECI.items() if n != "CIRCLE_BRANCH"} | {"CIRCLE_TAG": "v1.2.3"}, {"branch": None, "tag": "v1.2.3"}),
    "CircleCI, pull request": (CIRCLECI | {"CIRCLE_PULL_REQUEST": "https://github.com/acme/widget/pull/24"}, {"pull_request_number": 24}),
    "Buildkite, push": (BUILDKITE, {
        "node_id": "buildkite:e44f9784-e20e-4b93-a21d-f41fd5869db9", "branch": "main", "tag": None, "pull_request_number": None, "labels": (),
        "url": "https://buildkite.com/acme-inc/my-project/builds/1514#e44f9784-e20e-4b93-a21d-f41fd5869db9",
    }),
    "Buildkite, tag": (BUILDKITE | {"BUILDKITE_TAG": "v1.2.3", "BUILDKITE_BRANCH": "v1.2.3"}, {"branch": None, "tag": "v1.2.3"}),
    "Buildkite, pull request": (
        BUILDKITE | {"BUILDKITE_BRANCH": "contributor:feature-branch-1", "BUILDKITE_PULL_REQUEST": "123", "BUILDKITE_PULL_REQUEST_LABELS": "label1,label2"},
        {"pull_request_number": 123, "labels": ("label1", "label2")},
    ),
    "Buildkite, of whatever is newest": (BUILDKITE | {"BUILDKITE_COMMIT": "HEAD"}, {"commit_id": None}),
    "Buildkite, after the command": (BUILDKITE | {"BUILDKITE_COMMAND_EXIT_STATUS": "1"}, {"status": "fail"}),
    "Bitbucket, push": (BITBUCKET, {
        "node_id": "bitbucket:{0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0}:1", "repository_url": "https://bitbucket.org/acme/widget", "branch": "main",
        "url": "https://bitbucket.org/acme/widget/pipelines/results/5",
    }),
    "Bitbucket, tag": ({n: v for n, v in BITBUCKET.items() if n != "BITBUCKET_BRANCH"} | {"BITBUCKET_TAG": "v1.2.3"}, {"branch": None, "tag": "v1.2.3"}),
    "Bitbucket, pull request": (BITBUCKET | {"BITBUCKET_BRANCH": "feature-branch-1", "BITBUCKET_PR_ID": "17"}, {"pull_request_number": 17, "branch": "feature-branch-1"}),
    "Bitbucket, re-run step that failed": (
        BITBUCKET | {"BITBUCKET_STEP_RUN_NUMBER": "2", "BITBUCKET_DEPLOYMENT_ENVIRONMENT": "production", "BITBUCKET_EXIT_CODE": "1"},
        {"node_id": "bitbucket:{0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0}:2", "environment": "production", "status": "fail"},
    ),
    "TeamCity, without its files": (TEAMCITY, {"node_id": "teamcity:162", "commit_id": SHA, "branch": None, "url": "https://teamcity.example.com/build/12345"}),
    "Drone, push": (DRONE, {
        "node_id": "drone:octocat/hello-world/42", "branch": "master", "actor": "octocat", "started_at": datetime(2019, 6, 25, 0, 15, 46, tzinfo=UTC),
        "environment": None,
    }),
    "Drone, tag": (DRONE | {"DRONE_TAG": "v1.2.3", "DRONE_BRANCH": ""}, {"branch": None, "tag": "v1.2.3"}),
    "Drone, pull request": (DRONE | {"DRONE_PULL_REQUEST": "32", "DRONE_SOURCE_BRANCH": "develop"}, {"branch": "develop", "pull_request_number": 32}),
    "Drone, promotion": (DRONE | {"DRONE_BUILD_EVENT": "promote", "DRONE_DEPLOY_TO": "prod"}, {"environment": "prod"}),
    "Woodpecker, push": (WOODPECKER, {
        "system": "woodpecker", "node_id": "woodpecker:john-doe/my-repo/8", "repository_url": "https://git.example.com/john-doe/my-repo.git", "branch": "main",
        "started_at": datetime(2024, 8, 2, 16, 52, 5, tzinfo=UTC), "status": None,
    }),
    "Woodpecker, tag": (WOODPECKER | {"CI_COMMIT_TAG": "v1.10.3"}, {"branch": None, "tag": "v1.10.3"}),
    "Woodpecker, pull request": (
        WOODPECKER | {"CI_COMMIT_SOURCE_BRANCH": "issue-branch", "CI_COMMIT_PULL_REQUEST": "1", "CI_COMMIT_PULL_REQUEST_LABELS": "server,bug"},
        {"branch": "issue-branch", "pull_request_number": 1, "labels": ("server", "bug")},
    ),
    "Tekton": (TEKTON, {"node_id": "tekton:0f1e2d3c:0", "branch": "main", "commit_id": SHA, "status": "Failed"}),
    "Argo Workflows": (ARGO_WORKFLOWS, {"node_id": "argo:4d3b2a10", "branch": "main", "status": "Succeeded"}),
    "Argo CD": (ARGO_CD, {"node_id": None, "commit_id": SHA, "branch": "master", "repository_url": "https://github.com/argoproj/argocd-example-apps"}),
}  # fmt: skip


@pytest.mark.parametrize("name", RUNS)
def test_a_run_is_what_the_variables_of_its_system_say(name: str) -> None:
    environment, expected = RUNS[name]
    found = run_of(environment)
    assert found is not None
    assert {field: getattr(found, field) for field in expected} == expected


def test_every_system_is_among_them() -> None:
    assert len({run.system for environment, _ in RUNS.values() if (run := run_of(environment))}) == len(
        SYSTEMS
    )


def test_outside_of_a_ci_system_there_is_no_run() -> None:
    assert (
        run_of({"PATH": "/usr/bin", "CI": "true", "GITHUB_ACTIONS": "", "ARGOCD_SERVER": "argocd.example"})
        is None
    )


def test_variables_that_are_not_there_leave_gaps_and_break_nothing() -> None:
    for environment, _ in RUNS.values():
        for left_out in environment:
            run_of({name: value for name, value in environment.items() if name != left_out})


def test_githubs_event_tells_the_pull_request_and_its_labels(tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_text(
        json.dumps(
            {
                "number": 1234,
                "pull_request": {"number": 1234, "labels": [{"name": "bug"}, {"name": "urgent"}]},
            }
        )
    )
    found = run_of(GITHUB | {"GITHUB_EVENT_PATH": str(event)})
    assert found is not None
    assert (found.pull_request_number, found.labels) == (1234, ("bug", "urgent"))


@pytest.mark.parametrize("text", ["", "no JSON", "[]", '{"pull_request": null}'])
def test_an_event_that_cannot_be_read_is_passed_over(tmp_path: Path, text: str) -> None:
    event = tmp_path / "event.json"
    event.write_text(text)
    found = run_of(GITHUB | {"GITHUB_EVENT_PATH": str(event)})
    assert found is not None
    assert (found.pull_request_number, found.labels, found.commit_id) == (None, (), SHA)


@pytest.mark.parametrize(
    ("branch", "lines", "expected"),
    [
        ("main", "", {"branch": "main", "tag": None}),
        ("refs/tags/v1.2.3", "", {"branch": None, "tag": "v1.2.3"}),
        ("<default>", "", {"branch": None}),
        (
            "pull/17",
            "teamcity.pullRequest.number=17\nteamcity.pullRequest.source.branch=feature-branch-1\n",
            {"branch": "feature-branch-1", "pull_request_number": 17},
        ),
    ],
)
def test_teamcitys_files_tell_what_its_variables_do_not(
    tmp_path: Path, branch: str, lines: str, expected: dict[str, Any]
) -> None:
    (tmp_path / "config").write_text(
        f"teamcity.build.branch={branch}\nvcsroot.url=https\\://github.com/acme/widget.git\nteamcity.build.triggeredBy.username=r\\u00e9n\u00e9\n{lines}",
        "latin-1",
    )
    (tmp_path / "build").write_text(
        f"#comment\nteamcity.build.id=12345\nteamcity.configuration.properties.file={tmp_path}/config\n"
    )
    found = run_of(TEAMCITY | {"TEAMCITY_BUILD_PROPERTIES_FILE": str(tmp_path / "build")})
    assert found is not None
    assert (found.node_id, found.repository_url, found.actor) == (
        "teamcity:12345",
        "https://github.com/acme/widget.git",
        "réné",
    )
    assert {name: getattr(found, name) for name in expected} == expected

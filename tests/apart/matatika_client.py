"""Asks through Matatika's own Python client, in its environment; prints what it was answered."""

import json
import os

from matatika.catalog import Catalog
from matatika.exceptions import MatatikaException
from matatika.library import MatatikaClient
from matatika.types import Resource
from requests.exceptions import HTTPError

client = MatatikaClient(os.environ["TOKEN"], endpoint_url=os.environ["ENDPOINT"])
workspaces = client.list_resources(Resource.WORKSPACE)
client.workspace_id = workspaces[0]["id"]
# It has no calls of its own for jobs: they go by its session, with what that makes of an error.
catalog = Catalog(client)
here = f"{catalog.workspaces_url}/{client.workspace_id}"


def refused(act, *arguments):
    try:
        act(*arguments)
    except MatatikaException as error:
        return {"error": "MatatikaException", "message": str(error)}
    except HTTPError as error:
        return {"error": "HTTPError", "message": error.response.json()["message"]}
    return None


job = catalog.session.post(f"{here}/deployments").json()
follow = {name: link["href"] for name, link in job["_links"].items()}
said = {
    "profile": client.profile(),
    "own_profile": catalog.session.get(client.profile()["_links"]["self"]["href"]).json(),
    "workspaces": workspaces,
    "workspace": catalog.session.get(here).json(),
    "job": job,
    "read": catalog.session.get(follow["self"]).json(),
    "jobs": catalog.session.get(f"{here}/jobs", params={"size": 1}).json(),
    "logs": catalog.session.get(follow["logs"]).status_code,
    "stopped": catalog.session.put(follow["withdraw job"]).json()["status"],
    "stopped_again": refused(catalog.session.put, follow["withdraw job"]),
    "deleted": catalog.session.delete(follow["delete job"]).status_code,
    "gone": refused(catalog.session.get, follow["self"]),
    "datasets": refused(client.list_resources, Resource.DATASET),
    "dataset": refused(client.fetch, "280a2ab2-f30e-4200-b765-ed73af3d63db"),
    "deleting": refused(client.delete_resources, Resource.WORKSPACE, client.workspace_id),
}
print(json.dumps(said))

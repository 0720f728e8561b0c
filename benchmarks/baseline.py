"""What the framework costs by itself: a handler that parses the same body and does nothing."""

import sys
from pathlib import Path

from litestar import Litestar, post
from litestar.params import JSONBody

from metrics.domain.deployments import NewDeployment
from tracker.app import RawBodies
from tracker.web.server import listenable_port, serve
from tracker.web.state import RawRequest


@post("/")
async def nothing(data: JSONBody[NewDeployment]) -> dict[str, str]:
    return {"commit_id": str(data.commit_id)}


def main() -> None:
    app = Litestar([nothing], request_class=RawRequest, plugins=[RawBodies()], openapi_config=None)
    serve(app, "127.0.0.1", listenable_port("127.0.0.1", 0), lambda url: Path(sys.argv[1]).write_text(url))


if __name__ == "__main__":
    main()

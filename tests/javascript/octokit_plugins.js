// Asks with the plugins that wait for a limit and try again; prints what came of it.
import { Octokit } from "@octokit/rest";
import { retry } from "@octokit/plugin-retry";
import { throttling } from "@octokit/plugin-throttling";

const limited = [], log = [];
const note = (kind) => (after, options) => { limited.push(`${kind} ${options.method} ${options.url}`); };
const keep = (line) => { log.push(line); };
const octokit = new (Octokit.plugin(throttling, retry))({
  auth: process.env.TOKEN,
  baseUrl: process.env.BASE_URL,
  log: { debug() {}, info: keep, warn: keep, error: keep },
  throttle: { onRateLimit: note("rate"), onSecondaryRateLimit: note("secondary") },
});
const where = { owner: "acme", repo: "plugins" };
const failed = async (call) => {
  try {
    return { status: (await call()).status };
  } catch (error) {
    return { name: error.name, status: error.status, message: error.message };
  }
};

const me = (await octokit.rest.users.getAuthenticated()).data.login;
const limit = (await octokit.rest.rateLimit.get()).data.resources.core.remaining;
const graphql = await octokit.graphql("{ viewer { login } rateLimit { remaining } }");
const unknown = await failed(() => octokit.graphql("{ repository { id } }"));
for (const ref of ["main", "topic"]) await octokit.rest.repos.createDeployment({ ...where, ref, required_contexts: [] });
const pages = [];
for await (const page of octokit.paginate.iterator(octokit.rest.repos.listDeployments, { ...where, per_page: 1 })) {
  pages.push(page.data.map((each) => each.ref));
}
const [{ id: deployment_id }] = (await octokit.rest.repos.listDeployments(where)).data;
const read = await octokit.rest.repos.getDeployment({ ...where, deployment_id });
const again = await failed(() => octokit.rest.repos.getDeployment({ ...where, deployment_id, headers: { "if-none-match": read.headers.etag } }));
const wrong = await failed(() => octokit.rest.repos.createDeploymentStatus({ ...where, deployment_id, state: "finished" }));
const missing = await failed(() => octokit.rest.repos.getDeployment({ ...where, deployment_id: 987654321 }));
console.log(JSON.stringify({ me, limit, graphql, unknown, pages, again, wrong, missing, limited, log }));

// Deploys through Octokit as a script of GitHub's users does; prints what it was answered.
import { Octokit } from "@octokit/rest";

const octokit = new Octokit({ auth: process.env.TOKEN, baseUrl: process.env.BASE_URL, log: { debug() {}, info() {}, warn() {}, error() {} } });
const where = { owner: "acme", repo: "octokit" };
const created = await octokit.rest.repos.createDeployment({
  ...where, ref: "main", required_contexts: [], payload: { room: 7 }, environment: "production",
});
const deployment_id = created.data.id;
await octokit.rest.repos.createDeploymentStatus({ ...where, deployment_id, state: "in_progress" });
const status = await octokit.rest.repos.createDeploymentStatus({
  ...where, deployment_id, state: "success", log_url: "https://ci.example/1", description: "done",
});
for (let number = 0; number < 3; number++) {
  await octokit.rest.repos.createDeployment({ ...where, ref: `topic-${number}`, required_contexts: [] });
}
const listed = await octokit.paginate(octokit.rest.repos.listDeployments, { ...where, per_page: 2 });
let refusal;
try {
  await octokit.rest.repos.getDeployment({ ...where, deployment_id: 987654321 });
} catch (error) {
  refusal = { name: error.name, status: error.status };
}
const one = await octokit.rest.repos.getDeployment({ ...where, deployment_id });
console.log(JSON.stringify({ deployment: one.data, status: status.data, refs: listed.map((each) => each.ref), refusal }));

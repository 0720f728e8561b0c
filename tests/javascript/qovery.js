// Deploys a job through Qovery's own client; prints what it was answered.
import { createRequire } from "node:module";

const { Configuration, JobActionsApi, JobMainCallsApi } = createRequire(import.meta.url)("qovery-typescript-axios");
const configuration = new Configuration({ accessToken: process.env.TOKEN, basePath: process.env.BASE_URL });
const actions = new JobActionsApi(configuration, process.env.BASE_URL);
const calls = new JobMainCallsApi(configuration, process.env.BASE_URL);
const job = process.env.JOB;

const refused = async (call) => {
  try {
    return (await call()).status;
  } catch (error) {
    return error.response.status;
  }
};
const both = await refused(() => actions.deployJob(job, undefined, { image_tag: "1.0", git_commit_id: "a".repeat(40) }));
const deployed = await actions.deployJob(job, "START", { git_commit_id: "a".repeat(40) });
const again = await refused(() => actions.deployJob(job, undefined, { image_tag: "1.0" }));
const status = await calls.getJobStatus(job);
const unknown = await refused(() => calls.getJobStatus("00000000-0000-0000-0000-000000000000"));
console.log(JSON.stringify({ both, deployed: deployed.status, state: deployed.data.state, again, status: status.data, unknown }));

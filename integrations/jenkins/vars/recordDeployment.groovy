// A step of a shared library: in `post { always { recordDeployment service: 'web' } }`.
// TRACKER_URL and TRACKER_TOKEN come from the folder's or the job's environment and credentials.
def call(Map options = [:]) {
    def arguments = options.collect { name, value -> "--${name} '${value}'" }.join(' ')
    withEnv(["JOB_STATUS=${currentBuild.currentResult}"]) {
        sh "pipx run shiptally record ${arguments} || true"
    }
}

# Read by the scripts beside it: where the emulated cloud lives, and what is pinned.

version=4.14.0 # LocalStack's last open-source release
image=localstack/localstack:$version
simulator=amplify-dynamodb-simulator@2.9.30 # the npm package that carries DynamoDB Local
simulator_sha256=3503ffac19f183407909fecdacf4db51ab1fdad1da7b2f177016670b2d80e4b9

port=${GODWIT_LOCALSTACK_PORT:-4566}
url=http://127.0.0.1:$port
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
home=${XDG_CACHE_HOME:-$HOME/.cache}/godwit-localstack # all that is installed
run=$home/run-$port                                   # pid, log and state of the one on this port
container=godwit-localstack-$port

say() { echo "localstack: $*" >&2; }
die() { say "$*"; exit 1; }

# healthy tells whether LocalStack answers.
healthy() { curl -fsS -m 2 -o /dev/null "$url/_localstack/health" 2>/dev/null; }

# docker_answers tells whether there is a Docker engine.
docker_answers() { command -v docker >/dev/null && timeout 5 docker info >/dev/null 2>&1; }

# running tells whether the process that the Python package runs in is alive. The start
# time keeps a number that was given to another process since from being taken for it.
running() {
	local pid started
	read -r pid started 2>/dev/null <"$run/pid" || return 1
	[ "$(started_at "$pid")" = "$started" ]
}

started_at() { ps -o lstart= -p "$1" 2>/dev/null | tr -s ' ' '-'; }

# gateway_runs tells whether dev.sh has a gateway running.
gateway_runs() { [ -s "$run/gateway.pid" ] && ps -o args= -p "$(cat "$run/gateway.pid")" 2>/dev/null | grep -q "^$run/gateway.bin"; }

stop_gateway() {
	gateway_runs || return 0
	kill "$(cat "$run/gateway.pid")"
	while gateway_runs; do sleep 0.1; done
	say "the gateway is stopped"
}

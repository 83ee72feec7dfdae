#!/usr/bin/env bash
# Stops what up.sh has started and removes its state, but not what was installed. Does
# nothing when it is down.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

# tree lists a process and all below it: LocalStack's DynamoDB, its functions.
tree() {
	local child
	echo "$1"
	for child in $(ps -eo pid=,ppid= | awk -v p="$1" '$2 == p { print $1 }'); do tree "$child"; done
}

stop_gateway
if docker_answers && docker rm -f "$container" 2>/dev/null | grep -q .; then
	say "the container is stopped and removed"
fi
if running; then
	read -r pid _ <"$run/pid"
	# From the top, so that nothing is started again. There is no state to be saved.
	for p in $(tree "$pid"); do kill -9 "$p" 2>/dev/null || true; done
	say "is stopped"
else
	say "is down"
fi
rm -rf "$run"

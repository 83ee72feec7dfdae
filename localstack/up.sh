#!/usr/bin/env bash
# Brings up LocalStack on 127.0.0.1:4566 (GODWIT_LOCALSTACK_PORT) and waits until S3, SQS
# and DynamoDB answer. Where a Docker engine answers it runs the image, else the Python
# package, which needs Python 3.13, Java 17 or later, and npm. Does nothing when it is up.
# The last line on standard output is the setting for programs that shall use it.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
. "$here/install.sh"

# How often a Lambda's queue is looked into: in AWS somebody always waits there, here it
# would be up to 10 s until a job is seen.
polling=(LAMBDA_EVENT_SOURCE_MAPPING_POLL_INTERVAL_SEC=0.1 LAMBDA_EVENT_SOURCE_MAPPING_MAX_BACKOFF_ON_EMPTY_POLL_SEC=0.3)

start_image() {
	docker image inspect "$image" >/dev/null 2>&1 || { say "pulling $image"; docker pull -q "$image" >/dev/null; } || return 1
	docker rm -f "$container" >/dev/null 2>&1 || true
	say "starting the image"
	docker run -d --name "$container" -p "127.0.0.1:$port:4566" -e DISABLE_EVENTS=1 -e SKIP_SSL_CERT_DOWNLOAD=1 -e DYNAMODB_IN_MEMORY=1 "${polling[@]/#/-e}" \
		-v /var/run/docker.sock:/var/run/docker.sock "$image" >/dev/null
}

start_package() {
	install_package
	stop_gateway # of a LocalStack that has ended by itself
	rm -rf "$run"
	mkdir -p "$run/root/var/lib/localstack"
	ln -s "$home/lib" "$run/root/var/lib/localstack/lib"
	say "starting the Python package (its log: $run/log)"
	# XDG_CACHE_HOME keeps its cache of plug-ins, which goes stale when one is added, in
	# a folder of its own; the ports of two LocalStacks must not meet.
	local ports=$((4510 + (port - 4566) * 50))
	(
		cd "$run"
		exec env -u AWS_ENDPOINT_URL -u AWS_PROFILE \
			GATEWAY_LISTEN="127.0.0.1:$port" EXTERNAL_SERVICE_PORTS_START=$ports EXTERNAL_SERVICE_PORTS_END=$((ports + 50)) \
			DISABLE_EVENTS=1 SKIP_SSL_CERT_DOWNLOAD=1 DYNAMODB_IN_MEMORY=1 "${polling[@]}" DNS_ADDRESS=0 OVERRIDE_IN_DOCKER=0 \
			FILESYSTEM_ROOT="$run/root" CONFIG_DIR="$run/config" XDG_CACHE_HOME="$run/cache" TMPDIR="$run" \
			LAMBDA_RUNTIME_EXECUTOR=godwit PYTHONPATH="$here/lambda" PYTHONSAFEPATH=1 PYTHONDONTWRITEBYTECODE=1 \
			nohup "$home/venv/bin/python" -m localstack.runtime.main </dev/null >"$run/log" 2>&1 9>&-
	) &
	echo "$! $(started_at $!)" >"$run/pid"
	disown
}

# answers asks the service of a header or path, which also makes LocalStack load it.
answers() { curl -fsS -m 30 -o /dev/null "$@" 2>/dev/null; }

wait_ready() {
	local end=$((SECONDS + 90))
	until healthy; do
		[ $SECONDS -lt $end ] || die "it doesn't answer at $url after 90 s; see $run/log"
		[ ! -e "$run/pid" ] || running || { tail -n 20 "$run/log" >&2; die "it has ended"; }
		sleep 0.2
	done
	local json=(-H 'Content-Type: application/x-amz-json-1.0' -d '{}' "$url/")
	local signed='Authorization: AWS4-HMAC-SHA256 Credential=test/20300101/us-east-1/SERVICE/aws4_request, SignedHeaders=host, Signature=0'
	answers -H "${signed/SERVICE/dynamodb}" -H 'X-Amz-Target: DynamoDB_20120810.ListTables' "${json[@]}" || die "DynamoDB doesn't answer; see $run/log"
	answers -H "${signed/SERVICE/sqs}" -H 'X-Amz-Target: AmazonSQS.ListQueues' "${json[@]}" || die "SQS doesn't answer; see $run/log"
	answers -H "${signed/SERVICE/s3}" "$url/" || die "S3 doesn't answer; see $run/log"
}

mkdir -p "$home"
exec 9>"$home/lock"
! command -v flock >/dev/null || flock 9 # two at once would install into each other
if healthy; then
	say "is up at $url"
elif docker_answers && start_image; then
	stop_gateway
	rm -rf "$run"
	wait_ready
	say "is up at $url"
else
	! docker_answers || say "the image can't be had or started; using the Python package"
	start_package
	wait_ready
	say "is up at $url"
fi
echo "export AWS_ENDPOINT_URL=$url AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test"

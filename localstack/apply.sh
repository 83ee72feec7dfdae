#!/usr/bin/env bash
# Makes the service's AWS parts in LocalStack, or brings them up to date with the sources,
# by the same Terraform as in AWS. Does nothing when nothing has changed.
# The lines on standard output are the settings for programs that shall use it.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cloud=$("$here/up.sh")
eval "$cloud"
cd "$here/.."
go=${GO:-go}
$go build -trimpath -o "$run/godwit" .
$go run ./shared/deploy/functions -arch amd64 -out "$run/functions" >/dev/null
export GODWIT_DEPLOY_FOLDER=$run/deploy # Terraform's state ends with LocalStack's
wanted=$(find infra "$run/functions" -type f -print0 | LC_ALL=C sort -z | xargs -0 cksum)
if [ "$(cat "$run/applied" 2>/dev/null)" = "$wanted" ]; then
	say "the service is there as infra/ has it"
else
	say "applying infra/ (about a minute when all is new)"
	rm -f "$run/applied"
	"$run/godwit" deploy apply --auto-approve --functions "$run/functions" --var-file infra/localstack.tfvars >&2
	echo "$wanted" >"$run/applied"
fi
echo "$cloud"
"$run/godwit" deploy output --env

#!/usr/bin/env bash
# Makes a tenant, the domain demo.test and two accounts in the service in LocalStack. What
# is there stays. Key and passwords are kept in LocalStack's run folder and end with it.
# The lines on standard output are the settings for programs that shall use it.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
settings=$("$here/apply.sh")
eval "$settings"
godwit=$run/godwit
umask 077
[ -s "$run/key" ] || "$godwit" deploy key --note "the developer's" >"$run/key"
GODWIT_KEY=$(cat "$run/key")
export GODWIT_KEY

# absent VERB...: whether the thing isn't there.
absent() { ! "$godwit" "$@" >/dev/null 2>&1; }

if [ -s "$run/accounts" ]; then
	say "the demo's accounts are there"
else
	absent tenant show demo && "$godwit" tenant create demo >/dev/null
	absent domain show demo.test && "$godwit" domain create demo.test --tenant demo >/dev/null
	for address in alice@demo.test bob@demo.test; do
		password=$(openssl rand -hex 8)
		if absent account show $address; then
			"$godwit" account create $address --password-stdin <<<"$password" >/dev/null
		else # made by a run that did not come to its end
			"$godwit" account password $address <<<"$password" >/dev/null
		fi
		echo "$address $password"
	done >"$run/accounts.new"
	mv "$run/accounts.new" "$run/accounts"
	say "made the tenant demo, the domain demo.test and two accounts"
fi
echo "$settings"
echo "export GODWIT_KEY=$GODWIT_KEY"

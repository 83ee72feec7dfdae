#!/usr/bin/env bash
# Brings up the whole service as it is in AWS on this machine: LocalStack, the service's
# parts, the demo's accounts, and a gateway that goes on running; then prints the settings
# for a mail client. What is there and up to date is left alone. down.sh ends all of it.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
settings=$("$here/seed.sh")
eval "$settings"

if gateway_runs && cmp -s "$run/godwit" "$run/gateway.bin" && [ "$(cat "$run/gateway.env")" = "$settings" ]; then
	say "the gateway runs"
else
	stop_gateway
	cp -f "$run/godwit" "$run/gateway.bin"
	echo "$settings" >"$run/gateway.env"
	GODWIT_DATA=$run/gateway GODWIT_DRAIN=2s nohup "$run/gateway.bin" gateway smtp,imap,pop3 </dev/null >"$run/gateway.out" 2>"$run/gateway.log" 9>&- &
	echo $! >"$run/gateway.pid"
	disown
	# Its own word first: on a port that is taken, another would answer.
	until grep -q '^Godwit is up' "$run/gateway.out" && curl -fsS -m 2 -o /dev/null "http://${GODWIT_HEALTH_ADDRESS:-127.0.0.1:2081}/readyz" 2>/dev/null; do
		gateway_runs || { cat "$run/gateway.log" >&2; die "the gateway has ended"; }
		sleep 0.1
	done
	say "the gateway runs (its log: $run/gateway.log)"
fi

read -r reader password <"$run/accounts"
sed '/^Stop with/d; s/^Godwit is up.*/Godwit is up, as it is in AWS./' "$run/gateway.out"
cat <<END
Accounts:

$(sed 's/ /  password /; s/^/  /' "$run/accounts")

A mail client (the certificate is self-signed, so it will ask; user name is the address):

  IMAP  server 127.0.0.1  port 2993  SSL/TLS, normal password
  POP3  server 127.0.0.1  port 2995  SSL/TLS, normal password
  SMTP  server 127.0.0.1  port 2465  SSL/TLS, normal password

Send a mail, and read it:

  printf 'From: you@example.org\\r\\nTo: $reader\\r\\nSubject: Hello\\r\\n\\r\\nIt works.\\r\\n' | curl -s smtp://127.0.0.1:2525 --mail-from you@example.org --mail-rcpt $reader -T -
  curl -s --cacert $run/gateway/tls/cert.pem -u $reader:$password 'imaps://localhost:2993/INBOX;UID=1'

Administer it with the verbs of 'godwit', after:

  eval "\$(localstack/seed.sh)"

Stop all of it with 'make localstack-down'.
END

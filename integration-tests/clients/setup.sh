#!/usr/bin/env bash
# Puts the MySQL clients that the tests use into one directory outside the clone: the mariadb program (as a package of the
# system), a Python environment, an npm directory, and drivers of JDBC with their compiled program. With the argument `heavy`
# also those that are compiled here or bring much along: mysqlclient, ODBC, mycli, a driver of Go, those of Rust and sqllogictest. Prints that directory on
# stdout, progress on stderr. Done means: nothing to do.
#
#   MILLRACE_CLIENTS_HOME   the directory (default: ${XDG_CACHE_HOME:-$HOME/.cache}/millrace/clients)
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
home=${MILLRACE_CLIENTS_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/millrace/clients}
# the version of the lab: one plug-in for all of the project
plugin=org.apache.maven.plugins:maven-dependency-plugin:2.8

sqllogictest=$(cat "$here/sqllogictest.version")

heavy=$([ "${1:-}" = heavy ] && echo yes || true)

label=clients
. "$here/../../scripts/setup.sh"

ensure_tools() {
    local missing=()
    if [ "$heavy" ]; then
        command -v gcc >/dev/null || missing+=(gcc)
        command -v pkg-config >/dev/null || missing+=(pkg-config)
        command -v mariadb_config >/dev/null || missing+=(libmariadb-dev)
        command -v odbcinst >/dev/null || missing+=(unixodbc odbcinst)
        odbcinst -q -d 2>/dev/null | grep -q MariaDB || missing+=(odbc-mariadb)
        command -v go >/dev/null || missing+=(golang-go)
    fi
    command -v mariadb >/dev/null || missing+=(mariadb-client)
    python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
    command -v node >/dev/null || missing+=(nodejs)
    command -v npm >/dev/null || missing+=(npm)
    { command -v java && command -v javac; } >/dev/null || missing+=(openjdk-17-jdk-headless)
    command -v mvn >/dev/null || missing+=(maven)
    install "${missing[@]}"
}

fetch_python() {
    say "installing the Python clients"
    rm -rf "$home/python"
    python3 -m venv "$home/python" >&2
    "$home/python/bin/pip" install -q --disable-pip-version-check -r "$here/requirements.txt" >&2
}

fetch_heavy_python() {
    say "installing mysqlclient, pyodbc and mycli"
    rm -rf "$home/python-heavy"
    python3 -m venv "$home/python-heavy" >&2
    "$home/python-heavy/bin/pip" install -q --disable-pip-version-check -r "$here/requirements-heavy.txt" >&2
}

build_go() {
    say "building the program for Go"
    (cd "$here/go" && go build -o "$home/go-client" .) >&2
}

build_rust() {
    say "building the programs for Rust"
    cargo build -q --locked --manifest-path "$here/rust/Cargo.toml" --target-dir "$home/rust-target" >&2
    mkdir -p "$home/rust"
    cp "$home/rust-target/debug/mysql_async" "$home/rust-target/debug/sqlx" "$home/rust/"
}

install_sqllogictest() {
    say "building sqllogictest"
    cargo install -q --locked --debug --force --version "$sqllogictest" --root "$home/sqllogictest" \
        --target-dir "$home/rust-target" sqllogictest-bin >&2
}

# the tests that clients bring along in what their registries have
fetch_suites() {
    say "fetching the test suites of the clients"
    local suites=$home/suites client crate
    rm -rf "$suites"
    mkdir -p "$suites/sources"
    for client in mysqlclient pyodbc; do
        mkdir "$suites/$client"
        "$home/python-heavy/bin/pip" download -q --disable-pip-version-check --no-deps --no-binary :all: \
            -d "$suites/sources" "$(grep "^$client==" "$here/requirements-heavy.txt")" >&2
        tar -xzf "$suites/sources/$client"-*.tar.gz -C "$suites/$client" --strip-components=1
    done

    cp -r "$(cd "$here/go" && go list -m -f '{{.Dir}}' github.com/go-sql-driver/mysql)" "$suites/go-sql-driver"
    chmod -R u+w "$suites/go-sql-driver"
    (cd "$suites/go-sql-driver" && go test -c -o suite.test .) >&2

    crate=$(cargo metadata -q --locked --format-version 1 --manifest-path "$here/rust/Cargo.toml" |
        grep -o '"[^"]*/mysql_async-[^"/]*/Cargo.toml"' | head -n 1 | tr -d '"')
    cp -r "$(dirname "$crate")" "$suites/mysql_async"
    (cd "$suites/mysql_async" && cargo test -q --no-run --lib --no-default-features --features default-rustls-ring \
        --target-dir "$home/rust-target" --message-format json) |
        grep -o '"executable":"[^"]*"' | tail -n 1 | cut -d '"' -f 4 | xargs -I {} cp {} "$suites/mysql_async/suite"
}

fetch_node() {
    say "installing the Node.js client"
    rm -rf "$home/node"
    mkdir -p "$home/node"
    cp "$here/package.json" "$here/package-lock.json" "$home/node/"
    npm ci --silent --no-audit --no-fund --prefix "$home/node" >&2
}

fetch_java() {
    say "fetching drivers of JDBC"
    rm -rf "$home/jars" "$home/jars-8"
    mvn -B -q -Dstyle.color=never -f "$here/pom.xml" "$plugin:copy-dependencies" \
        -DincludeScope=runtime -DoutputDirectory="$home/jars" >&2
    mvn -B -q -Dstyle.color=never -f "$here/pom-8.xml" "$plugin:copy-dependencies" \
        -DincludeScope=runtime -DoutputDirectory="$home/jars-8" >&2
}

compile_java() {
    say "compiling the program for JDBC"
    rm -rf "$home/classes"
    mkdir -p "$home/classes"
    javac -Xlint:all -d "$home/classes" -cp "$home/jars/*" "$here"/*.java >&2
}

one_at_a_time
ensure_tools
once python fetch_python "$here/requirements.txt"
once node fetch_node "$here/package.json" "$here/package-lock.json"
once jars fetch_java "$here/pom.xml" "$here/pom-8.xml"
once classes compile_java "$here/pom.xml" "$here"/*.java
if [ "$heavy" ]; then
    once python-heavy fetch_heavy_python "$here/requirements-heavy.txt"
    once rust build_rust "$here/rust/Cargo.toml" "$here/rust/Cargo.lock" "$here"/rust/src/*.rs "$here"/rust/src/bin/*.rs
    once sqllogictest install_sqllogictest "$here/sqllogictest.version"
    once suites fetch_suites "$here/requirements-heavy.txt" "$here/rust/Cargo.lock" "$here/go/go.sum"
    once go build_go "$here/go/go.mod" "$here/go/go.sum" "$here"/go/*.go
fi
echo "$home"

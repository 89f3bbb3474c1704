#!/usr/bin/env bash
# Puts everything a real Fluss cluster needs into one directory outside the clone: the jars of the servers, of the Paimon lake
# plug-in and of Flink, and the compiled oracle. Prints that directory on stdout, progress on stderr. Done means: nothing to do.
#
#   MILLRACE_LAB_HOME   the directory (default: ${XDG_CACHE_HOME:-$HOME/.cache}/millrace/lab-0.9.1)
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
home=${MILLRACE_LAB_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/millrace/lab-0.9.1}
fluss=0.9.1-incubating
# 2.8 and no newer: 3.x insists on the parent POM of fluss-lake-paimon, which is not published
plugin=org.apache.maven.plugins:maven-dependency-plugin:2.8

label=lab
. "$here/../../scripts/setup.sh"

ensure_tools() {
    local missing=()
    { command -v java && command -v javac; } >/dev/null || missing+=(openjdk-17-jdk-headless)
    command -v mvn >/dev/null || missing+=(maven)
    # tests unpack tables that Java wrote
    command -v xz >/dev/null || missing+=(xz-utils)
    install "${missing[@]}"
}

maven() { mvn -B -q -Dstyle.color=never "$@" >&2 || die "Maven could not resolve the artifacts (see above)"; }

fetch_group() { # fetch_group NAME DIR
    say "fetching the $1 jars"
    maven -f "$here/$1/pom.xml" "$plugin:copy-dependencies" -DincludeScope=runtime -DoutputDirectory="$2/$1"
}

fetch_jars() {
    local new=$home/.new group
    rm -rf "$new"
    mkdir -p "$new"
    for group in server lake flink; do fetch_group "$group" "$new"; done
    say "fetching the lake plug-in"
    (cd "$new" && maven "$plugin:get" -Dartifact="org.apache.fluss:fluss-lake-paimon:$fluss" -Dtransitive=false \
        -Ddest="$new/lake/fluss-lake-paimon-$fluss.jar")
    # a running cluster keeps the files it has open
    for group in server lake flink; do
        rm -rf "${home:?}/$group"
        mv "$new/$group" "$home/$group"
    done
    rm -rf "$new"
}

compile_oracle() {
    say "compiling the oracle"
    rm -rf "$home/oracle"
    mkdir -p "$home/oracle"
    javac -nowarn -d "$home/oracle" -cp "$home/flink/*" "$here"/oracle/*.java
}

poms=("$here"/{server,lake,flink}/pom.xml)
one_at_a_time
ensure_tools
once jars fetch_jars "${poms[@]}"
once oracle compile_oracle "${poms[@]}" "$here"/oracle/*.java
echo "$home"

#!/usr/bin/env bash
# Rewrites tests/warehouse and tests/expected with Java Paimon. Needs a JDK 17 and Maven; the tests themselves need neither.
set -euo pipefail
cd "$(dirname "$0")"
jars=${JARS:-$PWD/target/jars}
[ -d "$jars" ] || mvn -q -B dependency:copy-dependencies -DoutputDirectory="$jars"
rm -rf ../tests/warehouse ../tests/expected
opens=()
for package in java.lang java.nio java.util sun.nio.ch; do opens+=("--add-opens=java.base/$package=ALL-UNNAMED"); done
java "${opens[@]}" -Xmx512m -cp "$jars/*" src/Generate.java ../tests

#!/usr/bin/env bash
# Rewrites tests/warehouse, tests/expected and tests/matrix with Java Paimon and pypaimon. Needs a JDK 17, Maven and Python 3; the tests themselves need neither.
#
#   regenerate.sh          everything
#   regenerate.sh matrix   tests/matrix alone (needs xz)
#   regenerate.sh analyzed tables with statistics alone
set -euo pipefail
cd "$(dirname "$0")"
target=${CARGO_TARGET_DIR:-$PWD/../../target}/testdata

# run VERSION CLASS ARGUMENT…: with this version of Paimon
run() {
    local version=$1 opens=() package
    shift
    local jars=$target/jars-$version classes=$target/classes-$version
    [ -d "$jars" ] || mvn -q -B dependency:copy-dependencies -Dpaimon.version="$version" -DoutputDirectory="$jars"
    mkdir -p "$classes"
    javac -nowarn -d "$classes" -cp "$jars/*" src/*.java
    for package in java.lang java.nio java.util sun.nio.ch; do opens+=("--add-opens=java.base/$package=ALL-UNNAMED"); done
    java "${opens[@]}" -Xmx512m -cp "$classes:$jars/*" "$@"
}

case ${1:-all} in
all)
    rm -rf ../tests/warehouse ../tests/expected
    run 1.3.1 Generate ../tests
    run 1.3.1 Analyzed ../tests
    ;;
analyzed)
    rm -rf ../tests/*/analyzed_* ../tests/warehouse/*/analyzed_*
    run 1.3.1 Analyzed ../tests
    exit
    ;;
esac
# pack FOLDER NAME: as an archive, the same bytes from the same files
pack() {
    tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$1" -cf - . | xz -9 > "../tests/matrix/$2.tar.xz"
}
# matrix VERSION [all]: by Java
matrix() {
    local folder=$target/matrix-$1
    rm -rf "$folder"
    run "$1" Matrix "$folder" "${@:2}"
    pack "$folder" "$1"
}
matrix 1.3.1
# the newer one in every file format
matrix 1.4.2 all
# by Python, as Java reads it
folder=$target/matrix-pypaimon python=$target/pypaimon
rm -rf "$folder"
[ -d "$python" ] || { python3 -m venv "$python"; "$python/bin/pip" install -q pypaimon==2.1.0; }
"$python/bin/python" src/tables.py "$folder"
run 1.4.2 Expect "$folder"
pack "$folder" pypaimon-2.1.0

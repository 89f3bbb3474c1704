#!/usr/bin/env bash
# Shows faults of what Millrace stands on, each as the page of its name tells. Without a name: the names.
#
# A fault that a guard of ours keeps away is shown by taking that off: a patch of guards/ is applied to a copy of the last
# commit, and the test that it names must fail with the words that it names. Nothing of this clone is changed. Others have
# a program, which fails where it does not see the fault.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
root=$PWD
mkdir -p "${CARGO_TARGET_DIR:=target}"
CARGO_TARGET_DIR=$(cd "$CARGO_TARGET_DIR" && pwd)
export CARGO_TARGET_DIR
cargo=${CARGO:-cargo}
copy=$CARGO_TARGET_DIR/upstream
LIMIT=600 # seconds that a test may take

programs() {
    cat <<'END'
datafusion-derived-distinct-count paimon-scan derived_distinct_count
datafusion-int96-wraps paimon-scan int96_wraps
flink-empty-bucket-never-ends integration-tests empty_bucket_never_ends
fluss-deletion-vectors-never-readable integration-tests deletion_vectors_never_readable
fluss-long-poll integration-tests long_poll
fluss-remote-log-hole integration-tests remote_log_hole
fluss-rs-bucket-hash integration-tests bucket_hash
fluss-rs-dropped-writer integration-tests dropped_writer
paimon-crate-commit-kind paimon-scan commit_kind
pypaimon-delete-row-count python pypaimon==2.1.0
END
}

names() {
    { programs | cut -d' ' -f1; basename -s .patch docs/upstream/guards/*.patch; } | sort -u
}

# What a patch says of itself above its first line of code.
said() { sed -n "/^diff /q;s/^$1: //p" "$root/docs/upstream/guards/$2.patch"; }

# The copy is kept: only what changed is compiled again. It has a version of its own, by which cargo tells what it compiles
# from what belongs to this clone; libraries from elsewhere are shared.
copy_of_last_commit() {
    [ -d "$copy/.git" ] || git clone --quiet --no-checkout "$root" "$copy"
    git -C "$copy" fetch --quiet "$root" HEAD
    git -C "$copy" checkout --quiet --force --detach FETCH_HEAD
    sed -i '/^\[workspace.package\]/,/^$/s/^version = "\(.*\)"/version = "\1-without-a-guard"/' "$copy/Cargo.toml"
}

without_guard() {
    local name=$1 log=$CARGO_TARGET_DIR/upstream-$1.log run shows build runs
    read -ra run <<<"$(said run "$name")"
    read -ra build <<<"$(said build "$name")"
    shows=$(said shows "$name")
    runs=$(said runs "$name")
    echo "== $name: without its guard, cargo test ${run[*]}"
    copy_of_last_commit
    git -C "$copy" apply "$root/docs/upstream/guards/$name.patch"
    cd "$copy"
    if ! { [ ${#build[@]} = 0 ] || "$cargo" build "${build[@]}"; } >"$log" 2>&1 ||
        ! "$cargo" test --no-run "${run[@]}" >>"$log" 2>&1; then
        grep -A9 '^error' "$log" >&2
        echo "not shown: it does not compile, see $log"
        return 1
    fi
    # what depends on the order of events is tried as often as the patch says
    local failed=0
    for ((i = 0; i < ${runs:-1} && failed == 0; i++)); do
        timeout "$LIMIT" "$cargo" test "${run[@]}" >"$log" 2>/dev/null || failed=$?
    done
    # it is not what the last commit says
    [ ${#build[@]} = 0 ] || rm -f "$CARGO_TARGET_DIR"/debug/millrace
    cd "$root"
    if [ "$failed" = 0 ]; then
        echo "not shown: the test passes, see $log"
        return 1
    elif ! grep -qF -- "$shows" "$log"; then
        echo "not shown: the test fails without the words '$shows', see $log"
        return 1
    fi
    grep -m1 -F -- "$shows" "$log" | cut -c1-200
    echo "shown: the test fails without the guard"
}

program() {
    local name=$1 package example
    read -r _ package example <<<"$(programs | grep "^$name ")"
    if [ "$package" = python ]; then
        local python=$CARGO_TARGET_DIR/upstream-python
        [ -d "$python" ] || { python3 -m venv "$python" && "$python/bin/pip" install -q "$example"; }
        echo "== $name: with $example"
        "$python/bin/python" "docs/upstream/${name//-/_}.py"
        return
    fi
    echo "== $name: cargo run -p $package --example $example"
    "$cargo" run --quiet -p "$package" --example "$example"
}

if [ $# = 0 ]; then
    names
    exit
fi
missed=0
for name; do
    known=false
    if programs | grep -q "^$name "; then
        known=true
        program "$name" || missed=1
    fi
    if [ -f "docs/upstream/guards/$name.patch" ]; then
        known=true
        without_guard "$name" || missed=1
    fi
    if ! $known; then
        echo "$name: no such fault; without a name the script lists them" >&2
        exit 2
    fi
done
exit $missed

#!/usr/bin/env bash
# Puts the tools of `make test-bi` into one directory outside the clone: dbt with dbt-starrocks, Apache Superset with the dialect
# `starrocks`, each in a Python environment of its own with every version pinned, an empty metadata database of Superset, and
# Chromium (as a package of the system). Prints that directory on stdout, progress on stderr. Done means: nothing to do.
#
#   MILLRACE_BI_HOME   the directory (default: ${XDG_CACHE_HOME:-$HOME/.cache}/millrace/bi)
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
home=${MILLRACE_BI_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/millrace/bi}

label=bi
. "$here/../../scripts/setup.sh"

ensure_tools() {
    local missing=()
    command -v chromium >/dev/null || missing+=(chromium)
    command -v chromedriver >/dev/null || missing+=(chromium-driver)
    fc-list 2>/dev/null | grep -q . || missing+=(fontconfig fonts-dejavu-core)
    python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
    install "${missing[@]}"
}

# of the versions of Python that there are, one that Superset takes
python() {
    local name
    for name in python3.11 python3.12 python3.10 python3; do
        if "$name" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    die "Superset needs Python 3.10, 3.11 or 3.12"
}

fetch_uv() {
    say "installing uv"
    rm -rf "$home/uv"
    "$(python)" -m venv "$home/uv" >&2
    "$home/uv/bin/pip" install -q --disable-pip-version-check -r "$here/requirements-uv.txt" >&2
}

# environment NAME: every package of its requirements, and no other
environment() {
    rm -rf "${home:?}/$1"
    "$(python)" -m venv --without-pip "$home/$1" >&2
    "$home/uv/bin/uv" pip install -q --no-deps --python "$home/$1/bin/python" -r "$here/requirements-$1.txt" >&2
}

fetch_dbt() {
    say "installing dbt"
    environment dbt
}

fetch_superset() {
    say "installing Superset"
    environment superset
}

prepare_metadata() {
    say "making the metadata of Superset"
    rm -f "$home/superset.db"
    export SUPERSET_CONFIG_PATH="$here/superset_config.py" MILLRACE_BI_METADATA="$home/superset.db.new"
    local superset=("$home/superset/bin/superset")
    export FLASK_APP='superset.app:create_app()'
    rm -f "$MILLRACE_BI_METADATA"
    { "${superset[@]}" db upgrade &&
        "${superset[@]}" fab create-admin --username admin --firstname a --lastname b --email admin@localhost --password admin &&
        "${superset[@]}" init; } >"$home/superset.log" 2>&1 || { tail -n 40 "$home/superset.log" >&2; die "Superset could not be set up"; }
    mv "$MILLRACE_BI_METADATA" "$home/superset.db"
}

one_at_a_time
ensure_tools
once uv fetch_uv "$here/requirements-uv.txt"
once dbt fetch_dbt "$here/requirements-dbt.txt"
once superset fetch_superset "$here/requirements-superset.txt"
once metadata prepare_metadata "$here/requirements-superset.txt" "$here/superset_config.py"
echo "$home"

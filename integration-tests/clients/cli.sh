#!/usr/bin/env bash
# The mariadb command line: the checks of every client, one line each. Arguments: port, file of queries.
set -euo pipefail
port="$1" queries="$2"
client() { mariadb --no-defaults --batch --skip-column-names --raw -h 127.0.0.1 -P "$port" -u root "$@"; }
rows() { tr '\t' '|' | paste -sd ';' -; }
say() { printf '%s\t%s\n' "$1" "$2"; }

say version "$(client -e 'SELECT version()')"
while IFS= read -r query || [ -n "$query" ]; do
    [ -n "$query" ] && say "$query" "$(client -e "$query" | rows)"
done <"$queries"
number() { sed -nE 's/.*ERROR ([0-9]+) \(([0-9A-Z]+)\).*/\1 \2/p'; }
say error "$(client -e 'SELECT * FROM fluss.fluss.nothing' 2>&1 | number || true)"
say syntax "$(client -e 'SELEC 1' 2>&1 | number || true)"
say after "$(client -e 'SELEC 1; SELECT 1' --force 2>/dev/null || true)"
say database "$(client fluss.clients -e 'SELECT database(), count(*) FROM types' | rows)"
say several "$(client -e 'SELECT 1; SELECT 2' | rows)"
say tls "$(client --ssl -e 'SELECT 1' | rows)"
say "wrong password" "$(client -pwrong -e 'SELECT 1' 2>&1 | number || true)"

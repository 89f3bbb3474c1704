# Sourced by the scripts that put tools where the project's own scripts find them: messages, packages of the system, stamps.
# The caller sets `label`, its name in messages, and, before `one_at_a_time` and `once`, `home`, the directory that it fills.

say() { echo "$label: $*" >&2; }
die() { say "$*"; exit 1; }

# install PACKAGE...: installs them; says which are wanted where it may not
install() {
    [ $# -eq 0 ] && return
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        die "please install: $*"
    fi
    say "installing $* (apt-get)"
    apt-get update -qq >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}

# makes the directory, and waits until nobody else fills it
one_at_a_time() {
    mkdir -p "$home"
    exec 9>"$home/.lock"
    flock -n 9 || { say "waiting for another set-up to end"; flock 9; }
}

# once NAME COMMAND FILE...: runs COMMAND unless the stamp says that it was done for these files
once() {
    local name=$1 command=$2 fingerprint
    shift 2
    fingerprint=$(cat "$@" | cksum)
    if [ "$(cat "$home/$name.stamp" 2>/dev/null)" != "$fingerprint" ]; then
        rm -f "$home/$name.stamp"
        "$command"
        echo "$fingerprint" >"$home/$name.stamp"
    fi
}

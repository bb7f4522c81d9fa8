# Shared by .ci/postgresql, .ci/mariadb and .ci/browser, which read it in; each prints where to find
# what it cares for, and nothing else on standard output.

fail() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# apt_install PACKAGE: with the system's package manager, where that is apt.
apt_install() {
    command -v apt-get >/dev/null || fail "$1 is not installed, and there is no apt-get"
    echo "$(basename "$0"): installing $1" >&2
    as_root apt-get update -q >&2 || fail "apt-get update failed"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q "$1" >&2 ||
        fail "$1 could not be installed"
}

# wait_for COMMAND...: until it succeeds, at most half a minute.
wait_for() {
    for _ in $(seq 60); do
        if "$@" >/dev/null 2>&1; then return; fi
        sleep 0.5
    done
    fail "the server does not answer"
}

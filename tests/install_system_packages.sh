#!/bin/sh
# Installs the system packages that only tests need, where that is possible (root on Debian), and otherwise names in one
# line what is missing; the tests that need it say then that they did not run. Quick where everything is there.
set -u

has_postgres() {
  ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || command -v postgres >/dev/null 2>&1
}

install_postgres() {
  # The tests start servers of their own: postgresql-common first, so that it can be told to make no cluster.
  apt-get update -qq &&
    apt-get install -y -qq --no-install-recommends postgresql-common &&
    mkdir -p /etc/postgresql-common/createcluster.d &&
    echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.d/no-cluster-for-tests.conf &&
    apt-get install -y -qq --no-install-recommends postgresql
}

has_chromium() {
  command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1
}

install_chromium() {
  apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium
}

# ensure PACKAGE WHAT: has_PACKAGE after install_PACKAGE, or a line that says which tests will not run.
ensure() {
  "has_$1" && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    log=$(mktemp)
    DEBIAN_FRONTEND=noninteractive "install_$1" >"$log" 2>&1
    "has_$1" && rm -f "$log" && return
    echo "Tests $2 will be skipped: installing Debian's package failed, see $log" >&2
  else
    echo "Tests $2 will be skipped: install $1, on Debian: apt-get install $3" >&2
  fi
}

ensure postgres "on PostgreSQL" postgresql
ensure chromium "of the viewer's page" chromium

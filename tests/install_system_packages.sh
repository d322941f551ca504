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

has_postgres && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  log=$(mktemp)
  DEBIAN_FRONTEND=noninteractive install_postgres >"$log" 2>&1
  has_postgres && rm -f "$log" && exit 0
  echo "Tests on PostgreSQL will be skipped: installing the package postgresql failed, see $log" >&2
else
  echo "Tests on PostgreSQL will be skipped: install a PostgreSQL server, on Debian: apt-get install postgresql" >&2
fi

#!/bin/sh
# Makes the two databases and those who may use them, on a new PostgreSQL server: Dagster's, with a reader for the viewer's
# Run page, and the review database, with people's decisions. The image of PostgreSQL calls it once, on an empty volume;
# on a server of your own, call it with PGHOST and POSTGRES_USER as its administrator.
set -eu
: "${DAGSTER_PG_PASSWORD:?}" "${DAGSTER_READER_PASSWORD:?}" "${REVIEW_PG_PASSWORD:?}"

# Passwords reach psql through its environment: they are in no argument list, and no server logs them in clear.
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\getenv dagster DAGSTER_PG_PASSWORD
\getenv reader DAGSTER_READER_PASSWORD
\getenv review REVIEW_PG_PASSWORD
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
CREATE ROLE dagster LOGIN PASSWORD :'dagster';
CREATE ROLE dagster_reader LOGIN PASSWORD :'reader';
CREATE ROLE review LOGIN PASSWORD :'review';
CREATE DATABASE dagster OWNER dagster;
CREATE DATABASE review OWNER review;
REVOKE CONNECT, TEMPORARY ON DATABASE dagster, review FROM PUBLIC;
GRANT CONNECT ON DATABASE dagster TO dagster_reader;
\connect dagster
ALTER DEFAULT PRIVILEGES FOR ROLE dagster GRANT SELECT ON TABLES TO dagster_reader;
SQL

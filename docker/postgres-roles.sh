#!/bin/sh
# Run once by the Postgres image, on an empty volume, as the owner of the tables: the application's
# own role, which may log in and nothing else. What it may do with the tables, the migrations say.
set -eu
psql --no-psqlrc --set ON_ERROR_STOP=1 --set password="$APP_PASSWORD" \
    --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
CREATE ROLE weelo LOGIN PASSWORD :'password' NOSUPERUSER NOCREATEDB NOCREATEROLE;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
SQL

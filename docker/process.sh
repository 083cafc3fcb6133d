#!/bin/sh
# Becomes one process of the Procfile, which is the one place for their commands: `sh process.sh web`.
set -eu
command=$(sed -n "s/^$1: *//p" Procfile)
eval "exec ${command:?there is no such process in the Procfile}"

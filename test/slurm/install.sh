#!/usr/bin/env bash
# What `npm run test:slurm` needs on this machine, from Debian's packages: Slurm with its database and REST service, munge, MariaDB,
# Lua with the two libraries of the hooks, libfaketime; and two people who submit jobs. Does nothing where all of it is there.
# Nothing is started: every test starts what it needs itself, in a folder and on ports of its own.
set -euo pipefail

PACKAGES=(slurm-wlm slurmctld slurmd slurm-client slurmdbd slurmrestd slurm-wlm-basic-plugins slurm-wlm-mysql-plugin
  slurm-wlm-jwt-plugin munge mariadb-server lua5.1 lua-socket lua-cjson libfaketime faketime python3)
PEOPLE=(alice bob)

as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -- "$@"; fi; }
is_there() { dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed; }

missing=()
if command -v dpkg-query >/dev/null; then
  for package in "${PACKAGES[@]}"; do is_there "$package" || missing+=("$package"); done
else
  # Another distribution: it counts what can be called.
  for program in slurmctld slurmd slurmdbd slurmrestd sbatch munged mariadbd mariadb-install-db lua5.1 faketime python3; do
    PATH="$PATH:/usr/sbin:/sbin" command -v "$program" >/dev/null || missing+=("$program")
  done
fi
strangers=()
for person in "${PEOPLE[@]}"; do id "$person" >/dev/null 2>&1 || strangers+=("$person"); done
[ ${#missing[@]} -eq 0 ] && [ ${#strangers[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
  echo "missing here: ${missing[*]} ${strangers[*]}; run $0 as root, for there is no sudo" >&2
  exit 1
fi

if [ ${#missing[@]} -gt 0 ]; then
  if ! command -v apt-get >/dev/null; then
    echo "missing here: ${missing[*]}; there is no apt-get, so install what gives these, and run this again" >&2
    exit 1
  fi
  # Debian starts what it installs, unless this program says no. What stood there before comes back.
  policy=/usr/sbin/policy-rc.d
  kept=$(mktemp -d)
  restore() {
    if [ -e "$kept/policy-rc.d" ]; then as_root cp -p "$kept/policy-rc.d" "$policy"; else as_root rm -f "$policy"; fi
    rm -rf "$kept"
  }
  if [ -e "$policy" ]; then cp -p "$policy" "$kept/policy-rc.d"; fi
  trap restore EXIT
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
  as_root chmod 755 "$policy"

  export DEBIAN_FRONTEND=noninteractive
  apt() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 "$@"; }
  for attempt in 1 2 3; do
    if apt update && apt install -y --no-install-recommends "${missing[@]}"; then break; fi
    if [ "$attempt" -eq 3 ]; then
      echo "apt-get could not install: ${missing[*]}" >&2
      exit 1
    fi
    sleep $((attempt * 5))
  done
fi

for person in "${strangers[@]}"; do as_root useradd --no-create-home --shell /bin/sh "$person"; done

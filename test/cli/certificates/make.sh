#!/bin/sh
# Makes the certificates of https.test.ts again: an authority, a server of 127.0.0.1, one of another name, one that has expired.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null; }

key "$work/authority.key"
openssl req -x509 -new -key "$work/authority.key" -subj '/CN=Test authority of Bursar' -days 36500 -out authority.pem
key server.key
: > "$work/index"
cat > "$work/ca.cnf" <<CNF
[ca]
default_ca = it
[it]
database = $work/index
new_certs_dir = $work
rand_serial = yes
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
CNF
sign() { # file, names, from, until
  openssl req -new -key server.key -subj "/CN=$1" -addext "subjectAltName=$2" -out "$work/$1.csr"
  openssl ca -batch -notext -config "$work/ca.cnf" -cert authority.pem -keyfile "$work/authority.key" \
    -startdate "$3" -enddate "$4" -in "$work/$1.csr" -out "$1.pem" 2>/dev/null
}
sign here IP:127.0.0.1,DNS:localhost 20200101000000Z 21200101000000Z
sign elsewhere DNS:budget.example.org 20200101000000Z 21200101000000Z
sign expired IP:127.0.0.1,DNS:localhost 20200101000000Z 20200201000000Z

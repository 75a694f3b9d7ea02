#!/bin/sh
# Bursar in PrologSlurmctld and EpilogSlurmctld (the name says which): one line about the job, appended to a local file. A few
# milliseconds, no network, and 0 whatever happens: a prolog that fails would send the job back into the queue.
spool="${BURSAR_SPOOL:-/var/spool/bursar}"
bytes_max="${BURSAR_SPOOL_BYTES:-1073741824}"

case "${0##*/}" in *epilog*) source=epilog ;; *) source=prolog ;; esac
file="$spool/$source.ndjson"
umask 027

size=$(stat -c %s "$file" 2>/dev/null) || size=0
if [ "$((size * 8))" -gt "$bytes_max" ]; then
  printf . 2>/dev/null >>"$file.dropped"
  exit 0
fi

# The environment as JSON. Long values are cut: a line must stay one write.
line=$(LC_ALL=C awk -v source="$source" -v at="$(date +%s)" '
  function quoted(text) {
    text = substr(text, 1, 500)
    gsub(/\\/, "\\\\", text)
    gsub(/"/, "\\\"", text)
    gsub(/[\001-\037\177]/, " ", text)
    return "\"" text "\""
  }
  BEGIN {
    for (name in ENVIRON)
      if (name ~ /^SLURM_[A-Z0-9_]+$/ || name == "SLURMD_NODENAME")
        list = list (list == "" ? "" : ",") quoted(name) ":" quoted(ENVIRON[name])
    printf "{\"source\":%s,\"at\":%d,\"env\":{%s}}", quoted(source), at, list
  }' 2>/dev/null) || exit 0
printf '\n%s\n' "$line" 2>/dev/null >>"$file" || printf . 2>/dev/null >>"$file.dropped"
exit 0

#!/usr/bin/env bash
# Loads a running Tactful server with ghz and judges the result: see README.md beside this file.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'USAGE'
usage: ghz/run.sh [--host HOST:PORT] [--max-p99 MS] [--no-prepare] [RUN...]

RUN is decide, decide-peak, mixed or consent; all but decide-peak if none is named.

  --host HOST:PORT  the server (default 127.0.0.1:50051)
  --max-p99 MS      the budget for p99 of every run, in milliseconds; 0 means any
                    (default: decide 50, mixed 100, consent 100, decide-peak any)
  --no-prepare      the 20,000 customers are there from an earlier run
USAGE
}

host=127.0.0.1:50051 budget= prepare=yes runs=()
while [ $# -gt 0 ]; do
  case $1 in
    --host) host=${2:?"--host needs HOST:PORT"}; shift ;;
    --max-p99) budget=${2:?"--max-p99 needs milliseconds"}; shift ;;
    --no-prepare) prepare= ;;
    -h | --help) usage; exit 0 ;;
    decide | decide-peak | mixed | consent) runs+=("$1") ;;
    *) echo "ghz/run.sh: unknown run or option \`$1\`" >&2; usage >&2; exit 2 ;;
  esac
  shift
done
[ ${#runs[@]} -gt 0 ] || runs=(decide mixed consent)

command -v go >/dev/null || { echo "ghz/run.sh: needs Go, which installs ghz and grpcurl: https://go.dev/dl" >&2; exit 2; }
PATH=$PATH:$(go env GOPATH)/bin
command -v ghz >/dev/null || go install github.com/bojand/ghz/cmd/ghz@v0.121.0
command -v grpcurl >/dev/null || go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4

grpcurl -plaintext -connect-timeout 3 "$host" list >/dev/null || {
  echo "ghz/run.sh: no Tactful server at $host; start one: cargo run --release -- serve --data \"\$(mktemp -d)\"" >&2
  exit 2
}

trap 'kill $(jobs -p) 2>/dev/null || :' EXIT
results=target/ghz
mkdir -p "$results"
: >"$results/summary.txt"

# run CONFIG RESULT: one ghz run, its report as JSON.
run() { ghz --config "$1" --format json --output "$results/$2.json" "$host"; }

# judge MILLISECONDS RESULT...: prints the reports' figures and fails if they are not good enough.
judge() {
  local most=$1; shift
  go run ghz/gate.go -max-p99 "${budget:-$most}ms" "${@/#/$results/}" | tee -a "$results/summary.txt"
}

if [ -n "$prepare" ]; then
  echo "preparing 20,000 customers: consents, attributes, events"
  for config in ghz/prepare/*.json; do
    name=$(basename "$config" .json)
    run "$config" "prepare-$name"
    go run ghz/gate.go "$results/prepare-$name.json"
  done
  # ghz does not see a refusal inside an OK answer, so check once here.
  probe='{"events": [{"event_id": "probe", "customer_id": "load-1", "type": "page_view", "channel": "web"}]}'
  answer=$(grpcurl -plaintext -d "$probe" "$host" tactful.v1.JourneyService/RecordEvents)
  grep -q '"accepted": true' <<<"$answer" || { echo "ghz/run.sh: events are refused: $answer" >&2; exit 1; }
fi

failed=
for name in "${runs[@]}"; do
  echo
  case $name in
    decide) run ghz/decide.json decide; judge 50 decide.json || failed=yes ;;
    decide-peak) run ghz/decide-peak.json decide-peak; judge 0 decide-peak.json || failed=yes ;;
    consent) run ghz/consent.json consent; judge 100 consent.json || failed=yes ;;
    mixed)
      go run ghz/outcomes.go "$host" >"$results/outcomes.data.json"
      parts=(mixed-decide mixed-events mixed-outcomes mixed-consents) waits=()
      for part in "${parts[@]}"; do
        config=ghz/mixed/${part#mixed-}.json
        [ "$part" = mixed-decide ] && config=ghz/mixed.json
        run "$config" "$part" & waits+=($!)
      done
      for job in "${waits[@]}"; do wait "$job"; done
      judge 100 "${parts[@]/%/.json}" || failed=yes
      ;;
  esac
done

echo
echo "reports and summary: $results/"
[ -z "$failed" ]

#!/bin/sh
# Plays the bank's calls under many settings and draws what each keeps: frontier.csv and frontier.svg beside this file.
#
#   examples/bank-calls/frontier.sh [CONTACTS.csv] [FOLDER FOR THE RESULTS]
#
# The rules are played with calls made dearer or cheaper (`interruption`, 15 in the rules; raising the threshold would
# do the same), and compared with fixed limits: every customer is called up to N times, whatever is known.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
contacts=${1:-$here/bank-contacts.csv}
results=${2:-$here}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cd "$here/../.."
cargo build --quiet --release --bin tactful --example bank-calls
target/release/examples/bank-calls "$contacts" > "$work/timeline.jsonl"
all_calls=$(grep -c '"decide"' "$work/timeline.jsonl")
all_yes=$(grep -c '"outcome":"accepted"' "$work/timeline.jsonl")

# What a replay's summary says of calls and of acceptances kept.
calls_in() { sed -n 's/.*"term-deposit-call": *\([0-9]*\).*/\1/p' "$1" | head -n 1; }
yes_in() { sed -n 's/.*"reward_kept": *\([0-9.]*\).*/\1/p' "$1" | head -n 1; }

# play NAME SETTING RULES: one line of the table
play() {
    target/release/tactful replay --rules "$3" "$work/timeline.jsonl" --json > "$work/summary.json"
    awk -v name="$1" -v setting="$2" -v calls="$(calls_in "$work/summary.json")" -v yes="$(yes_in "$work/summary.json")" \
        -v all_calls="$all_calls" -v all_yes="$all_yes" \
        'BEGIN { printf "%s,%s,%d,%.4f,%d,%.4f\n", name, setting, calls, calls / all_calls, yes, yes / all_yes }'
}

# rules_with SED-SCRIPT: a copy of the rules, edited
rules_with() {
    rm -rf "$work/rules"
    cp -r "$here/rules" "$work/rules"
    rm "$work/rules/"*.test.yaml
    for file in "$work/rules/"*.yaml; do
        sed "$1" "$file" > "$work/edited" && mv "$work/edited" "$file"
    done
}

{
    echo "policy,setting,calls,calls_share,kept,kept_share"
    for price in 0 5 10 13 15 17 19 22 25 28 31 35 40 45; do
        rules_with "s/interruption: 15,/interruption: $price,/"
        play rules "$price" "$work/rules"
    done
    for limit in 1 2 3 4 5 8 100; do
        rules_with "s/base: 30$/base: 100/; s/{phone: 4}/{phone: 0}/; s/at_most: 8,/at_most: $limit,/"
        play limit "$limit" "$work/rules"
    done
} > "$work/frontier.csv"

cp "$work/frontier.csv" "$results/frontier.csv"
awk -f "$here/plot.awk" "$results/frontier.csv" > "$results/frontier.svg"
echo "wrote $results/frontier.csv and $results/frontier.svg"

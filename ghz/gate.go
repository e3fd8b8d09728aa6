//go:build ignore

// Gate reads JSON reports of ghz, prints one line for each, and fails where ghz does not: ghz exits 0 even if
// every call failed, and its percentiles leave failed calls out.
//
//	go run ghz/gate.go -max-p99 20ms target/ghz/decide.json
//
// It fails if a call failed, if there were no calls, or if p99 exceeds the budget.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// The part of a ghz report that counts here. Durations are nanoseconds.
type report struct {
	Name    string         `json:"name"`
	Count   int            `json:"count"`
	Total   time.Duration  `json:"total"`
	Status  map[string]int `json:"statusCodeDistribution"`
	Errors  map[string]int `json:"errorDistribution"`
	Options struct {
		Rate      int `json:"rps"`
		SkipFirst int `json:"skipFirst"`
	} `json:"options"`
	Details []struct {
		Latency time.Duration `json:"latency"`
	} `json:"details"`
}

func main() {
	budget := flag.Duration("max-p99", 0, "the most that p99 may be, such as 20ms; 0 means any")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: go run ghz/gate.go [-max-p99 20ms] REPORT.json...")
	}
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	var faults, notes []string
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "run\tcalls\tfailed\tper second\tp50\tp95\tp99\tp99.9\tslowest\t")
	for _, path := range flag.Args() {
		r, err := read(path)
		if err != nil {
			fmt.Fprintln(os.Stderr, "gate:", err)
			os.Exit(2)
		}
		row, fault := judge(r, *budget)
		fmt.Fprintln(table, row)
		faults = append(faults, fault...)
		if asked := float64(r.Options.Rate); r.rate() < 0.9*asked {
			notes = append(notes, fmt.Sprintf("%s: %.0f calls a second went out where %.0f were asked for: "+
				"this machine is too busy for that rate", r.Name, r.rate(), asked))
		}
	}
	table.Flush()
	for _, note := range notes {
		fmt.Println("note:", note)
	}
	for _, fault := range faults {
		fmt.Println("FAILED:", fault)
	}
	if len(faults) > 0 {
		os.Exit(1)
	}
}

func read(path string) (report, error) {
	var r report
	text, err := os.ReadFile(path)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("%s is not a JSON report of ghz: %w", path, err)
	}
	return r, nil
}

// rate is calls a second. ghz leaves the calls it skips first out of its own figure, but not their time.
func (r report) rate() float64 {
	return float64(r.Count+r.Options.SkipFirst) / max(r.Total.Seconds(), 0.001)
}

// judge gives the row of the table and what is wrong with the run.
func judge(r report, budget time.Duration) (row string, faults []string) {
	failed := r.Count - r.Status["OK"]
	latencies := make([]time.Duration, len(r.Details))
	for i, call := range r.Details {
		latencies[i] = call.Latency
	}
	slices.Sort(latencies)
	p99 := percentile(latencies, 99)
	row = fmt.Sprintf("%s\t%d\t%d\t%.0f\t%s\t%s\t%s\t%s\t%s\t", r.Name, r.Count, failed, r.rate(),
		show(percentile(latencies, 50)), show(percentile(latencies, 95)), show(p99),
		show(percentile(latencies, 99.9)), show(percentile(latencies, 100)))
	if r.Count == 0 {
		faults = append(faults, r.Name+": no call was made")
	}
	if failed > 0 {
		faults = append(faults, fmt.Sprintf("%s: %d of %d calls failed (%s)%s", r.Name, failed, r.Count,
			statuses(r.Status), firstError(r.Errors)))
	}
	if budget > 0 && p99 > budget {
		faults = append(faults, fmt.Sprintf("%s: p99 is %s, the budget %s", r.Name, show(p99), budget))
	}
	return row, faults
}

// percentile of sorted values, by the nearest rank; failed calls are among them.
func percentile(sorted []time.Duration, percent float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(percent / 100 * float64(len(sorted)))
	return sorted[min(rank, len(sorted)-1)]
}

func show(d time.Duration) string {
	return d.Round(10 * time.Microsecond).String()
}

func statuses(counts map[string]int) string {
	var parts []string
	for status, count := range counts {
		if status != "OK" {
			parts = append(parts, fmt.Sprintf("%s %d", status, count))
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// firstError is the commonest message, for the reader to begin with.
func firstError(errors map[string]int) string {
	most, text := 0, ""
	for message, count := range errors {
		if count > most || count == most && message < text {
			most, text = count, message
		}
	}
	if text == "" {
		return ""
	}
	return "; most often: " + text
}

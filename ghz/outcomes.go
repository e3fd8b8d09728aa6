//go:build ignore

// Outcomes makes decisions with grpcurl and prints, as data for ghz, outcomes that belong to them: ghz cannot carry
// an answer into the next request.
//
//	go run ghz/outcomes.go 127.0.0.1:50051 > target/ghz/outcomes.data.json
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
)

// Customers to ask for; the last ones, which the load reaches late.
const first, last = 19_800, 19_999

type decision struct {
	ID      string `json:"decisionId"`
	Actions []struct {
		ID string `json:"actionId"`
	} `json:"actions"`
}

type outcome struct {
	OutcomeID  string `json:"outcome_id"`
	DecisionID string `json:"decision_id"`
	CustomerID string `json:"customer_id"`
	ActionID   string `json:"action_id"`
	Outcome    string `json:"outcome"`
}

type batch struct {
	Outcomes []outcome `json:"outcomes"`
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run ghz/outcomes.go HOST:PORT")
		os.Exit(2)
	}
	kinds := []string{"OUTCOME_PRESENTED", "OUTCOME_CLICKED", "OUTCOME_ACCEPTED", "OUTCOME_REJECTED", "OUTCOME_DISMISSED"}
	var batches []batch
	for n := first; n <= last; n++ {
		customer := fmt.Sprintf("load-%d", n)
		made, err := decide(os.Args[1], customer)
		if err != nil {
			fmt.Fprintln(os.Stderr, "outcomes:", err)
			os.Exit(1)
		}
		for _, action := range made.Actions {
			kind := kinds[len(batches)%len(kinds)]
			batches = append(batches, batch{[]outcome{{"{{.UUID}}", made.ID, customer, action.ID, kind}}})
		}
	}
	if len(batches) == 0 {
		fmt.Fprintln(os.Stderr, "outcomes: every decision was silence; prepare the customers first")
		os.Exit(1)
	}
	json.NewEncoder(os.Stdout).Encode(batches)
}

func decide(host, customer string) (decision, error) {
	var made decision
	request := fmt.Sprintf(`{"customer_id": %q, "channel": "web", "context": {"topic": {"text": "speed"}}}`, customer)
	out, err := exec.Command("grpcurl", "-plaintext", "-d", request, host, "tactful.v1.DecisionService/Decide").CombinedOutput()
	if err != nil {
		return made, fmt.Errorf("Decide for %s: %w\n%s", customer, err, out)
	}
	return made, json.Unmarshal(out, &made)
}

package tactful_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"tactful.dev/tactful"
)

type step struct {
	Call    string          `json:"call"`
	Request json.RawMessage `json:"request"`
	Expect  map[string]any  `json:"expect"`
	Error   string          `json:"error"`
}

// request has the parts of all requests of the scenario, as proto JSON has them.
type request struct {
	Channel    string
	Context    map[string]map[string]any
	Attributes map[string]map[string]any
	Changes    []struct{ Purpose string }
	Purposes   []string
	Source     struct{ Evidence string }
	Outcomes   []struct{ OutcomeID, ActionID string }
	Events     []struct {
		EventID, Type string
		Fields        map[string]map[string]any
	}
}

// The scenario of examples/scenario, with the client's own calls: the same answers as every other client.
func TestScenario(t *testing.T) {
	client := connect(t, "http://"+serve(t))
	text, err := os.ReadFile(filepath.Join(root, "examples/scenario/scenario.json"))
	must(t, err)
	var steps []step
	must(t, json.Unmarshal(text, &steps))
	talk := &conversation{client: client}
	for _, step := range steps {
		var asked request
		must(t, json.Unmarshal(step.Request, &asked))
		answer, err := talk.take(t.Context(), step.Call, asked)
		if step.Error != "" {
			var failed *tactful.Error
			if !errors.As(err, &failed) || failed.Code != codes.InvalidArgument || step.Error != "INVALID_ARGUMENT" {
				t.Errorf("%s: %v, not %s", step.Call, err, step.Error)
			}
			continue
		}
		must(t, err)
		for path, expected := range step.Expect {
			if seen := at(answer, path); !reflect.DeepEqual(seen, expected) {
				t.Errorf("%s: %s is %v, not %v", step.Call, path, seen, expected)
			}
		}
	}
}

type conversation struct {
	client   *tactful.Client
	decision *tactful.Decision
}

func (c *conversation) take(ctx context.Context, call string, asked request) (any, error) {
	switch call {
	case "DecisionService/Decide":
		decision, err := c.client.Decide(ctx, tactful.Question{
			CustomerID: "anna", Channel: asked.Channel, Context: plain(asked.Context), Timeout: patience,
		})
		if err != nil {
			return nil, err
		}
		c.decision = decision
		return toJSON(decision.DecideResponse)
	case "DecisionService/RecordOutcomes":
		record := c.decision.Outcome(tactful.Presented)
		record.OutcomeID = asked.Outcomes[0].OutcomeID
		return one(c.client.RecordOutcome(ctx, record))
	case "ConsentService/RecordConsent":
		standing, err := c.client.GiveConsent(ctx, tactful.Grant{
			CustomerID: "anna", Purpose: asked.Changes[0].Purpose, Source: tactful.Source{Evidence: asked.Source.Evidence},
		})
		return accepted(standing, err)
	case "ConsentService/WithdrawConsent":
		standings, err := c.client.WithdrawConsent(ctx, tactful.Denial{CustomerID: "anna", Purposes: asked.Purposes})
		if err != nil {
			return nil, err
		}
		return accepted(standings[0], nil)
	case "JourneyService/SetAttributes":
		dropped, err := c.client.SetAttributes(ctx, "anna", plain(asked.Attributes))
		if len(dropped) > 0 {
			return nil, errors.New("dropped " + strings.Join(dropped, ", "))
		}
		return map[string]any{}, err
	case "JourneyService/RecordEvents":
		event := asked.Events[0]
		return one(c.client.RecordEvent(ctx, tactful.Event{
			CustomerID: "anna", Type: event.Type, EventID: event.EventID, Fields: plain(event.Fields),
		}))
	default:
		return nil, errors.New("unknown call " + call)
	}
}

// plain returns the values of facts in proto JSON.
func plain(facts map[string]map[string]any) tactful.Facts {
	values := tactful.Facts{}
	for name, fact := range facts {
		for _, value := range fact {
			values[name] = value
		}
	}
	return values
}

func one(result proto.Message, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	item, err := toJSON(result)
	return map[string]any{"results": []any{item}}, err
}

func accepted(standing proto.Message, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	item, err := toJSON(standing)
	return map[string]any{"results": []any{map[string]any{"accepted": true, "standing": item}}}, err
}

func toJSON(message proto.Message) (any, error) {
	text, err := protojson.MarshalOptions{EmitUnpopulated: true}.Marshal(message)
	if err != nil {
		return nil, err
	}
	var read any
	err = json.Unmarshal(text, &read)
	return read, err
}

func at(value any, path string) any {
	for part := range strings.SplitSeq(path, ".") {
		switch held := value.(type) {
		case map[string]any:
			value = held[part]
		case []any:
			place, err := strconv.Atoi(part)
			if err != nil || place >= len(held) {
				return nil
			}
			value = held[place]
		}
	}
	return value
}

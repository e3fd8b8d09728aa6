package tactful

import (
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"tactful.dev/tactful/tactfulv1"
)

// A Question is: what is the next step for one customer, on one channel, now?
type Question struct {
	CustomerID string
	// Channel is where the conversation is: a channel of the rules.
	Channel string
	// Context has facts of this moment, by the names declared under `context`.
	Context Facts
	// RequestID is your id of this question; a random one if empty. The same id returns the same decision, and counts once.
	RequestID string
	// MaxActions is the most steps you can show; 0 means 1.
	MaxActions uint32
	// Groups: only actions of these groups; all if empty.
	Groups []string
	// Explain says how much the answer explains.
	Explain tactfulv1.ExplainLevel
	// ValidateOnly decides, but reserves, counts and records nothing.
	ValidateOnly bool
	// Timeout replaces that of the client.
	Timeout time.Duration
	// FailWhenLate returns the error of a late or unreachable server instead of a local silence.
	FailWhenLate bool
}

func (q Question) request() (*tactfulv1.DecideRequest, error) {
	context, err := q.Context.values(false)
	if err != nil {
		return nil, fmt.Errorf("tactful: context: %w", err)
	}
	return &tactfulv1.DecideRequest{
		CustomerId:   q.CustomerID,
		Channel:      q.Channel,
		RequestId:    orNewID(q.RequestID),
		Context:      context,
		MaxActions:   q.MaxActions,
		Groups:       q.Groups,
		Explain:      q.Explain,
		ValidateOnly: q.ValidateOnly,
	}, nil
}

// A Decision is the answer: steps, or silence.
type Decision struct {
	*tactfulv1.DecideResponse
	CustomerID string
	RequestID  string
	// Local is true if the client answers, with silence, because the server did not: it knows of no decision.
	Local bool
	// Err says why the server did not answer; only if Local.
	Err error
}

// Action returns the best step; nil if silence is best.
func (d *Decision) Action() *tactfulv1.NextAction {
	if len(d.GetActions()) == 0 {
		return nil
	}
	return d.GetActions()[0]
}

// Outcome returns the record of what became of the decision's step, for [Client.RecordOutcome]. If there are more steps
// than one, set its ActionID.
func (d *Decision) Outcome(outcome Outcome) OutcomeRecord {
	record := OutcomeRecord{DecisionID: d.GetDecisionId(), CustomerID: d.CustomerID, Outcome: outcome}
	if len(d.GetActions()) == 1 {
		record.ActionID = d.GetActions()[0].GetActionId()
	}
	return record
}

func localSilence(request *tactfulv1.DecideRequest, failed *Error, timeout time.Duration) *Decision {
	silence := &tactfulv1.Silence{}
	switch failed.Code {
	case codes.DeadlineExceeded:
		silence.Reason = tactfulv1.SilenceReason_SILENCE_REASON_TOO_LATE
		silence.Detail = fmt.Sprintf("the server did not answer in %d ms", timeout.Milliseconds())
	case codes.ResourceExhausted:
		silence.Reason = tactfulv1.SilenceReason_SILENCE_REASON_OVERLOADED
		silence.Detail = "the server is too busy: " + failed.message
	default:
		silence.Reason = tactfulv1.SilenceReason_SILENCE_REASON_UNAVAILABLE
		silence.Detail = "the server cannot answer: " + failed.message
	}
	if failed.RetryDelay != nil {
		silence.RetryAfter = timestamppb.New(time.Now().Add(*failed.RetryDelay))
	}
	return &Decision{
		DecideResponse: &tactfulv1.DecideResponse{Silence: silence},
		CustomerID:     request.GetCustomerId(),
		RequestID:      request.GetRequestId(),
		Local:          true,
		Err:            failed,
	}
}

package tactful

import (
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"

	"tactful.dev/tactful/tactfulv1"
)

// An Outcome is what became of a step.
type Outcome = tactfulv1.Outcome

// The outcomes. Presented confirms the contact that the decision reserved, NotPresented takes it back.
const (
	Presented    = tactfulv1.Outcome_OUTCOME_PRESENTED
	Clicked      = tactfulv1.Outcome_OUTCOME_CLICKED
	Accepted     = tactfulv1.Outcome_OUTCOME_ACCEPTED
	Rejected     = tactfulv1.Outcome_OUTCOME_REJECTED
	NotNow       = tactfulv1.Outcome_OUTCOME_NOT_NOW
	AlreadyDone  = tactfulv1.Outcome_OUTCOME_ALREADY_DONE
	Dismissed    = tactfulv1.Outcome_OUTCOME_DISMISSED
	Complained   = tactfulv1.Outcome_OUTCOME_COMPLAINED
	NotPresented = tactfulv1.Outcome_OUTCOME_NOT_PRESENTED
)

// An OutcomeRecord says what became of a step. [Decision.Outcome] makes one; days later, make it of the ids you kept.
type OutcomeRecord struct {
	DecisionID string
	CustomerID string
	ActionID   string
	Outcome    Outcome
	// OutcomeID is your id of the outcome; made of decision, step and outcome if empty. A repetition counts once.
	OutcomeID string
	// OccurredAt is when it happened; now if zero.
	OccurredAt time.Time
}

func (o OutcomeRecord) message() (*tactfulv1.OutcomeRecord, error) {
	if o.DecisionID == "" {
		return nil, errors.New("tactful: the decision has no id: nothing was recorded of it")
	}
	if o.ActionID == "" {
		return nil, errors.New("tactful: the outcome names no step: set ActionID, or record nothing for a silence")
	}
	id := o.OutcomeID
	if id == "" {
		id = fmt.Sprintf("%s/%s/%s", o.DecisionID, o.ActionID, o.Outcome)
	}
	return &tactfulv1.OutcomeRecord{
		OutcomeId:  id,
		DecisionId: o.DecisionID,
		CustomerId: o.CustomerID,
		ActionId:   o.ActionID,
		Outcome:    o.Outcome,
		OccurredAt: timestamp(o.OccurredAt),
	}, nil
}

// An Event is something that a customer did, or that happened to them.
type Event struct {
	CustomerID string
	// Type is an event of the rules, such as page_view.
	Type    string
	Channel string
	// Fields are details, by the names declared for the event.
	Fields Facts
	// EventID is your id of the event; a random one if empty. A repetition counts once.
	EventID string
	// OccurredAt is when it happened; now if zero.
	OccurredAt time.Time
}

func (e Event) message() (*tactfulv1.Event, error) {
	fields, err := e.Fields.values(false)
	if err != nil {
		return nil, fmt.Errorf("tactful: fields: %w", err)
	}
	return &tactfulv1.Event{
		EventId:    orNewID(e.EventID),
		CustomerId: e.CustomerID,
		Type:       e.Type,
		Channel:    e.Channel,
		OccurredAt: timestamp(e.OccurredAt),
		Fields:     fields,
	}, nil
}

// A Source says where a change of consent comes from, as evidence.
type Source struct {
	// Channel is a channel, or another name of the place.
	Channel string
	// Evidence is the id of a form, a recording or a letter.
	Evidence string
	// Actor is who acted, if not the customer.
	Actor string
}

func (s Source) message() *tactfulv1.ConsentSource {
	return &tactfulv1.ConsentSource{Channel: s.Channel, Actor: s.Actor, Evidence: s.Evidence}
}

// A Grant is a customer's yes to one purpose.
type Grant struct {
	CustomerID string
	Purpose    string
	Source     Source
	// Notice is the text that the customer was shown: its path in the rule files or its hash.
	Notice string
	// Language is the one it was shown in, such as de-AT.
	Language string
	// Expression is how the customer expressed it, such as "ticked a box".
	Expression string
	// ValidUntil is the end of the yes, exclusive; none if zero.
	ValidUntil time.Time
	// IdempotencyKey is your id of this yes; a random one if empty. A repetition counts once.
	IdempotencyKey string
}

func (g Grant) message() *tactfulv1.RecordConsentRequest {
	change := &tactfulv1.ConsentChange{
		Purpose:    g.Purpose,
		Status:     tactfulv1.ConsentStatus_CONSENT_STATUS_GIVEN,
		Notice:     g.Notice,
		Language:   g.Language,
		Expression: g.Expression,
		ValidUntil: timestamp(g.ValidUntil),
	}
	return &tactfulv1.RecordConsentRequest{
		CustomerId:     g.CustomerID,
		Changes:        []*tactfulv1.ConsentChange{change},
		IdempotencyKey: orNewID(g.IdempotencyKey),
		Source:         g.Source.message(),
	}
}

// A DenialStatus is how a customer denies a purpose.
type DenialStatus = tactfulv1.ConsentStatus

// How a customer denies a purpose. Restricted concerns every purpose, and names none.
const (
	Withdrawn  = tactfulv1.ConsentStatus_CONSENT_STATUS_WITHDRAWN
	Refused    = tactfulv1.ConsentStatus_CONSENT_STATUS_REFUSED
	Objected   = tactfulv1.ConsentStatus_CONSENT_STATUS_OBJECTED
	Restricted = tactfulv1.ConsentStatus_CONSENT_STATUS_RESTRICTED
)

// A Denial is a customer's no.
type Denial struct {
	CustomerID string
	// Purposes: every one that can be denied if empty.
	Purposes []string
	// Status is what the customer did; Withdrawn if not set.
	Status DenialStatus
	Source Source
}

func (d Denial) message() *tactfulv1.WithdrawConsentRequest {
	return &tactfulv1.WithdrawConsentRequest{
		CustomerId: d.CustomerID,
		Purposes:   d.Purposes,
		Status:     d.Status,
		Source:     d.Source.message(),
	}
}

// onlyResult returns the result of one outcome or event. A mistake is an error; what the customer has not allowed is none.
func onlyResult(results []*tactfulv1.RecordResult) (*tactfulv1.RecordResult, error) {
	if len(results) != 1 {
		return nil, &Error{Code: codes.Internal, message: fmt.Sprintf("the answer has %d results, not 1", len(results))}
	}
	result := results[0]
	if code, mistaken := refusals[result.GetCode()]; mistaken {
		return nil, refused(result.GetCode(), result.GetReason(), code)
	}
	return result, nil
}

// standings returns the standing of each purpose after a change. Every refusal is an error.
func standings(results []*tactfulv1.ConsentResult) ([]*tactfulv1.Standing, error) {
	held := make([]*tactfulv1.Standing, 0, len(results))
	for _, result := range results {
		if !result.GetAccepted() {
			code, known := refusals[result.GetCode()]
			if !known {
				code = codes.FailedPrecondition
			}
			return nil, refused(result.GetCode(), result.GetReason(), code)
		}
		held = append(held, result.GetStanding())
	}
	return held, nil
}

func orNewID(id string) string {
	if id == "" {
		return rand.Text()
	}
	return id
}

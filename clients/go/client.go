package tactful

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"

	"tactful.dev/tactful/tactfulv1"
)

// A Client calls one server. One is enough for a program; its methods may be called from many goroutines.
type Client struct {
	calls *grpc.ClientConn
	// Withdrawals have a connection of their own: a busy server reads those first.
	withdrawals   *grpc.ClientConn
	decideTimeout time.Duration
	timeout       time.Duration
}

// New makes a client of the server at an address such as https://tactful.example:50051. Connections are opened with the
// first call, and opened again when they were lost.
func New(address string, opts ...Option) (*Client, error) {
	o := &options{tls: &tls.Config{MinVersion: tls.VersionTLS12}, decideTimeout: 300 * time.Millisecond, timeout: 5 * time.Second}
	for _, option := range opts {
		if err := option(o); err != nil {
			return nil, fmt.Errorf("tactful: %w", err)
		}
	}
	target, err := o.target(address)
	if err != nil {
		return nil, fmt.Errorf("tactful: %w", err)
	}
	calls, err := grpc.NewClient(target, o.dial...)
	if err != nil {
		return nil, fmt.Errorf("tactful: %w", err)
	}
	withdrawals, err := grpc.NewClient(target, o.dial...)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("tactful: %w", err), calls.Close())
	}
	return &Client{calls: calls, withdrawals: withdrawals, decideTimeout: o.decideTimeout, timeout: o.timeout}, nil
}

// Close closes the connections.
func (c *Client) Close() error {
	return errors.Join(c.calls.Close(), c.withdrawals.Close())
}

// Conn returns the connection, for every other call: tactfulv1.NewDecisionServiceClient(client.Conn()). It sends the
// token; it has no deadline and does not retry.
func (c *Client) Conn() grpc.ClientConnInterface { return c.calls }

// Ready waits until the server answers, and returns who the caller is to it. Call it when your program starts: then the
// first Decide need not wait for the connection.
func (c *Client) Ready(ctx context.Context) (*tactfulv1.GetCallerResponse, error) {
	return retry(ctx, c.timeout, func(ctx context.Context) (*tactfulv1.GetCallerResponse, error) {
		return tactfulv1.NewCallerServiceClient(c.calls).GetCaller(ctx, &tactfulv1.GetCallerRequest{})
	})
}

// Decide returns the best next step now, or silence. It counts as a contact, once for all retries.
//
// If the server is late or cannot be reached, the answer is a silence that is Local, unless the question asks for the
// error. The error is an [*Error] if the request is wrong or the caller may not make it, and that of ctx if the caller
// cancelled it.
func (c *Client) Decide(ctx context.Context, question Question) (*Decision, error) {
	request, err := question.request()
	if err != nil {
		return nil, err
	}
	timeout := c.decideTimeout
	if question.Timeout != 0 {
		timeout = question.Timeout
	}
	if end, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(end))
	}
	answer, err := retry(ctx, timeout, func(ctx context.Context) (*tactfulv1.DecideResponse, error) {
		return tactfulv1.NewDecisionServiceClient(c.calls).Decide(ctx, request)
	})
	var failed *Error
	switch {
	case err == nil:
		return &Decision{DecideResponse: answer, CustomerID: request.GetCustomerId(), RequestID: request.GetRequestId()}, nil
	case !question.FailWhenLate && errors.As(err, &failed) && failed.IsOutage():
		return localSilence(request, failed, timeout), nil
	default:
		return nil, err
	}
}

// RecordOutcome records what became of a step. Each outcome of a step counts once, however often it is recorded.
func (c *Client) RecordOutcome(ctx context.Context, outcome OutcomeRecord) (*tactfulv1.RecordResult, error) {
	message, err := outcome.message()
	if err != nil {
		return nil, err
	}
	request := &tactfulv1.RecordOutcomesRequest{Outcomes: []*tactfulv1.OutcomeRecord{message}}
	return retry(ctx, c.timeout, func(ctx context.Context) (*tactfulv1.RecordResult, error) {
		answer, err := tactfulv1.NewDecisionServiceClient(c.calls).RecordOutcomes(ctx, request)
		if err != nil {
			return nil, err
		}
		return onlyResult(answer.GetResults())
	})
}

// RecordEvent records what a customer did. If the customer has allowed no purpose of the event, it is not stored, and the
// result is not accepted; that is no error.
func (c *Client) RecordEvent(ctx context.Context, event Event) (*tactfulv1.RecordResult, error) {
	message, err := event.message()
	if err != nil {
		return nil, err
	}
	request := &tactfulv1.RecordEventsRequest{Events: []*tactfulv1.Event{message}}
	return retry(ctx, c.timeout, func(ctx context.Context) (*tactfulv1.RecordResult, error) {
		answer, err := tactfulv1.NewJourneyServiceClient(c.calls).RecordEvents(ctx, request)
		if err != nil {
			return nil, err
		}
		return onlyResult(answer.GetResults())
	})
}

// SetAttributes sets what is known about a customer; other attributes stay as they are, and nil removes one. It returns
// the names of those that no purpose allows now: they were dropped.
func (c *Client) SetAttributes(ctx context.Context, customerID string, attributes Facts) (dropped []string, err error) {
	values, err := attributes.values(true)
	if err != nil {
		return nil, fmt.Errorf("tactful: attributes: %w", err)
	}
	request := &tactfulv1.SetAttributesRequest{CustomerId: customerID, Attributes: values}
	return c.setAttributes(ctx, request)
}

// SetTimeZone sets the customer's time zone, for quiet hours: an IANA name such as Europe/Berlin.
func (c *Client) SetTimeZone(ctx context.Context, customerID, timeZone string) error {
	_, err := c.setAttributes(ctx, &tactfulv1.SetAttributesRequest{CustomerId: customerID, TimeZone: timeZone})
	return err
}

func (c *Client) setAttributes(ctx context.Context, request *tactfulv1.SetAttributesRequest) ([]string, error) {
	return retry(ctx, c.timeout, func(ctx context.Context) ([]string, error) {
		answer, err := tactfulv1.NewJourneyServiceClient(c.calls).SetAttributes(ctx, request)
		return answer.GetDropped(), err
	})
}

// GiveConsent records a yes. It is in force, and on the server's disk, when this returns.
func (c *Client) GiveConsent(ctx context.Context, grant Grant) (*tactfulv1.Standing, error) {
	request := grant.message()
	return retry(ctx, c.timeout, func(ctx context.Context) (*tactfulv1.Standing, error) {
		answer, err := tactfulv1.NewConsentServiceClient(c.calls).RecordConsent(ctx, request)
		if err != nil {
			return nil, err
		}
		held, err := standings(answer.GetResults())
		if err != nil {
			return nil, err
		}
		return held[0], nil
	})
}

// WithdrawConsent records a no, for every decision that starts after this returns. A repetition is harmless.
func (c *Client) WithdrawConsent(ctx context.Context, denial Denial) ([]*tactfulv1.Standing, error) {
	request := denial.message()
	return retry(ctx, c.timeout, func(ctx context.Context) ([]*tactfulv1.Standing, error) {
		answer, err := tactfulv1.NewConsentServiceClient(c.withdrawals).WithdrawConsent(ctx, request)
		if err != nil {
			return nil, err
		}
		return standings(answer.GetResults())
	})
}

// GetConsent returns what one customer allows now: a standing for each purpose.
func (c *Client) GetConsent(ctx context.Context, customerID string) ([]*tactfulv1.Standing, error) {
	return retry(ctx, c.timeout, func(ctx context.Context) ([]*tactfulv1.Standing, error) {
		answer, err := tactfulv1.NewConsentServiceClient(c.calls).GetConsent(ctx, &tactfulv1.GetConsentRequest{CustomerId: customerID})
		return answer.GetStandings(), err
	})
}

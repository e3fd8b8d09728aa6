package tactful_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"tactful.dev/tactful"
	"tactful.dev/tactful/tactfulv1"
)

func TestARetryAfterACutConnectionCountsOnce(t *testing.T) {
	server := serve(t)
	cutting := startProxy(t, server, 2, false)
	client := connect(t, "http://"+cutting.address, tactful.WithTimeout(patience))
	ctx := t.Context()
	decision, err := client.Decide(ctx, tactful.Question{
		CustomerID: "cora", Channel: "web", Context: speed, Timeout: patience, FailWhenLate: true,
	})
	must(t, err)
	equal(t, decision.Local, false)
	equal(t, cutting.connections.Load(), 3)

	reader := connect(t, "http://"+server).Conn()
	kept, err := tactfulv1.NewDecisionServiceClient(reader).ListDecisions(ctx, &tactfulv1.ListDecisionsRequest{CustomerId: "cora"})
	must(t, err)
	equal(t, len(kept.GetDecisions()), 1)
	equal(t, kept.GetDecisions()[0].GetDecision().GetDecisionId(), decision.GetDecisionId())
	held, err := tactfulv1.NewJourneyServiceClient(reader).GetCustomer(ctx, &tactfulv1.GetCustomerRequest{CustomerId: "cora"})
	must(t, err)
	var most uint32
	for _, limit := range held.GetLimits() {
		most = max(most, limit.GetUsed())
	}
	equal(t, most, 1)

	cutting.cuts.Store(1)
	outcome, err := client.RecordOutcome(ctx, decision.Outcome(tactful.Presented))
	must(t, err)
	equal(t, outcome.GetCode(), tactfulv1.ResultCode_RESULT_CODE_REPEATED)
	cutting.cuts.Store(1)
	standing, err := client.GiveConsent(ctx, tactful.Grant{CustomerID: "cora", Purpose: "personalisation"})
	must(t, err)
	equal(t, standing.GetUsable(), true)
	cutting.cuts.Store(1)
	event, err := client.RecordEvent(ctx, tactful.Event{CustomerID: "cora", Type: "page_view", Fields: tactful.Facts{"page": "fibre"}})
	must(t, err)
	equal(t, event.GetCode(), tactfulv1.ResultCode_RESULT_CODE_REPEATED)
}

func TestALateServerGivesSilence(t *testing.T) {
	silent := startProxy(t, serve(t), 0, true)
	for _, address := range []string{silent.address, listen(t).Addr().String()} {
		client := connect(t, "http://"+address, tactful.WithDecideTimeout(100*time.Millisecond))
		question := tactful.Question{CustomerID: "lena", Channel: "web", Context: speed, RequestID: "r-1", ValidateOnly: true}
		decision, err := client.Decide(t.Context(), question)
		must(t, err)
		equal(t, decision.Local, true)
		equal(t, decision.GetSilence().GetReason(), tactfulv1.SilenceReason_SILENCE_REASON_TOO_LATE)
		equal(t, decision.GetSilence().GetDetail(), "the server did not answer in 100 ms")
		equal(t, decision.RequestID, "r-1")
		equal(t, decision.Action(), nil)
		if _, err := client.RecordOutcome(t.Context(), decision.Outcome(tactful.Presented)); err == nil {
			t.Error("a local silence has no outcome")
		}
		question.FailWhenLate = true
		_, err = client.Decide(t.Context(), question)
		failed(t, err, codes.DeadlineExceeded, "")
		// The deadline of the caller is late, too.
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		decision, err = client.Decide(ctx, tactful.Question{CustomerID: "lena", Channel: "web"})
		cancel()
		must(t, err)
		equal(t, decision.Local, true)
	}
}

func TestAServerThatIsGoneGivesSilence(t *testing.T) {
	listener := listen(t)
	must(t, listener.Close())
	client := connect(t, "http://"+listener.Addr().String(), tactful.WithTimeout(time.Second),
		tactful.WithDecideTimeout(time.Second))
	decision, err := client.Decide(t.Context(), tactful.Question{CustomerID: "gus", Channel: "web"})
	must(t, err)
	equal(t, decision.GetSilence().GetReason(), tactfulv1.SilenceReason_SILENCE_REASON_UNAVAILABLE)
	failed(t, decision.Err, codes.Unavailable, "")
	_, err = client.Ready(t.Context())
	failed(t, err, codes.Unavailable, "")
}

func TestTheDelayOfABusyServerIsKept(t *testing.T) {
	tokens := filepath.Join(t.TempDir(), "tokens.toml")
	token := newToken(t, tokens, "--scope", "decide", "--rate", "1", "--burst", "1")
	attempts := 0
	count := func(ctx context.Context, method string, request, answer any, conn *grpc.ClientConn, call grpc.UnaryInvoker, options ...grpc.CallOption) error {
		attempts++
		return call(ctx, method, request, answer, conn, options...)
	}
	client := connect(t, "http://"+serve(t, "--tokens", tokens), tactful.WithToken(token),
		tactful.WithDialOptions(grpc.WithUnaryInterceptor(count)))
	question := tactful.Question{CustomerID: "anna", Channel: "web", ValidateOnly: true, Timeout: patience}
	for range 2 {
		decision, err := client.Decide(t.Context(), question)
		must(t, err)
		equal(t, decision.Local, false)
	}
	question.Timeout = 500 * time.Millisecond
	attempts = 0
	decision, err := client.Decide(t.Context(), question)
	must(t, err)
	equal(t, decision.GetSilence().GetReason(), tactfulv1.SilenceReason_SILENCE_REASON_OVERLOADED)
	late := failed(t, decision.Err, codes.ResourceExhausted, "RATE_LIMITED")
	// The delay is longer than the deadline: there is no other attempt.
	equal(t, attempts, 1)
	equal(t, late.RetryDelay != nil && decision.GetSilence().GetRetryAfter().AsTime().After(time.Now()), true)
}

func TestWithdrawalsHaveAConnectionOfTheirOwn(t *testing.T) {
	through := startProxy(t, serve(t), 0, false)
	client := connect(t, "http://"+through.address)
	_, err := client.GetConsent(t.Context(), "wanda")
	must(t, err)
	equal(t, through.connections.Load(), 1)
	_, err = client.WithdrawConsent(t.Context(), tactful.Denial{CustomerID: "wanda"})
	must(t, err)
	equal(t, through.connections.Load(), 2)
}

func TestAWrongRequestIsAnError(t *testing.T) {
	client := connect(t, "http://"+serve(t))
	ctx := t.Context()
	_, err := client.Decide(ctx, tactful.Question{CustomerID: "anna", Channel: "fax", Timeout: patience})
	wrong := failed(t, err, codes.InvalidArgument, "UNKNOWN_CHANNEL")
	equal(t, len(wrong.Fields) == 1 && wrong.Fields[0].Field == "channel", true)
	_, err = client.RecordEvent(ctx, tactful.Event{CustomerID: "anna", Type: "page_vew"})
	failed(t, err, codes.InvalidArgument, "UNKNOWN_NAME")
	_, err = client.WithdrawConsent(ctx, tactful.Denial{CustomerID: "anna", Purposes: []string{"personalization"}})
	failed(t, err, codes.InvalidArgument, "")
	_, err = client.Decide(ctx, tactful.Question{CustomerID: "anna", Channel: "web", Context: tactful.Facts{"topic": struct{}{}}})
	equal(t, fmt.Sprint(err), "tactful: context: `topic` is a struct {}, not a string, bool, number, time.Time, time.Duration or []string")
	equal(t, client.SetTimeZone(ctx, "anna", "Europe/Berlin"), nil)
}

func TestWhatTheCustomerHasNotAllowedIsAnAnswer(t *testing.T) {
	client := connect(t, "http://"+serve(t))
	event, err := client.RecordEvent(t.Context(), tactful.Event{CustomerID: "nora", Type: "page_view", Fields: tactful.Facts{"page": "fibre"}})
	must(t, err)
	equal(t, event.GetCode(), tactfulv1.ResultCode_RESULT_CODE_NO_LAWFUL_PURPOSE)
	dropped, err := client.SetAttributes(t.Context(), "nora", tactful.Facts{"customer.age": 34})
	must(t, err)
	equal(t, len(dropped), 1)
}

func TestACallerMayGiveUp(t *testing.T) {
	client := connect(t, "http://"+listen(t).Addr().String())
	gone := errors.New("the page is gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	_, err := client.Decide(ctx, tactful.Question{CustomerID: "anna", Channel: "web", Timeout: patience})
	equal(t, err, gone)
}

func failed(t *testing.T, err error, code codes.Code, reason string) *tactful.Error {
	t.Helper()
	var found *tactful.Error
	if !errors.As(err, &found) {
		t.Fatalf("%v is no *tactful.Error", err)
	}
	equal(t, found.Code, code)
	if reason != "" {
		equal(t, found.Reason, reason)
	}
	return found
}

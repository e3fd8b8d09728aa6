package tactful

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/codes"
)

const (
	firstPause   = 25 * time.Millisecond
	longestPause = time.Second
)

// retry makes a call until it succeeds, fails for good, or the time is up. Every attempt has to send the same id, so that
// the server counts it once. The error is an *Error, or that of a context that the caller has cancelled.
func retry[T any](ctx context.Context, timeout time.Duration, call func(context.Context) (T, error)) (T, error) {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var none T
	var before *Error
	longest := firstPause
	for {
		answer, err := call(limited)
		if err == nil {
			return answer, nil
		}
		if errors.Is(ctx.Err(), context.Canceled) {
			return none, context.Cause(ctx)
		}
		failed := ErrorFrom(err)
		// Why the time went by says more than that it did.
		if failed.Code == codes.DeadlineExceeded && before != nil {
			return none, before
		}
		before = failed
		pause := rand.N(longest)
		longest = min(longestPause, 2*longest)
		if failed.RetryDelay != nil {
			pause = *failed.RetryDelay
		}
		end, _ := limited.Deadline()
		if !failed.IsRetryable() || time.Until(end) <= pause {
			return none, failed
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return none, context.Cause(ctx)
			}
			return none, failed
		}
	}
}

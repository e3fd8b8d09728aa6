package tactful

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"tactful.dev/tactful/tactfulv1"
)

// An Error is a call that failed, or an item that was refused. Get it with [errors.As], and branch on Reason or Code; the
// message is for people.
type Error struct {
	// Code is the status of gRPC.
	Code codes.Code
	// Reason is a stable reason, such as UNKNOWN_CHANNEL; empty if the server gave none.
	Reason string
	// Fields are the fields at fault.
	Fields []FieldViolation
	// RetryDelay says after how long the server wants the call to be repeated; nil if it does not say.
	RetryDelay *time.Duration

	message string
	cause   error
}

// A FieldViolation is what the server says against one field of a request.
type FieldViolation struct {
	Field       string
	Description string
}

// Error returns the code, the reason and the message.
func (e *Error) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("tactful: %s: %s", e.Code, e.message)
	}
	return fmt.Sprintf("tactful: %s: %s: %s", e.Code, e.Reason, e.message)
}

// Unwrap returns the error of gRPC; nil for an item that was refused.
func (e *Error) Unwrap() error { return e.cause }

// IsRetryable says whether the same call may succeed a moment later.
func (e *Error) IsRetryable() bool {
	switch e.Code {
	case codes.Unavailable, codes.Aborted:
		return true
	case codes.ResourceExhausted:
		return e.RetryDelay != nil
	default:
		return false
	}
}

// IsOutage says whether it is the server or the way to it that failed, and neither the request nor the caller is wrong.
func (e *Error) IsOutage() bool {
	switch e.Code {
	case codes.Unavailable, codes.DeadlineExceeded, codes.ResourceExhausted, codes.Aborted, codes.Internal,
		codes.Unknown, codes.DataLoss:
		return true
	default:
		return false
	}
}

// ErrorFrom reads the details of an error of the generated clients.
func ErrorFrom(err error) *Error {
	if known, ok := err.(*Error); ok {
		return known
	}
	// Errors of a context have no status of their own.
	failed := status.FromContextError(err)
	if found, ok := status.FromError(err); ok {
		failed = found
	}
	e := &Error{Code: failed.Code(), message: failed.Message(), cause: err}
	for _, detail := range failed.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			e.Reason = detail.GetReason()
		case *errdetails.BadRequest:
			for _, violation := range detail.GetFieldViolations() {
				e.Fields = append(e.Fields, FieldViolation{violation.GetField(), violation.GetDescription()})
			}
		case *errdetails.RetryInfo:
			delay := detail.GetRetryDelay().AsDuration()
			e.RetryDelay = &delay
		}
	}
	return e
}

// refusals are the codes of items that are refused by mistake of the caller, or for now.
var refusals = map[tactfulv1.ResultCode]codes.Code{
	tactfulv1.ResultCode_RESULT_CODE_INVALID:      codes.InvalidArgument,
	tactfulv1.ResultCode_RESULT_CODE_UNKNOWN_NAME: codes.InvalidArgument,
	tactfulv1.ResultCode_RESULT_CODE_REUSED:       codes.AlreadyExists,
	tactfulv1.ResultCode_RESULT_CODE_NOT_FOUND:    codes.NotFound,
	tactfulv1.ResultCode_RESULT_CODE_UNAVAILABLE:  codes.Unavailable,
}

func refused(code tactfulv1.ResultCode, reason string, status codes.Code) *Error {
	return &Error{Code: status, Reason: strings.TrimPrefix(code.String(), "RESULT_CODE_"), message: reason}
}

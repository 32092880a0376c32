package gcpkms

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cardseal/cardseal/keys"
)

// ErrClosed is the use of a closed KEK. It is keys.ErrClosed to errors.Is.
var ErrClosed error = closedError{}

type closedError struct{}

func (closedError) Error() string        { return "gcpkms: KEK is closed" }
func (closedError) Is(target error) bool { return target == keys.ErrClosed }

// ChecksumError is an answer of the KMS that was altered on the way, in every
// try. It lies within a keys.CallError of kind keys.ErrCorrupt.
type ChecksumError struct {
	// Field is the field of Google's answer that does not fit: a checksum, or the
	// name where another key answered. "request" where the KMS says that the
	// request did not fit its checksums.
	Field string
}

func (e *ChecksumError) Error() string {
	return "gcpkms: altered on the way in every try: " + e.Field
}

var errCheck = errors.New("the check value is of another data key or binding")

// refusedChecksum reports whether the KMS refused a request because it does not
// fit its own checksums. Google has no code of its own for that; its text names
// the field, and no other refusal does.
func refusedChecksum(err error) bool {
	s := status.Convert(err)
	return s.Code() == codes.InvalidArgument && strings.Contains(strings.ToLower(s.Message()), "crc32c")
}

func mismatch(call, field string, err error) error {
	if field == "" {
		field = "request"
	}
	var altered error = &ChecksumError{field}
	if err != nil {
		altered = errors.Join(altered, told(err))
	}
	return &keys.CallError{Call: call, Kind: keys.ErrCorrupt, Err: altered}
}

// failed is the error of a call, in the words of package keys.
func (k *KEK) failed(ctx context.Context, call string, err error) error {
	kind := kindOf(call, err)
	switch {
	case ctx.Err() != nil:
		kind = ctx.Err()
	case k.closed.Load():
		kind = ErrClosed // its client was closed under the call
	}
	return &keys.CallError{Call: call, Kind: kind, Err: told(err)}
}

// told is the client's error without what it quotes of an answer. Where a header
// of the answer is spoilt gRPC puts the body behind a line break, up to 1 KiB of
// it, and in that may be a data key in clear.
func told(err error) error {
	s := status.Convert(err)
	text, _, quotes := strings.Cut(s.Message(), "\n")
	if !quotes {
		return err
	}
	return status.Error(s.Code(), text)
}

func kindOf(call string, err error) error {
	s := status.Convert(err)
	switch s.Code() {
	case codes.FailedPrecondition:
		return keys.ErrDisabled
	case codes.NotFound:
		return keys.ErrNotFound
	case codes.Unauthenticated:
		if noToken(s.Message()) {
			return keys.ErrUnavailable
		}
		return keys.ErrDenied
	case codes.ResourceExhausted:
		// gRPC's own: a length that makes no sense, not a quota.
		if strings.HasPrefix(s.Message(), "grpc: ") {
			return keys.ErrUnavailable
		}
		return keys.ErrThrottled
	case codes.Unavailable, codes.Internal, codes.Aborted, codes.Unknown, codes.DataLoss,
		codes.DeadlineExceeded, codes.Canceled:
		return keys.ErrUnavailable
	case codes.InvalidArgument:
		if call == callDecrypt {
			return keys.ErrCorrupt
		}
	}
	return keys.ErrDenied
}

// noToken reports whether Google was not asked at all, since the token could not
// be had: an unreachable metadata server must not read as a permission withdrawn,
// upon which the manager would forget its data keys.
func noToken(message string) bool {
	why, found := strings.CutPrefix(message, "transport: per-RPC creds failed due to error: ")
	if !found {
		return false
	}
	for _, refused := range []string{"auth: cannot fetch token: 40", "oauth2: cannot fetch token: 40", "invalid_grant", "invalid_client", "unauthorized_client"} {
		if strings.Contains(why, refused) {
			return false
		}
	}
	return true
}

package open

import (
	"errors"
	"fmt"

	"github.com/cardseal/cardseal/backends/kek/awskms"
	"github.com/cardseal/cardseal/backends/kek/gcpkms"
	"github.com/cardseal/cardseal/backends/kek/local"
	"github.com/cardseal/cardseal/backends/kek/vaulttransit"
)

// ErrConfig is an environment that lacks what the KMS needs: credentials that are
// not there, a certificate that cannot be read, an endpoint without TLS. What is
// amiss stands beside it.
var ErrConfig = errors.New("open: the environment is not set up for this KMS")

// configError keeps the vendor's words beside ErrConfig.
func configError(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrConfig, fmt.Errorf(format, args...))
}

// URIError is a URI that names no key. It says which part is wrong and never
// repeats any of it, since somebody may have put a secret there.
type URIError struct{ Field, Reason string }

func (e *URIError) Error() string { return "open: " + e.Field + " " + e.Reason }

// ofBackend makes what a backend finds wrong with a name a URIError like ours.
func ofBackend(err error) error {
	if e, ok := errors.AsType[*awskms.ParamError](err); ok {
		return &URIError{e.Field, e.Reason}
	}
	if e, ok := errors.AsType[*gcpkms.NameError](err); ok {
		return &URIError{e.Field, e.Reason}
	}
	if e, ok := errors.AsType[*vaulttransit.ParamError](err); ok {
		return &URIError{e.Field, e.Reason}
	}
	if e, ok := errors.AsType[*local.ParamError](err); ok && e.Field == "URI" {
		return &URIError{e.Field, e.Reason}
	}
	return err
}

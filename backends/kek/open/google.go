package open

import (
	"context"
	"errors"
	"slices"
	"strings"

	kms "cloud.google.com/go/kms/apiv1"

	"github.com/cardseal/cardseal/backends/kek/gcpkms"
)

func openGoogle(ctx context.Context, name string, o *Options) (KEK, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	// Some sources of tokens keep the context they were made with, and would end
	// with the caller's. Making a client calls no KMS.
	client, err := kms.NewKeyManagementClient(context.WithoutCancel(ctx), slices.Concat(gcpkms.ClientOptions(), o.Google)...)
	if err != nil {
		return nil, configError("client of Google Cloud KMS: %w", err)
	}
	k, err := gcpkms.New(client, name, &gcpkms.Options{Closer: client})
	if err != nil {
		return nil, errors.Join(ofBackend(err), client.Close())
	}
	return k, nil
}

// checkName refuses, before credentials are looked for, what is not even of the
// form of a key's resource name; gcpkms looks at each part.
func checkName(name string) error {
	part := strings.Split(name, "/")
	if len(part) > 8 && part[8] == "cryptoKeyVersions" {
		return &URIError{"cryptoKeyVersions", "must be left out: the KMS chooses the version"}
	}
	form := &URIError{"name", "must have the form projects/P/locations/L/keyRings/R/cryptoKeys/K"}
	if len(part) != 8 {
		return form
	}
	for i, collection := range []string{"projects", "locations", "keyRings", "cryptoKeys"} {
		id := part[2*i+1]
		if part[2*i] != collection || id == "" || !only(id, lower+upper+digits+"-_.:") {
			return form
		}
	}
	return nil
}

package gcpkms_test

import (
	"context"
	"log"

	kms "cloud.google.com/go/kms/apiv1"

	"github.com/cardseal/cardseal/backends/kek/gcpkms"
)

func ExampleNew() {
	ctx := context.Background()
	// Credentials are those of the environment, as Google's clients find them.
	client, err := kms.NewKeyManagementClient(ctx, gcpkms.ClientOptions()...)
	if err != nil {
		log.Fatal(err)
	}
	kek, err := gcpkms.New(client,
		"projects/vault-prod/locations/europe-west3/keyRings/cards/cryptoKeys/pan",
		&gcpkms.Options{Closer: client})
	if err != nil {
		log.Fatal(err)
	}
	defer kek.Close()
	if err := kek.Check(ctx); err != nil {
		log.Fatal(err) // names the permission that is missing
	}
}

package awskms_test

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/cardseal/cardseal/backends/kek/awskms"
	"github.com/cardseal/cardseal/keys"
)

func ExampleNew() {
	ctx := context.Background()
	// An embedder has one already: from config.LoadDefaultConfig, say.
	cfg := aws.Config{Region: "eu-central-1"}

	kek, err := awskms.New(ctx, cfg, "alias/card-vault", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer kek.Close()
	kekID := keys.NewKEKID() // drawn once, kept with the KEK's configuration
	m, err := keys.Inline(ctx, kekID, kek, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
}

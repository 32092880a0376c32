package vaulttransit_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/hashicorp/vault/api"
	"github.com/hashicorp/vault/api/auth/approle"

	"github.com/cardseal/cardseal/backends/kek/vaulttransit"
	"github.com/cardseal/cardseal/keys"
)

// The client is the vendor's, set up as elsewhere: from VAULT_ADDR, VAULT_TOKEN,
// VAULT_CACERT and the rest of its variables, for instance.
func ExampleNew() {
	ctx := context.Background()
	client, err := api.NewClient(api.DefaultConfig())
	if err != nil {
		log.Fatal(err)
	}
	kek, err := vaulttransit.New(ctx, client, "transit", "pan", nil)
	var unfit *vaulttransit.KeyError
	if errors.As(err, &unfit) {
		log.Fatal("make another key: ", unfit.Command())
	}
	if err != nil {
		log.Fatal(err)
	}
	defer kek.Close()
	fmt.Println(kek.ID()) // vault:transit/keys/pan
}

// A service that logs in by AppRole and stays logged in until its KEK is closed.
func ExampleLogin() {
	ctx := context.Background()
	client, err := api.NewClient(api.DefaultConfig())
	if err != nil {
		log.Fatal(err)
	}
	how, err := approle.NewAppRoleAuth("role-id", &approle.SecretID{FromFile: "/run/secrets/vault-secret-id"})
	if err != nil {
		log.Fatal(err)
	}
	session, err := vaulttransit.Login(ctx, client, how)
	if err != nil {
		log.Fatal(err)
	}
	kek, err := vaulttransit.New(ctx, client, "transit", "pan", &vaulttransit.Options{Closer: session})
	if err != nil {
		_ = session.Close()
		log.Fatal(err)
	}
	defer kek.Close()
}

// A pod logs in with its service account.
func ExampleKubernetes() {
	ctx := context.Background()
	client, err := api.NewClient(api.DefaultConfig())
	if err != nil {
		log.Fatal(err)
	}
	session, err := vaulttransit.Login(ctx, client, vaulttransit.Kubernetes("card-vault", "", ""))
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
}

// A token made by an operator: vault token create -policy=cardseal -period=1h
func ExampleToken() {
	ctx := context.Background()
	client, err := api.NewClient(api.DefaultConfig())
	if err != nil {
		log.Fatal(err)
	}
	session, err := vaulttransit.Login(ctx, client, vaulttransit.Token(client.Token()))
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
}

func ExampleKEK_UnwrapBatch() {
	var kek *vaulttransit.KEK // of New
	var wrapped []vaulttransit.Wrapped
	for i, u := range kek.UnwrapBatch(context.Background(), wrapped) {
		switch {
		case errors.Is(u.Err, keys.ErrDisabled):
			fmt.Println("item", i, "was wrapped by a version that is no longer decrypted")
		case u.Err != nil:
			fmt.Println(u.Err)
		default:
			clear(u.DataKey) // after use
		}
	}
}

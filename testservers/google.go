package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/signal"
	"syscall"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	grpcstatus "google.golang.org/grpc/status"

	"github.com/cardseal/cardseal/internal/kmstest"
	"github.com/cardseal/cardseal/testservers/gcpkms"
)

// childCommand makes this program the Google server itself.
const childCommand = "gcpkms-server"

// google is our own stand-in for Google Cloud KMS, in this program. It keeps its
// keys.
type google struct{}

func (google) build(c *cache) error { return c.keepTool() }

func (google) command(c *cache, dir, addr string) (command, error) {
	return command{path: c.tool(), args: []string{childCommand, dir, addr}}, nil
}

func (google) ready(ctx context.Context, _, addr string) (kmstest.Server, error) {
	s := kmstest.Server{URL: "http://" + addr}
	conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return s, err
	}
	defer conn.Close()
	_, err = kmspb.NewKeyManagementServiceClient(conn).GetCryptoKey(ctx, &kmspb.GetCryptoKeyRequest{
		Name: "projects/ready/locations/global/keyRings/ready/cryptoKeys/ready",
	})
	if c := grpcstatus.Code(err); c == codes.NotFound || c == codes.OK {
		return s, nil
	}
	return s, err
}

func runChild(args []string) error {
	if len(args) != 2 {
		return errors.New(usage)
	}
	if err := onLoopback(args[1]); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	lis, err := net.Listen("tcp", args[1])
	if err != nil {
		return err
	}
	if err := gcpkms.Serve(ctx, lis, args[0]); err != nil {
		return fmt.Errorf("gcpkms: %w", err)
	}
	return nil
}

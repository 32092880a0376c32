package gcpkms

import (
	"time"

	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

// ClientOptions are what a client for [New] should be made with, before options of
// the caller's own: no retries below ours, no answer longer than 1 MiB (longer
// ones are faults), and a new connection soon after an outage. While it has none
// gRPC fails calls at once; it tries to connect again after 0.1 seconds, then ever
// later up to 5, where its own measure is 1 second to 2 minutes.
//
//	client, err := kms.NewKeyManagementClient(ctx, gcpkms.ClientOptions()...)
func ClientOptions() []option.ClientOption {
	wait := backoff.DefaultConfig
	wait.BaseDelay, wait.MaxDelay = 100*time.Millisecond, 5*time.Second
	return []option.ClientOption{
		option.WithGRPCDialOption(grpc.WithDisableRetry()),
		option.WithGRPCDialOption(grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1 << 20))),
		option.WithGRPCDialOption(grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: wait, MinConnectTimeout: 5 * time.Second,
		})),
	}
}

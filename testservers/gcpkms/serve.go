package gcpkms

import (
	"context"
	"net"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc"
)

// Serve serves on lis until ctx ends, and closes lis. Keys live in a file in the
// folder dir, in clear, open to its owner only; the next Serve on dir has them
// again.
func Serve(ctx context.Context, lis net.Listener, dir string) error {
	s, err := openState(dir)
	if err != nil {
		_ = lis.Close()
		return err
	}
	// Windows of a fixed size keep gRPC from measuring the connection by pings at
	// times of its own: one exchange is the same number of bytes each time, which
	// tests that cut an answer short count on.
	g := grpc.NewServer(grpc.UnaryInterceptor(deny), grpc.InitialWindowSize(1<<20), grpc.InitialConnWindowSize(1<<20))
	kmspb.RegisterKeyManagementServiceServer(g, &service{state: s})
	stop := context.AfterFunc(ctx, g.Stop)
	defer stop()
	if err := g.Serve(lis); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

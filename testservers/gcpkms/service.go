package gcpkms

import (
	"context"
	"fmt"
	"slices"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// service answers calls; every call holds the lock from its first look at the
// keys to its last.
type service struct {
	kmspb.UnimplementedKeyManagementServiceServer
	*state
}

// now in the resolution of the file.
func (s *state) now() time.Time { return time.Now().UTC().Round(0) }

// permissions are those of the calls that tests deny.
var permissions = map[string]string{
	"Encrypt":      "cloudkms.cryptoKeyVersions.useToEncrypt",
	"Decrypt":      "cloudkms.cryptoKeyVersions.useToDecrypt",
	"GetCryptoKey": "cloudkms.cryptoKeys.get",
}

// deny refuses everything to a caller who says to be nobody.
func deny(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	if !slices.Contains(metadata.ValueFromIncomingContext(ctx, "x-test-caller"), "nobody") {
		return handle(ctx, request)
	}
	method := info.FullMethod[len("/google.cloud.kms.v1.KeyManagementService/"):]
	permission := permissions[method]
	if permission == "" {
		permission = "to call " + method
	}
	name := ""
	if r, ok := request.(interface{ GetName() string }); ok {
		name = r.GetName()
	}
	return nil, status.Errorf(codes.PermissionDenied, "Permission '%s' denied on resource '%s' (or it may not exist).", permission, name)
}

// change saves what a call changed. Where that fails the call fails, and the
// change is there until the server ends.
func (s *state) change() error {
	if err := s.save(); err != nil {
		return status.Errorf(codes.Internal, "cannot save: %v", err)
	}
	return nil
}

func (k *key) proto(name string) *kmspb.CryptoKey {
	m := &kmspb.CryptoKey{
		Name: name, Purpose: kmspb.CryptoKey_ENCRYPT_DECRYPT,
		CreateTime: timestamppb.New(k.Created), Labels: k.Labels,
		VersionTemplate: &kmspb.CryptoKeyVersionTemplate{
			ProtectionLevel: k.Level, Algorithm: kmspb.CryptoKeyVersion_GOOGLE_SYMMETRIC_ENCRYPTION,
		},
		DestroyScheduledDuration: durationpb.New(k.Keep),
	}
	if k.Primary > 0 {
		m.Primary = k.versionProto(name, k.Primary)
	}
	return m
}

func (k *key) versionProto(name string, number int) *kmspb.CryptoKeyVersion {
	v := k.Versions[number-1]
	m := &kmspb.CryptoKeyVersion{
		Name: versionName(name, number), State: v.State, ProtectionLevel: k.Level,
		Algorithm:  kmspb.CryptoKeyVersion_GOOGLE_SYMMETRIC_ENCRYPTION,
		CreateTime: timestamppb.New(v.Created), GenerateTime: timestamppb.New(v.Created),
	}
	switch v.State {
	case kmspb.CryptoKeyVersion_DESTROY_SCHEDULED:
		m.DestroyTime = timestamppb.New(v.Destroy)
	case kmspb.CryptoKeyVersion_DESTROYED:
		m.DestroyEventTime = timestamppb.New(v.Destroyed)
	}
	return m
}

// usable refuses a version that is not enabled, in the real service's words.
func (k *key) usable(name string, number int) error {
	v := k.Versions[number-1]
	if v.State != kmspb.CryptoKeyVersion_ENABLED {
		return status.Error(codes.FailedPrecondition,
			fmt.Sprintf("%s is not enabled, current state is: %s.", versionName(name, number), v.State))
	}
	return nil
}

package gcpkms

import (
	"context"
	"strconv"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// CreateCryptoKeyVersion adds a version. It becomes primary only where there is
// none: the real service wants UpdateCryptoKeyPrimaryVersion for that, too.
func (s *service) CreateCryptoKeyVersion(_ context.Context, r *kmspb.CreateCryptoKeyVersionRequest) (*kmspb.CryptoKeyVersion, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.key(r.GetParent())
	if err != nil {
		return nil, err
	}
	number := k.grow(s.now())
	if k.Primary == 0 {
		k.Primary = number
	}
	return k.versionProto(r.GetParent(), number), s.change()
}

func (s *service) GetCryptoKeyVersion(_ context.Context, r *kmspb.GetCryptoKeyVersionRequest) (*kmspb.CryptoKeyVersion, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, name, number, err := s.version(r.GetName())
	if err != nil {
		return nil, err
	}
	return k.versionProto(name, number), nil
}

// ListCryptoKeyVersions gives all versions of a key, in one page.
func (s *service) ListCryptoKeyVersions(_ context.Context, r *kmspb.ListCryptoKeyVersionsRequest) (*kmspb.ListCryptoKeyVersionsResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.key(r.GetParent())
	if err != nil {
		return nil, err
	}
	out := &kmspb.ListCryptoKeyVersionsResponse{TotalSize: int32(len(k.Versions))}
	for i := range k.Versions {
		out.CryptoKeyVersions = append(out.CryptoKeyVersions, k.versionProto(r.GetParent(), i+1))
	}
	return out, nil
}

// UpdateCryptoKeyVersion enables or disables a version.
func (s *service) UpdateCryptoKeyVersion(_ context.Context, r *kmspb.UpdateCryptoKeyVersionRequest) (*kmspb.CryptoKeyVersion, error) {
	if paths := r.GetUpdateMask().GetPaths(); len(paths) != 1 || paths[0] != "state" {
		return nil, status.Error(codes.InvalidArgument, "update_mask must name state and nothing else.")
	}
	to := r.GetCryptoKeyVersion().GetState()
	if !switchable(to) {
		return nil, status.Errorf(codes.InvalidArgument, "state cannot be set to %s.", to)
	}
	return s.move(r.GetCryptoKeyVersion().GetName(), switchable, func(_ *key, v *version) { v.State = to })
}

// DestroyCryptoKeyVersion schedules a version's destruction.
func (s *service) DestroyCryptoKeyVersion(_ context.Context, r *kmspb.DestroyCryptoKeyVersionRequest) (*kmspb.CryptoKeyVersion, error) {
	return s.move(r.GetName(), switchable, func(k *key, v *version) {
		v.State, v.Destroy = kmspb.CryptoKeyVersion_DESTROY_SCHEDULED, s.now().Add(k.Keep)
	})
}

// RestoreCryptoKeyVersion takes the schedule back; the version is disabled then.
func (s *service) RestoreCryptoKeyVersion(_ context.Context, r *kmspb.RestoreCryptoKeyVersionRequest) (*kmspb.CryptoKeyVersion, error) {
	scheduled := func(now kmspb.CryptoKeyVersion_CryptoKeyVersionState) bool {
		return now == kmspb.CryptoKeyVersion_DESTROY_SCHEDULED
	}
	return s.move(r.GetName(), scheduled, func(_ *key, v *version) { v.State = kmspb.CryptoKeyVersion_DISABLED })
}

func switchable(now kmspb.CryptoKeyVersion_CryptoKeyVersionState) bool {
	return now == kmspb.CryptoKeyVersion_ENABLED || now == kmspb.CryptoKeyVersion_DISABLED
}

// move changes a version that is in a state from which that can be done.
func (s *service) move(name string, from func(kmspb.CryptoKeyVersion_CryptoKeyVersionState) bool, to func(*key, *version)) (*kmspb.CryptoKeyVersion, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, keyName, number, err := s.version(name)
	if err != nil {
		return nil, err
	}
	v := k.Versions[number-1]
	if !from(v.State) {
		return nil, status.Errorf(codes.FailedPrecondition, "%s cannot be changed so, current state is: %s.", name, v.State)
	}
	to(k, v)
	k.ripen(s.now())
	return k.versionProto(keyName, number), s.change()
}

// UpdateCryptoKeyPrimaryVersion has an enabled version encrypt from now on.
func (s *service) UpdateCryptoKeyPrimaryVersion(_ context.Context, r *kmspb.UpdateCryptoKeyPrimaryVersionRequest) (*kmspb.CryptoKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.key(r.GetName())
	if err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(r.GetCryptoKeyVersionId())
	if err != nil || number < 1 || number > len(k.Versions) {
		return nil, status.Errorf(codes.NotFound, "CryptoKeyVersion %s/cryptoKeyVersions/%s not found.", r.GetName(), r.GetCryptoKeyVersionId())
	}
	if err := k.usable(r.GetName(), number); err != nil {
		return nil, err
	}
	k.Primary = number
	return k.proto(r.GetName()), s.change()
}

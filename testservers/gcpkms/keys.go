package gcpkms

import (
	"context"
	"crypto/rand"
	"maps"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// keep is how long a version scheduled for destruction can be restored, unless its
// key says otherwise. The real service wants 24 hours at least; here a test may
// have less.
const keep = 30 * 24 * time.Hour

func (s *service) CreateKeyRing(_ context.Context, r *kmspb.CreateKeyRingRequest) (*kmspb.KeyRing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !locationForm.MatchString(r.GetParent()) || !idForm.MatchString(r.GetKeyRingId()) {
		return nil, status.Error(codes.InvalidArgument, "parent or key_ring_id is malformed.")
	}
	name := r.GetParent() + "/keyRings/" + r.GetKeyRingId()
	if _, ok := s.data.Rings[name]; ok {
		return nil, status.Errorf(codes.AlreadyExists, "KeyRing %s already exists.", name)
	}
	s.data.Rings[name] = s.now()
	return &kmspb.KeyRing{Name: name, CreateTime: timestamppb.New(s.data.Rings[name])}, s.change()
}

func (s *service) GetKeyRing(_ context.Context, r *kmspb.GetKeyRingRequest) (*kmspb.KeyRing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	made, ok := s.data.Rings[r.GetName()]
	if !ok {
		return nil, status.Errorf(codes.NotFound, "KeyRing %s not found.", r.GetName())
	}
	return &kmspb.KeyRing{Name: r.GetName(), CreateTime: timestamppb.New(made)}, nil
}

func (s *service) CreateCryptoKey(_ context.Context, r *kmspb.CreateCryptoKeyRequest) (*kmspb.CryptoKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !ringForm.MatchString(r.GetParent()) || !idForm.MatchString(r.GetCryptoKeyId()) {
		return nil, status.Error(codes.InvalidArgument, "parent or crypto_key_id is malformed.")
	}
	if _, ok := s.data.Rings[r.GetParent()]; !ok {
		return nil, status.Errorf(codes.NotFound, "KeyRing %s not found.", r.GetParent())
	}
	k, err := newKey(r.GetCryptoKey())
	if err != nil {
		return nil, err
	}
	name := r.GetParent() + "/cryptoKeys/" + r.GetCryptoKeyId()
	if _, ok := s.data.Keys[name]; ok {
		return nil, status.Errorf(codes.AlreadyExists, "CryptoKey %s already exists.", name)
	}
	k.Created = s.now()
	if !r.GetSkipInitialVersionCreation() {
		k.grow(k.Created)
		k.Primary = 1
	}
	s.data.Keys[name] = k
	return k.proto(name), s.change()
}

// newKey takes what is asked for, or refuses what this server does not know.
func newKey(asked *kmspb.CryptoKey) (*key, error) {
	switch asked.GetPurpose() {
	case kmspb.CryptoKey_ENCRYPT_DECRYPT:
	case kmspb.CryptoKey_CRYPTO_KEY_PURPOSE_UNSPECIFIED:
		return nil, status.Error(codes.InvalidArgument, "crypto_key.purpose is required.")
	default:
		return nil, status.Errorf(codes.Unimplemented, "this server has no keys of purpose %s.", asked.GetPurpose())
	}
	k := &key{Level: asked.GetVersionTemplate().GetProtectionLevel(), Keep: keep, Labels: asked.GetLabels()}
	switch k.Level {
	case kmspb.ProtectionLevel_PROTECTION_LEVEL_UNSPECIFIED:
		k.Level = kmspb.ProtectionLevel_SOFTWARE
	case kmspb.ProtectionLevel_SOFTWARE, kmspb.ProtectionLevel_HSM:
	default:
		return nil, status.Errorf(codes.Unimplemented, "this server has no protection level %s.", k.Level)
	}
	switch asked.GetVersionTemplate().GetAlgorithm() {
	case kmspb.CryptoKeyVersion_CRYPTO_KEY_VERSION_ALGORITHM_UNSPECIFIED, kmspb.CryptoKeyVersion_GOOGLE_SYMMETRIC_ENCRYPTION:
	default:
		return nil, status.Error(codes.InvalidArgument, "crypto_key.version_template.algorithm does not fit ENCRYPT_DECRYPT.")
	}
	if d := asked.GetDestroyScheduledDuration(); d != nil {
		k.Keep = d.AsDuration()
	}
	return k, nil
}

// grow adds a version and returns its number.
func (k *key) grow(now time.Time) int {
	v := &version{
		State: kmspb.CryptoKeyVersion_ENABLED, Created: now,
		Material: make([]byte, 32), Mark: make([]byte, markSize),
	}
	rand.Read(v.Material)
	rand.Read(v.Mark)
	k.Versions = append(k.Versions, v)
	return len(k.Versions)
}

func (s *service) GetCryptoKey(_ context.Context, r *kmspb.GetCryptoKeyRequest) (*kmspb.CryptoKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.key(r.GetName())
	if err != nil {
		return nil, err
	}
	return k.proto(r.GetName()), nil
}

// ListCryptoKeys gives all keys of a ring, in one page.
func (s *service) ListCryptoKeys(_ context.Context, r *kmspb.ListCryptoKeysRequest) (*kmspb.ListCryptoKeysResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.data.Rings[r.GetParent()]; !ok {
		return nil, status.Errorf(codes.NotFound, "KeyRing %s not found.", r.GetParent())
	}
	out := &kmspb.ListCryptoKeysResponse{}
	for _, name := range slices.Sorted(maps.Keys(s.data.Keys)) {
		if strings.HasPrefix(name, r.GetParent()+"/cryptoKeys/") {
			s.data.Keys[name].ripen(s.now())
			out.CryptoKeys = append(out.CryptoKeys, s.data.Keys[name].proto(name))
		}
	}
	out.TotalSize = int32(len(out.CryptoKeys))
	return out, nil
}

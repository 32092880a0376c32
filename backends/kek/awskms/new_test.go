package awskms

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
)

func TestNewNames(t *testing.T) {
	f := newFake(t)
	arn := f.key(region, keyID)
	f.aliases[aliasARN] = arn
	for _, name := range []string{arn, keyID, aliasARN, "alias/card-vault"} {
		k := f.open(t, name)
		require.Equal(t, arn, k.ID(), name)
		require.Equal(t, []string{"DescribeKey"}, f.made(), "one call")
	}
	_, err := New(t.Context(), f.config(), "alias/another", nil)
	failsWith(t, nil, err, describeKey, keys.ErrNotFound)
}

// An alias that moves does not take the KEK along: what it wrapped must open.
func TestAliasMoves(t *testing.T) {
	f := newFake(t)
	one, two := f.key(region, keyID), f.key(region, "5678abcd-12ab-34cd-56ef-1234567890ab")
	f.aliases[aliasARN] = one
	k := f.open(t, "alias/card-vault")
	stored, err := k.Wrap(t.Context(), nil, make([]byte, 32), binding())
	require.NoError(t, err)
	f.aliases[aliasARN] = two
	require.Equal(t, one, k.ID())
	_, err = k.Unwrap(t.Context(), nil, stored, binding())
	require.NoError(t, err)
	again := f.open(t, "alias/card-vault")
	require.Equal(t, two, again.ID())
	_, err = again.Unwrap(t.Context(), nil, stored, binding())
	failsWith(t, nil, err, decrypt, keys.ErrCorrupt)
}

func TestNewRefusesNames(t *testing.T) {
	f := newFake(t)
	for _, name := range badNames {
		_, err := New(t.Context(), f.config(), name, nil)
		var p *ParamError
		require.ErrorAs(t, err, &p, "%q", name)
		require.Contains(t, err.Error(), "awskms: key ")
	}
	cfg := f.config()
	cfg.Region = ""
	for _, name := range []string{keyID, "alias/card-vault"} {
		_, err := New(t.Context(), cfg, name, nil)
		require.ErrorContains(t, err, "has no region", name)
	}
	_, err := New(t.Context(), f.config(), keyID, &Options{GrantTokens: make([]string, 11)})
	require.ErrorContains(t, err, "grant tokens")
	require.Empty(t, f.made(), "no call is made")
}

// Another spec or usage would not take the encryption context.
func TestNewRefusesKeys(t *testing.T) {
	f := newFake(t)
	arn := f.key(region, keyID)
	for _, c := range []struct{ field, value, says string }{
		{"KeyUsage", "SIGN_VERIFY", "is a key for SIGN_VERIFY"},
		{"KeyUsage", "GENERATE_VERIFY_MAC", "is a key for GENERATE_VERIFY_MAC"},
		{"KeyUsage", "", "is a key for"},
		{"KeySpec", "RSA_4096", "is of spec RSA_4096"},
		{"KeySpec", "SM2", "is of spec SM2"},
		{"KeySpec", "", "is of spec"},
		{"KeyState", "Disabled", "is in state Disabled"},
		{"KeyState", "PendingDeletion", "is in state PendingDeletion"},
		{"KeyState", "PendingReplicaDeletion", "is in state PendingReplicaDeletion"},
		{"KeyState", "PendingImport", "is in state PendingImport"},
		{"KeyState", "Unavailable", "is in state Unavailable"},
		{"KeyState", "Creating", "is in state Creating"},
		{"KeyState", "", "is in state"},
	} {
		f.set(nil, func(_ string, answer map[string]any) {
			answer["KeyMetadata"].(map[string]any)[c.field] = c.value
		})
		_, err := New(t.Context(), f.config(), arn, nil)
		failsWith(t, nil, err, describeKey, keys.ErrDisabled)
		require.ErrorContains(t, err, arn+" "+c.says)
	}
	f.set(nil, func(_ string, answer map[string]any) {
		answer["KeyMetadata"].(map[string]any)["KeyState"] = "Updating" // its region: it serves
	})
	f.open(t, arn)
}

// Who may not describe a key may still use it, where its name says all.
func TestNewWithoutDescribeKey(t *testing.T) {
	f := newFake(t)
	arn := f.key(region, keyID)
	f.aliases[aliasARN] = arn
	f.set(func(w http.ResponseWriter, op string) bool {
		if op == "DescribeKey" {
			refuse(w, "AccessDeniedException", http.StatusBadRequest)
		}
		return op == "DescribeKey"
	}, nil)
	k := f.open(t, arn)
	require.Equal(t, arn, k.ID())
	stored, err := k.Wrap(t.Context(), nil, make([]byte, 32), binding())
	require.NoError(t, err)
	_, err = k.Unwrap(t.Context(), nil, stored, binding())
	require.NoError(t, err)
	require.NoError(t, k.Check(t.Context()))
	for _, name := range []string{keyID, aliasARN, "alias/card-vault"} {
		_, err := New(t.Context(), f.config(), name, nil)
		failsWith(t, nil, err, describeKey, keys.ErrDenied)
	}
	// A caller that KMS does not know is another matter.
	f.set(func(w http.ResponseWriter, op string) bool {
		refuse(w, "UnrecognizedClientException", 400)
		return true
	}, nil)
	_, err = New(t.Context(), f.config(), arn, nil)
	failsWith(t, nil, err, describeKey, keys.ErrDenied)
}

// A key that answers for another is refused.
func TestDescribesAnother(t *testing.T) {
	f := newFake(t)
	arn := f.key(region, keyID)
	f.aliases[aliasARN] = arn
	for _, other := range []string{
		"", "x", aliasARN,
		strings.Replace(arn, keyID, mrkID, 1),
		strings.Replace(arn, account, "444455556666", 1),
		strings.Replace(arn, region, "us-east-1", 1),
		strings.Replace(arn, "arn:aws:", "arn:aws-cn:", 1),
	} {
		f.set(nil, func(_ string, answer map[string]any) { answer["KeyMetadata"].(map[string]any)["Arn"] = other })
		_, err := New(t.Context(), f.config(), arn, nil)
		failsWith(t, nil, err, describeKey, keys.ErrCorrupt)
	}
	f.set(nil, func(_ string, answer map[string]any) { delete(answer["KeyMetadata"].(map[string]any), "Arn") })
	_, err := New(t.Context(), f.config(), arn, nil)
	failsWith(t, nil, err, describeKey, keys.ErrUnavailable)
}

// The region in a key's name goes before the configuration's: the fake knows a
// key in the region that a call is signed for only.
func TestRegion(t *testing.T) {
	f := newFake(t)
	arn := f.key("us-west-2", keyID)
	for _, own := range []string{"us-west-2", region, ""} {
		cfg := f.config()
		cfg.Region = own
		k := open(t, cfg, arn, nil)
		require.Equal(t, arn, k.ID())
		require.NoError(t, k.Check(t.Context()))
	}
	_, err := New(t.Context(), f.config(), keyID, nil)
	failsWith(t, nil, err, describeKey, keys.ErrNotFound)
}

// What one region wrapped another opens, if the key is a multi-Region key.
func TestMultiRegion(t *testing.T) {
	f := newFake(t)
	here, there := f.open(t, f.key(region, mrkID)), f.open(t, f.key("us-west-2", mrkID))
	require.Equal(t, "arn:aws:kms::"+account+":key/"+mrkID, here.ID())
	require.Equal(t, here.ID(), there.ID())
	dataKey := []byte("a data key of thirty-two bytes..")
	stored, err := here.Wrap(t.Context(), nil, dataKey, binding())
	require.NoError(t, err)
	got, err := there.Unwrap(t.Context(), nil, stored, binding())
	require.NoError(t, err)
	require.Equal(t, dataKey, got)
	moved, err := there.Rewrap(t.Context(), nil, stored, binding())
	require.NoError(t, err)
	got, err = here.Unwrap(t.Context(), nil, moved, binding())
	require.NoError(t, err)
	require.Equal(t, dataKey, got)
}

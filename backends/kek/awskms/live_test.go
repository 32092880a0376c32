package awskms

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/internal/faultproxy"
	"github.com/cardseal/cardseal/internal/kmstest"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
)

// arnOf is what an administrator's call names.
func arnOf(k keys.KEK) *string { return aws.String(k.(*KEK).key.String()) }

// TestLive has an administrator change the keys of each emulator. Nobody trims a
// key's older material in KMS. LocalStack knows no permissions, and moto serves
// with a key that it calls disabled: what each cannot do is left out, and tried
// with the other or the fake.
func TestLive(t *testing.T) {
	for _, name := range emulators {
		t.Run(name, func(t *testing.T) {
			e := need(t, name)
			admin := e.admin(region)
			l := keystest.Live{
				NewKey: func(t *testing.T) keys.KEK { return e.open(t, e.newKey(t, nil)) },
				Missing: func(t *testing.T) (keys.KEK, error) {
					k := e.open(t, e.newKey(t, nil))
					return New(t.Context(), e.config(region), strings.Replace(k.ID(), k.key.key, keyID, 1), nil)
				},
				Rotate: func(t *testing.T, k keys.KEK) {
					_, err := admin.RotateKeyOnDemand(t.Context(), &kms.RotateKeyOnDemandInput{KeyId: arnOf(k)})
					require.NoError(t, err)
				},
				Server: strings.TrimPrefix(e.url, "http://"),
				Open: func(t *testing.T, k keys.KEK, addr string) keys.KEK {
					return emulator{e.name, "http://" + addr}.open(t, *arnOf(k))
				},
			}
			if name == kmstest.LocalStack {
				l.Disable = func(t *testing.T, k keys.KEK) {
					_, err := admin.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: arnOf(k)})
					require.NoError(t, err)
				}
				l.Enable = func(t *testing.T, k keys.KEK) {
					_, err := admin.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: arnOf(k)})
					require.NoError(t, err)
				}
				l.Destroy = func(t *testing.T, k keys.KEK) {
					_, err := admin.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{
						KeyId: arnOf(k), PendingWindowInDays: aws.Int32(7),
					})
					require.NoError(t, err)
				}
			}
			keystest.RunKEKLive(t, l)
		})
	}
}

// TestLiveFake tries what no emulator does, after KMS's documentation.
func TestLiveFake(t *testing.T) {
	f := newFake(t)
	state := func(to string) func(*testing.T, keys.KEK) {
		return func(_ *testing.T, k keys.KEK) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.keys[*arnOf(k)]["KeyState"] = to
		}
	}
	p, err := faultproxy.New(f.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	keystest.RunKEKLive(t, keystest.Live{
		NewKey: func(t *testing.T) keys.KEK { return f.open(t, f.key(region, newID())) },
		Missing: func(t *testing.T) (keys.KEK, error) {
			return New(t.Context(), f.config(), fullARN, nil)
		},
		Disable: state("Disabled"), Enable: state("Enabled"), Destroy: state("PendingDeletion"),
		Rotate: func(*testing.T, keys.KEK) {}, // nothing to be seen from outside
		Denied: func(t *testing.T, k keys.KEK) keys.KEK {
			cfg := f.config()
			cfg.Credentials = credentials(deniedID)
			return open(t, cfg, *arnOf(k), nil)
		},
		Server: f.Listener.Addr().String(),
		Open: func(t *testing.T, k keys.KEK, addr string) keys.KEK {
			return open(t, config("http://"+addr, region), *arnOf(k), nil)
		},
		Restart: func(t *testing.T) keys.KEK {
			return open(t, config("http://"+p.Addr(), region), f.key(region, newID()), nil)
		},
		Stop:  func(*testing.T) { p.Set(faultproxy.Fault{Mode: faultproxy.Refuse}) },
		Start: func(*testing.T) { p.Set(faultproxy.Fault{}) },
	})
}

// TestRestart kills LocalStack under load and starts it again. It keeps no keys:
// the key is made once more, with the same ID and material, before the way to the
// server is opened.
func TestRestart(t *testing.T) {
	own := kmstest.StartOwn(t, kmstest.LocalStack)
	e := emulator{kmstest.LocalStack, own.URL}
	p, err := faultproxy.New(own.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	makeKey := func(t *testing.T) string {
		return e.newKey(t, &kms.CreateKeyInput{Tags: []types.Tag{
			{TagKey: aws.String("_custom_id_"), TagValue: aws.String(keyID)},
			{TagKey: aws.String("_custom_key_material_"), TagValue: aws.String("bWF0ZXJpYWwgb2YgdGhpcnR5LXR3byBieXRlcy4uLi4=")},
		}})
	}
	keystest.RunKEKLive(t, keystest.Live{
		NewKey: func(t *testing.T) keys.KEK { return e.open(t, e.newKey(t, nil)) },
		Restart: func(t *testing.T) keys.KEK {
			return open(t, config("http://"+p.Addr(), region), makeKey(t), nil)
		},
		Stop: func(*testing.T) {
			p.Set(faultproxy.Fault{Mode: faultproxy.Refuse})
			own.Stop()
		},
		Start: func(t *testing.T) {
			own.Start()
			makeKey(t)
			p.Set(faultproxy.Fault{})
		},
	})
}

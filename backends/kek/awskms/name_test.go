package awskms

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	fullARN  = "arn:aws:kms:" + region + ":" + account + ":key/" + keyID
	aliasARN = "arn:aws:kms:" + region + ":" + account + ":alias/card-vault"
)

func TestParseKey(t *testing.T) {
	here := keyARN{"aws", region, account, ""}
	for text, want := range map[string]keyName{
		fullARN:            {keyARN: keyARN{"aws", region, account, keyID}},
		aliasARN:           {keyARN: here, alias: "alias/card-vault"},
		keyID:              {keyARN: keyARN{key: keyID}},
		mrkID:              {keyARN: keyARN{key: mrkID}},
		"alias/card-vault": {alias: "alias/card-vault"},
		"alias/a/b_C-1":    {alias: "alias/a/b_C-1"},
		"arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/a": {keyARN: keyARN{"aws-us-gov", "us-gov-west-1", account, "a"}},
		"arn:aws-cn:kms:cn-north-1:111122223333:key/" + mrkID: {keyARN: keyARN{"aws-cn", "cn-north-1", account, mrkID}},
	} {
		got, err := parseKey(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
		require.Equal(t, text == got.keyARN.String(), got.full(), text)
	}
}

// badNames name no key.
var badNames = []string{
	"", " ", "alias/", "key/" + keyID, keyID + " ", " " + keyID, keyID + "\n", keyID + "/", "a key", "schlüssel",
	"alias/a b", "alias/a:b", "alias/" + strings.Repeat("a", 251), strings.Repeat("a", 129),
	"arn:", "arn:aws:kms", "arn:aws:kms:::key/" + keyID, "arn:aws:s3:" + region + ":" + account + ":key/" + keyID,
	"arn:aws:kms::" + account + ":key/" + mrkID, // an ID of ours names no region to ask
	"arn:aws:kms:" + region + ":1111:key/" + keyID,
	"arn:aws:kms:" + region + ":" + account + ":" + keyID,
	"arn:aws:kms:" + region + ":" + account + ":key/",
	"arn:aws:kms:" + region + ":" + account + ":key/alias/a",
	"arn:aws:kms:" + region + ":" + account + ":alias/",
	"arn:aws:kms:" + region + ":" + account + ":grant/a",
	"arn:AWS:kms:" + region + ":" + account + ":key/" + keyID,
	"ARN:aws:kms:" + region + ":" + account + ":key/" + keyID,
	"arn:aws:kms:EU:" + account + ":key/" + keyID,
	"arn:aws:kms:evil.example/:" + account + ":key/" + keyID,
	"awskms:///" + fullARN, fullARN + "?region=x", fullARN + "\n", "\n" + fullARN,
}

func TestParseKeyRefuses(t *testing.T) {
	for _, text := range badNames {
		got, err := parseKey(text)
		var p *ParamError
		require.ErrorAs(t, err, &p, "%q", text)
		require.Equal(t, "key", p.Field)
		require.Equal(t, keyName{}, got, "%q", text)
		_, ok := parseARN(text)
		require.False(t, ok, "%q", text)
	}
	for _, text := range []string{aliasARN, keyID, "alias/a"} {
		_, ok := parseARN(text)
		require.False(t, ok, "%q is no key's ARN", text)
	}
}

func TestID(t *testing.T) {
	for text, id := range map[string]string{
		fullARN: fullARN,
		"arn:aws:kms:eu-west-1:111122223333:key/" + mrkID: "arn:aws:kms::111122223333:key/" + mrkID,
		"arn:aws:kms:us-east-1:111122223333:key/" + mrkID: "arn:aws:kms::111122223333:key/" + mrkID,
	} {
		arn, ok := parseARN(text)
		require.True(t, ok)
		require.Equal(t, id, arn.id())
	}
	one, _ := parseARN("arn:aws:kms:us-east-1:111122223333:key/" + mrkID)
	for text, same := range map[string]bool{
		"arn:aws:kms:eu-west-1:111122223333:key/" + mrkID:       true,
		"arn:aws:kms:us-east-1:111122223334:key/" + mrkID:       false,
		"arn:aws-cn:kms:us-east-1:111122223333:key/" + mrkID:    false,
		"arn:aws:kms:us-east-1:111122223333:key/" + mrkID + "0": false,
	} {
		other, ok := parseARN(text)
		require.True(t, ok)
		require.Equal(t, same, one.same(other), text)
	}
	single, _ := parseARN(fullARN)
	other := single
	other.region = "eu-west-1"
	require.False(t, single.same(other), "single-Region keys of two regions are two keys")
}

// FuzzParseKey: a name that is taken is what its parts give again, fits a key
// store as an ID, and reaches no host but a region's.
func FuzzParseKey(f *testing.F) {
	for _, text := range append([]string{fullARN, aliasARN, keyID, mrkID, "alias/a/b"}, badNames...) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := parseKey(text)
		if err != nil {
			require.Equal(t, keyName{}, n)
			return
		}
		again := n.key + n.alias
		switch {
		case n.full():
			again = n.keyARN.String()
			require.LessOrEqual(t, len(n.id()), 255)
		case n.partition != "":
			again = "arn:" + n.partition + ":kms:" + n.region + ":" + n.account + ":" + n.alias
		}
		require.Equal(t, text, again)
		require.True(t, (n.key == "") != (n.alias == ""))
		require.NotContains(t, n.region, ".")
	})
}

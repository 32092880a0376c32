package awskms

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"

	"github.com/cardseal/cardseal/keys"
)

// The permissions that calls need, as errors name them.
const (
	describeKey     = "kms:DescribeKey"
	generateDataKey = "kms:GenerateDataKey"
	encrypt         = "kms:Encrypt"
	decrypt         = "kms:Decrypt"
	reEncrypt       = "kms:ReEncryptFrom, kms:ReEncryptTo"
)

// describe asks KMS for the key that was named and whether it would serve.
func (s *session) describe(ctx context.Context, text string, named keyName) (keyARN, error) {
	if err := ctx.Err(); err != nil {
		return keyARN{}, err
	}
	out, err := s.client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &text, GrantTokens: s.grants})
	switch {
	case err != nil && named.full() && accessDenied(err) && ctx.Err() == nil:
		return named.keyARN, nil
	case err != nil:
		return keyARN{}, failed(ctx, describeKey, err)
	case out.KeyMetadata == nil || out.KeyMetadata.Arn == nil:
		return keyARN{}, incomplete(describeKey)
	}
	arn, ok := parseARN(*out.KeyMetadata.Arn)
	if !ok || !named.means(arn) {
		return keyARN{}, wrong(describeKey, "it describes another key than was asked for")
	}
	if reason := unfit(out.KeyMetadata); reason != "" {
		return keyARN{}, &keys.CallError{Call: describeKey, Kind: keys.ErrDisabled, Err: fmt.Errorf("%v %s", arn, reason)}
	}
	return arn, nil
}

// means: KMS may answer for this name with that key.
func (n keyName) means(arn keyARN) bool {
	return (n.partition == "" || n.partition == arn.partition) &&
		(n.account == "" || n.account == arn.account) &&
		(n.key == "" || n.key == arn.key) &&
		n.region == arn.region
}

// unfit says why a key cannot wrap data keys, "" where it can.
func unfit(m *types.KeyMetadata) string {
	switch {
	case m.KeyUsage != types.KeyUsageTypeEncryptDecrypt:
		return fmt.Sprintf("is a key for %s, not for %s", m.KeyUsage, types.KeyUsageTypeEncryptDecrypt)
	case m.KeySpec != types.KeySpecSymmetricDefault:
		return fmt.Sprintf("is of spec %s, not %s: it takes no encryption context", m.KeySpec, types.KeySpecSymmetricDefault)
	case m.KeyState != types.KeyStateEnabled && m.KeyState != types.KeyStateUpdating:
		return fmt.Sprintf("is in state %s", m.KeyState)
	}
	return ""
}

// accessDenied: KMS knows the caller and refuses this call.
func accessDenied(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && (api.ErrorCode() == "AccessDeniedException" || api.ErrorCode() == "AccessDenied")
}

// incomplete is an answer that was cut short, or is none of KMS's.
func incomplete(permission string) error {
	return &keys.CallError{Call: permission, Kind: keys.ErrUnavailable, Err: errors.New("awskms: the answer lacks what it must hold")}
}

// wrong is an answer that is complete and cannot be right.
func wrong(permission, reason string) error {
	return &keys.CallError{Call: permission, Kind: keys.ErrCorrupt, Err: errors.New("awskms: the answer is wrong: " + reason)}
}

// ours looks at the key that an answer names.
func (k *KEK) ours(permission string, arn *string) error {
	if arn == nil {
		return incomplete(permission)
	}
	if got, ok := parseARN(aws.ToString(arn)); !ok || !got.same(k.key) {
		return wrong(permission, "it was made with another key")
	}
	return nil
}

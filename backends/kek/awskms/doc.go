// Package awskms is a key-encryption key in AWS KMS: a symmetric key that never
// leaves the service and wraps data keys bound to what they are for.
//
// [New] takes an aws.Config of the caller's making, so that this package needs
// neither the loading of configuration files nor any way of logging in. For a key
// named by a URI and the usual AWS environment see backends/kek/open.
//
// # What is called
//
// A new data key is made by GenerateDataKey (or wrapped by Encrypt) and then
// decrypted once and compared: the answers carry no checksum, TLS ends at the
// service's edge, and a data key that cannot be had again must never be used.
// Unwrap is one Decrypt, Rewrap one ReEncrypt. Every call names the key, and an
// answer that names another is refused. [keys.Binding.Context] is the encryption
// context: nothing in it is secret, and CloudTrail shows it.
//
// # Permissions
//
// A statement of a key's policy (or of an identity's, with the key's ARN as
// Resource) that is enough:
//
//	{
//	  "Effect": "Allow",
//	  "Principal": {"AWS": "arn:aws:iam::111122223333:role/card-vault"},
//	  "Action": ["kms:GenerateDataKey", "kms:Decrypt", "kms:DescribeKey"],
//	  "Resource": "*",
//	  "Condition": {"StringEquals": {
//	    "kms:EncryptionContext:cardseal:environment": ["production", "check"]
//	  }}
//	}
//
// The condition is optional. DescribeKey has no encryption context, so with a
// condition it wants a statement of its own. kms:Encrypt is needed for Wrap only
// (a second KEK of a failover, inline mode), kms:ReEncryptFrom and
// kms:ReEncryptTo for Rewrap. "check" is the environment in which [KEK.Check]
// tries the key. Without kms:DescribeKey a key must be named by its full key ARN,
// and nothing looks at its state before the first call.
//
// # Versions, regions, states
//
// KMS keeps what a key was rotated from for as long as the key lives, and finds
// it from the wrapped data key; its ARN stays. The related keys of a multi-Region
// key hold the same material: the ID of such a key has no region in it, and what
// was wrapped in one region opens in another. A disabled key, or one whose
// deletion is pending, answers keys.ErrDisabled until it is enabled again.
// Changes of policies, grants and aliases reach all of KMS within minutes only.
//
// # Limits
//
// Nothing is tried twice here, whatever the aws.Config says: keys.Manager does
// that. A call ends when its context does. An encryption context has at most
// 8,192 bytes. A wrapped data key is version 0x01 (1 byte), a check value (16) and
// KMS's ciphertext blob, some 250 bytes in all.
//
// A [KEK] wipes its own copies of data keys. It cannot reach those of the AWS
// client and of TLS: buffers of requests and answers, in base64, until the garbage
// collector takes them; answers' buffers are used again first. The client's
// logging of bodies would print data keys and is switched off. Go's HTTP client
// itself logs, through package log, what follows an answer beyond its stated
// length; behind TLS only the service's own edge could send that. Whatever else
// an aws.Config carries (middleware, interceptors, an HTTP client) is trusted.
//
// A KEK is safe for concurrent use. Signing works under GODEBUG=fips140=only as
// long as the secret access key has ten bytes and more, which AWS's always have.
// What this version wrapped every later one unwraps.
package awskms

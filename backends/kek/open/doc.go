// Package open opens a key-encryption key by its URI, whichever KMS it is in. The
// schemes are those that users of Tink know.
//
//	aws-kms://arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab
//	aws-kms://arn:aws:kms:eu-central-1:111122223333:alias/cards
//	gcp-kms://projects/my-project/locations/europe-west3/keyRings/cards/cryptoKeys/kek
//	hcvault://vault.example.com:8200/transit/keys/cards
//	local:///home/me/dev.key
//
// This package links the client of every vendor. A program that knows its KMS
// imports that one's package instead, [awskms], [gcpkms], [vaulttransit] or
// [local], each of which stands alone, and brings a client of its own.
//
// # Where credentials come from
//
// A URI names a key and never holds a secret: a user or password in it, and any
// name in its query that is not listed here, is refused. Credentials and endpoints
// are the vendor's default configuration, unless [Options] brings another.
//
// AWS: the default chain of aws-sdk-go-v2 (environment, shared files, web identity,
// instance role), in the region that the ARN names. AWS_ENDPOINT_URL_KMS and the
// other variables work as everywhere.
//
// Google: application default credentials.
//
// Vault and OpenBao: the VAULT_* variables for TLS (VAULT_CACERT for an authority
// of one's own), proxies and limits. The address is the URI's, always by HTTPS (port
// 443 where the URI has none); VAULT_ADDR and VAULT_AGENT_ADDR are not looked at, and
// VAULT_SKIP_VERIFY is refused, since whoever is in the way would be given data
// keys. The query says how to log in:
//
//	namespace=NS           default VAULT_NAMESPACE
//	cluster=NAME           goes into the key's ID, see vaulttransit.Options
//	auth=token             the default: VAULT_TOKEN, renewed where it may look itself up
//	auth=approle           with role-id=ID and secret-id-file=/path
//	auth=kubernetes        with role=NAME, and jwt-file=/path if not the pod's usual one
//	auth-mount=PATH        where the method is mounted, if not under its own name
//
// Files are named by absolute paths and read again at each login. Logins are kept
// alive until the KEK is closed. The file in which Vault's own command line keeps a
// token is not looked at.
//
// # Promises
//
// A URI that this version opens every later one opens, as the same key. Functions
// are safe for concurrent use, and so is every KEK they return.
package open

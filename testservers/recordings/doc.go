// Package recordings holds tests against recorded traffic of the real AWS KMS and
// Google Cloud KMS: that our backends read the real answers rightly, and that the
// servers the other tests run against answer the recorded requests in the same
// shape. The recordings are those of gocloud.dev's own tests and come with its
// module; nothing of it is compiled in but a package of error codes, by which the
// module stays in go.mod.
//
// The recordings know Encrypt, Decrypt, malformed ciphertexts and a wrong AAD.
// They know no encryption context, no GenerateDataKey, no ReEncrypt and no
// disabled key; for those the servers are all there is.
package recordings

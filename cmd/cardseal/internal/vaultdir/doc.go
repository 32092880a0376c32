// Package vaultdir is a vault as a folder: settings.json, the embedded store
// vault.bolt (or the URI of a database in its place) and the audit log audit.log,
// chained under the keys of the audit ring. Security codes that are to be forgotten
// are in no file of it, but in a database of their own that the settings name. The
// keys that guard it, one or several, are in a KMS, or for development in files in
// another folder, so that a copy of the vault is not a copy of them (PCI DSS 3.6.1).
//
// A folder is a vault once settings.json is there; it is written last. A folder
// that an interrupted [Make] left behind is taken up again by the next.
package vaultdir

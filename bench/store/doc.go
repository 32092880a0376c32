// Package store measures saving cards on the durable stores, each beside the bare
// insert of the same bytes into the same tables or buckets, in one run.
//
//	go test ./bench/store -run NONE -bench Save -benchtime 20x
//
// PostgreSQL is measured where testservers runs one. Floor and ours take turns; a
// disk changes speed from one second to the next, so only the median of the turns'
// ratios says anything.
package store

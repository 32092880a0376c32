package blindindex

import (
	"crypto/hmac"
	"crypto/sha256"
	"testing"
)

func BenchmarkAppend(b *testing.B) {
	x := testIndex(b)
	dst := make([]byte, 0, Size)
	b.ReportAllocs()
	for b.Loop() {
		x.Append(dst, number)
	}
}

// BenchmarkFloor is bare HMAC of the same message with a kept state.
func BenchmarkFloor(b *testing.B) {
	mac := hmac.New(sha256.New, testKey)
	message := append(append([]byte{byte(len(testLabel))}, testLabel...), append([]byte{byte(len(number))}, number...)...)
	dst := make([]byte, 0, Size)
	b.ReportAllocs()
	for b.Loop() {
		mac.Reset()
		mac.Write(message)
		mac.Sum(dst)
	}
}

func BenchmarkAppendParallel(b *testing.B) {
	x := testIndex(b)
	b.RunParallel(func(pb *testing.PB) {
		dst := make([]byte, 0, Size)
		for pb.Next() {
			x.Append(dst, number)
		}
	})
}

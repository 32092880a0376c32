package ff1

import "slices"

// EncryptBatch appends the encryptions of many numbers, which lie one behind the
// other in digits, as their tweaks do in tweaks. It does what as many calls of
// [Digits.Encrypt] do, in about half the time: several numbers go through the
// cipher at once. dst may be digits[:0]; else the two must not overlap, nor dst and
// tweaks.
//
// On an error it returns nil and has written nothing. A number that is none is a
// *[BatchError].
func (d *Digits) EncryptBatch(dst, digits, tweaks []byte) ([]byte, error) {
	return d.many(dst, digits, tweaks, false)
}

// DecryptBatch undoes [Digits.EncryptBatch].
func (d *Digits) DecryptBatch(dst, digits, tweaks []byte) ([]byte, error) {
	return d.many(dst, digits, tweaks, true)
}

func (d *Digits) many(dst, digits, tweaks []byte, back bool) ([]byte, error) {
	count := len(digits) / d.length
	if len(digits) != count*d.length || len(tweaks) != count*d.tweak {
		return nil, errBatch
	}
	for i, c := range digits {
		if c-'0' > 9 {
			return nil, &BatchError{i / d.length}
		}
	}
	dst = slices.Grow(dst, len(digits))
	w := d.worker()
	for count > 0 {
		var all [lanes]lane
		n := min(count, lanes)
		for j := range n {
			d.parse(&all[j], digits[j*d.length:][:d.length])
			d.start(w, &all[j], tweaks[j*d.tweak:][:d.tweak])
		}
		d.run(w, all[:n], back)
		for j := range n {
			end := len(dst) + d.length
			d.format(dst[len(dst):end], &all[j])
			dst = dst[:end]
		}
		digits, tweaks, count = digits[n*d.length:], tweaks[n*d.tweak:], count-n
	}
	d.done(w, lanes)
	return dst, nil
}

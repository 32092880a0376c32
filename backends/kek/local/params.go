package local

import "fmt"

// Bounds of [Params]. The upper ones keep a file from a stranger from taking the
// machine's memory or minutes of its time.
const (
	maxMemory  = 1 << 20 // KiB, so 1 GiB
	maxTime    = 64
	maxThreads = 64
	maxWork    = 4 << 20 // passes times KiB, some seconds
	minPerLane = 8       // KiB, RFC 9106, section 3.1
)

// MinPassphrase is the least length of a passphrase in bytes.
const MinPassphrase = 8

// Params is the cost of argon2id (RFC 9106). A field that is zero means its
// default; the defaults are the second recommended option of section 4, for
// machines where 2 GiB are too much. Little, such as Params{1, 64, 1}, is allowed
// for tests: a passphrase file made so is guessed quickly.
type Params struct {
	Time      uint32 // passes over the memory; default 3, at most 64
	MemoryKiB uint32 // default 65,536 (64 MiB), at least 8 for each thread, at most 1,048,576
	Threads   uint8  // default 4, at most 64
}

// filled returns the parameters with defaults in place of zeros, or what is
// wrong.
func (p *Params) filled() (Params, error) {
	f := Params{Time: 3, MemoryKiB: 64 << 10, Threads: 4}
	if p != nil {
		if p.Time != 0 {
			f.Time = p.Time
		}
		if p.MemoryKiB != 0 {
			f.MemoryKiB = p.MemoryKiB
		}
		if p.Threads != 0 {
			f.Threads = p.Threads
		}
	}
	return f, f.check()
}

// check holds parameters, from a caller or a file, against the bounds.
func (p Params) check() error {
	switch {
	case p.Time < 1 || p.Time > maxTime:
		return &ParamError{"Time", fmt.Sprintf("must be between 1 and %d", maxTime)}
	case p.Threads < 1 || p.Threads > maxThreads:
		return &ParamError{"Threads", fmt.Sprintf("must be between 1 and %d", maxThreads)}
	case p.MemoryKiB < minPerLane*uint32(p.Threads) || p.MemoryKiB > maxMemory:
		return &ParamError{"MemoryKiB", fmt.Sprintf("must be between %d for each thread and %d", minPerLane, maxMemory)}
	case uint64(p.Time)*uint64(p.MemoryKiB) > maxWork:
		return &ParamError{"Time", fmt.Sprintf("times MemoryKiB must be at most %d", maxWork)}
	}
	return nil
}

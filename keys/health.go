package keys

import (
	"sync"
	"time"
)

// A KEK that could not be reached is asked after all others for awayFor, so that
// one region that is down costs one timeout and not one for each data key. At most
// maxAway are remembered.
const (
	awayFor = 10 * time.Second
	maxAway = 1024
)

// health remembers which KEKs could not be reached of late.
type health struct {
	mu    sync.Mutex
	since map[string]stamp
}

func (h *health) away(id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	since, ok := h.since[id]
	return ok && !since.passed(awayFor)
}

func (h *health) note(id string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !unreachable(err) {
		delete(h.since, id) // it answered, if with a refusal
		return
	}
	if h.since == nil || len(h.since) >= maxAway {
		h.since = map[string]stamp{}
	}
	h.since[id] = now()
}

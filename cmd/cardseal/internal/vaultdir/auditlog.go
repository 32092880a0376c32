package vaultdir

import (
	"bufio"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/cardseal/cardseal/tokenize/audit"
)

// AuditLog is an audit sink that appends JSON lines to a file in the vault's
// folder. Events handed over together are written together; [AuditLog.Record]
// returns an error if they were not, so that nothing is revealed unrecorded. Events
// of revealing are durable when it returns, others after [AuditLog.Sync].
type AuditLog struct {
	mu   sync.Mutex
	file *os.File
	buf  *bufio.Writer
	sink audit.Sink
}

// OpenAuditLog opens the audit log of the vault in a folder, made 0600 if there
// is none.
func OpenAuditLog(dir string) (*AuditLog, error) {
	f, err := os.OpenFile(filepath.Join(dir, AuditFile), os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := endLastLine(f); err != nil {
		f.Close()
		return nil, err
	}
	l := &AuditLog{file: f, buf: bufio.NewWriterSize(f, 256<<10)}
	l.sink = audit.NewLog(slog.New(slog.NewJSONHandler(l.buf, nil)))
	return l, nil
}

// endLastLine ends a line that a full disk or a power failure cut short, so that
// the next event has a line of its own.
func endLastLine(f *os.File) error {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, info.Size()-1); err != nil || last[0] == '\n' {
		return err
	}
	_, err = f.Write([]byte("\n"))
	return err
}

// Record appends events. It is safe for concurrent use.
func (l *AuditLog) Record(ctx context.Context, events []audit.Event) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.sink.Record(ctx, events); err != nil {
		return err
	}
	// slog drops what its writer reports; a bufio.Writer remembers it.
	if err := l.buf.Flush(); err != nil {
		return err
	}
	for i := range events {
		if events[i].Action == audit.Reveal {
			return l.file.Sync() // before a number is given out
		}
	}
	return nil
}

// Sync makes what was recorded durable.
func (l *AuditLog) Sync() error { return l.file.Sync() }

// Close makes the log durable and closes it.
func (l *AuditLog) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.file.Sync()
	if cerr := l.file.Close(); err == nil {
		err = cerr
	}
	return err
}

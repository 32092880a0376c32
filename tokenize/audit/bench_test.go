package audit_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize/audit"
)

// saves are events as a bulk run makes them.
func saves(n int) []audit.Event {
	events := make([]audit.Event, n)
	for i := range events {
		events[i] = audit.Event{
			Time: time.Unix(1900000000, int64(i)), Action: audit.Save, Outcome: audit.Created, Repository: "DEFAULT",
			Owner: "operator", Token: fmt.Sprintf("tok-%012d", i),
		}
	}
	return events
}

// The price of the chain stands beside that of plain JSON lines into the same kind
// of file, per event.
func BenchmarkRecord(b *testing.B) {
	for _, batch := range []int{1, 1000} {
		events := saves(batch)
		run := func(name string, sink func(b *testing.B) audit.Sink) {
			b.Run(fmt.Sprintf("%s/%d", name, batch), func(b *testing.B) {
				s := sink(b)
				b.ReportAllocs()
				for b.Loop() {
					if err := s.Record(b.Context(), events); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch), "ns/event")
			})
		}
		run("chain", func(b *testing.B) audit.Sink { return newWorld(b).open("log", nil) })
		run("slog", func(b *testing.B) audit.Sink {
			f, err := os.Create(newWorld(b).path("log"))
			require.NoError(b, err)
			b.Cleanup(func() { _ = f.Close() })
			buf := bufio.NewWriterSize(f, 256<<10)
			return buffered{audit.NewLog(slog.New(slog.NewJSONHandler(buf, nil))), buf}
		})
	}
}

// buffered writes a batch in one write, as the chain does.
type buffered struct {
	audit.Sink
	buf *bufio.Writer
}

func (s buffered) Record(ctx context.Context, events []audit.Event) error {
	if err := s.Sink.Record(ctx, events); err != nil {
		return err
	}
	return s.buf.Flush()
}

func BenchmarkVerify(b *testing.B) {
	w := newWorld(b)
	f := w.open("log", nil)
	w.record(f, saves(10_000)...)
	content := w.read("log")
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		if _, err := w.verify(content, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*10_001), "ns/line")
}

func TestRecordAllocatesNothing(t *testing.T) {
	w := newWorld(t)
	f := w.open("log", nil)
	for _, n := range []int{1, 100} {
		events := saves(n)
		w.record(f, events...)
		require.Zero(t, testing.AllocsPerRun(20, func() {
			if err := f.Record(t.Context(), events); err != nil {
				t.Error(err)
			}
		}))
	}
}

//go:build linux

package keychaos

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/internal/chaostest"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
)

var stops = flag.Int("stops", 1, "how many keys TestStopped destroys while processes are stopped that seal under them")

// moments are where a process is stopped: before or behind the call named, the
// at-th of its kind; or anywhere.
func moments() []plan {
	return []plan{
		{Hold: "in cards.Write", HoldAt: 1 + rand.IntN(4)}, // it has sealed, and is about to commit
		{Hold: "after keys.List", HoldAt: 1},               // it has read that the key is active
		{Hold: "in cards.OpenFence", HoldAt: 1},            // so it has, and seals for the first time
		{Hold: "after cards.Write", HoldAt: 1 + rand.IntN(4)},
		{}, {}, {},
	}
}

// saveMany is a process that saves cards until its round is over, and some more.
func saveMany(ctx context.Context, p *plan) error {
	b, err := p.board()
	if err != nil {
		return err
	}
	tr := p.trace()
	v, err := p.open(ctx, tr)
	if err != nil {
		return err
	}
	defer v.close()
	for i, more := p.First, 3; more > 0; i++ {
		if b.round.Load() > int64(p.Round) {
			more--
		}
		token, err := v.save(ctx, i)
		if e, ok := errors.AsType[*tokenize.Error](err); ok && (errors.Is(err, keys.ErrDisabled) || chaostest.Passing(err)) {
			tr.say(fmt.Sprint("refused ", i, " ", e.SupportCode))
			continue
		}
		if err != nil {
			return err
		}
		tr.say(fmt.Sprint("saved ", i, " ", token))
	}
	return nil
}

// room is how many cards a process may save: it is stopped long before.
const room = 10_000

// stopped is a process that saves cards and is stopped meanwhile.
type stopped struct {
	*exec.Cmd
	in    io.WriteCloser
	file  *os.File
	out   *bufio.Reader
	lines []string // until it was stopped
	rest  []string // and since
}

func startSaving(t *testing.T, p *plan) *stopped {
	t.Helper()
	s := &stopped{Cmd: chaostest.Child(t, p)}
	var err error
	s.in, err = s.StdinPipe()
	require.NoError(t, err)
	out, err := s.StdoutPipe()
	require.NoError(t, err)
	s.file = out.(*os.File)
	s.out = bufio.NewReader(s.file)
	require.NoError(t, s.Start())
	return s
}

// stop sends SIGSTOP at the moment the plan says, and returns once it has arrived.
func (s *stopped) stop(t *testing.T, p *plan) {
	t.Helper()
	for at := 1 + rand.IntN(60); len(s.lines) == 0 || s.lines[len(s.lines)-1] != held; {
		line, err := s.out.ReadString('\n')
		require.NoError(t, err, "it ended before it was stopped")
		s.lines = append(s.lines, strings.TrimSpace(line))
		if p.HoldAt == 0 && len(s.lines) == at {
			<-time.After(rand.N(3 * time.Millisecond))
			break
		}
	}
	require.NoError(t, s.Process.Signal(unix.SIGSTOP))
	require.NoError(t, unix.Waitid(unix.P_PID, s.Process.Pid, nil, unix.WSTOPPED, nil))
	if p.HoldAt > 0 {
		_, err := s.in.Write([]byte("\n")) // it goes on as soon as it is continued
		require.NoError(t, err)
	}
	for { // what it said until then
		require.NoError(t, s.file.SetReadDeadline(time.Now().Add(10*time.Millisecond)))
		line, err := s.out.ReadString('\n')
		if err != nil {
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			break
		}
		s.lines = append(s.lines, strings.TrimSpace(line))
	}
	require.NoError(t, s.file.SetReadDeadline(time.Time{}))
}

// goOn continues the process.
func (s *stopped) goOn(t *testing.T) { require.NoError(t, s.Process.Signal(unix.SIGCONT)) }

// end reads what else the process says until it ends.
func (s *stopped) end(t *testing.T) {
	t.Helper()
	all, err := io.ReadAll(s.out)
	require.NoError(t, err)
	s.rest = strings.Split(strings.TrimSpace(string(all)), "\n")
	require.NoError(t, s.Wait())
}

// where is what the process did when it was stopped.
func (s *stopped) where() string {
	at := len(s.lines) - 1
	if s.lines[at] == held {
		return "at " + s.lines[at-1]
	}
	word, _, _ := strings.Cut(s.lines[at], " ")
	if word == "in" || word == "after" {
		return s.lines[at]
	}
	return "between saves"
}

// away takes a key out of use for good, as an operator does. A seal lease is a
// second at least, and the store keeps whole ones.
func (v *vault) away(ctx context.Context, id keys.KeyID) error {
	if err := v.keys.Retire(ctx, id); err != nil {
		return err
	}
	for {
		if _, err := v.repo.Reseal(ctx, tokenize.ResealOptions{Caller: me}); err != nil {
			return err
		}
		_, err := v.keys.Destroy(ctx, id, keys.DestroyOptions{
			CloseFence: v.cards.CloseFence, Census: v.KeyInUse, Skew: time.Second})
		if early, ok := errors.AsType[*keys.EarlyError](err); ok {
			<-time.After(time.Until(early.Until))
			continue
		}
		// One that is continued meanwhile may have saved a card before the fence.
		if _, ok := errors.AsType[*keys.InUseError](err); !ok {
			return err
		}
	}
}

// Processes that save cards are stopped (SIGSTOP) wherever they are, while another
// one retires the key that they seal under, reseals, takes the census and destroys
// the key. Then they go on: nothing is saved under the destroyed key, everything
// opens.
func TestStopped(t *testing.T) {
	p := newPlan(t, true)
	p.Do = "save"
	p.Lease = time.Second // the shortest there is
	b, err := p.board()
	require.NoError(t, err)
	server, err := pgx.Connect(t.Context(), p.URL)
	require.NoError(t, err)
	defer server.Close(t.Context())
	where, did := map[string]int{}, map[string]int{}
	var gone []keys.KeyID
	tokens := map[int]string{}
	for p.Round = range *stops {
		var id keys.KeyID
		p.First += room
		p.use(t, func(v *vault) {
			token, err := v.save(t.Context(), p.First)
			require.NoError(t, err)
			tokens[p.First] = token
			id = v.active(t)
		})
		var all []*stopped
		for _, moment := range moments() {
			p.First += room
			own := *p
			own.Hold, own.HoldAt = moment.Hold, moment.HoldAt
			s := startSaving(t, &own)
			s.stop(t, &own)
			where[s.where()]++
			all = append(all, s)
		}
		p.use(t, func(v *vault) {
			destroyed := make(chan error, 1)
			go func() { destroyed <- v.away(t.Context(), id) }()
			look := time.NewTicker(10 * time.Millisecond)
			defer look.Stop()
			freed := false
			for waiting := true; waiting; {
				select {
				case err := <-destroyed:
					require.NoError(t, err)
					waiting = false
				case <-look.C:
					// Closing the fence waits for a process that was stopped in the middle
					// of its transaction: that one has to go on first.
					if !freed && lockedOut(t, server) {
						freed = true
						did["waited for"]++
						for _, s := range all {
							s.goOn(t)
						}
					}
				}
			}
		})
		gone = append(gone, id)
		b.round.Add(1)
		for _, s := range all {
			s.goOn(t)
		}
		for _, s := range all {
			s.end(t)
			s.collect(t, tokens, did)
		}
		p.checkGone(t, gone, tokens)
	}
	t.Logf("stopped: %v", where)
	t.Logf("%d keys destroyed, %d cards: %v", len(gone), len(tokens), did)
	require.Positive(t, did["fenced"], "no write met a closed fence")
}

// lockedOut reports whether somebody waits for another one's transaction.
func lockedOut(t *testing.T, server *pgx.Conn) (yes bool) {
	t.Helper()
	require.NoError(t, server.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_stat_activity
		WHERE datname = current_database() AND wait_event_type = 'Lock')`).Scan(&yes))
	return yes
}

// collect takes the tokens that a process was told of, and counts what it did.
func (s *stopped) collect(t *testing.T, tokens map[int]string, did map[string]int) {
	t.Helper()
	var i int
	var what string
	for _, line := range slices.Concat(s.lines, s.rest) {
		if n, _ := fmt.Sscanf(line, "saved %d %s", &i, &what); n == 2 {
			tokens[i] = what
		} else if n, _ := fmt.Sscanf(line, "refused %d %s", &i, &what); n > 0 {
			did["refused "+what]++
		}
	}
	// A save that was under way and has to write twice was refused the first time.
	writes := 0
	for _, line := range s.rest {
		if strings.HasPrefix(line, "saved ") || strings.HasPrefix(line, "refused ") {
			break
		}
		if line == "after cards.Write" {
			writes++
		}
	}
	if writes > 1 {
		did["fenced"]++
	}
}

// checkGone expects that nothing lies under the destroyed keys, and that every card
// opens.
func (p *plan) checkGone(t *testing.T, gone []keys.KeyID, tokens map[int]string) {
	t.Helper()
	p.use(t, func(v *vault) {
		for _, id := range gone {
			use, err := v.KeyUse(t.Context(), id)
			require.NoError(t, err)
			require.Zero(t, use.Records, "values that nobody can open")
		}
		all, err := v.cards.Repositories(t.Context())
		require.NoError(t, err)
		for row, err := range v.cards.Scan(t.Context(), all[0].Scope, "") {
			require.NoError(t, err)
			for _, sealed := range row.Sealed {
				id, ok := envelope.StoredKeyID(sealed.Record)
				require.True(t, ok)
				require.NotContains(t, gone, id, "token %s is sealed under a key that was destroyed", row.Token)
			}
			_, err := v.repo.Reveal(t.Context(), me, row.Token, "test")
			require.NoError(t, err, "token %s", row.Token)
		}
		for i, token := range tokens {
			want, err := chaostest.Number(i)
			require.NoError(t, err)
			got, err := v.repo.Reveal(t.Context(), me, token, "test")
			require.NoError(t, err, "card %d", i)
			require.True(t, got.Number.Equal(want), "card %d came back as another", i)
		}
	})
}

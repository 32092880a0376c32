package slogobserve_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/cardseal/cardseal/backends/observe/slogobserve"
	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
)

func ExampleNew() {
	ctx := context.Background()
	h := slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		switch a.Key {
		case slog.TimeKey, "key", "took":
			return slog.Attr{} // for an output that stays the same
		}
		return a
	}})
	kek := keystest.NewKEK("example") // in production one of backends/kek
	m, err := keys.Open(ctx, memory.New().Keys(), kek, &keys.Options{Tries: 1, Observer: slogobserve.New(slog.New(h))})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	for _, failure := range []error{nil, keys.ErrDenied, nil} {
		kek.SetError(failure)
		m.Rotate(ctx, keys.PAN)
	}
	// Output:
	// level=WARN msg="kms call" environment=production purpose=pan kek=example op=wrap outcome=denied
	// level=ERROR msg=rotated environment=production purpose=pan outcome=denied
	// level=INFO msg=rotated environment=production purpose=pan outcome=ok
}

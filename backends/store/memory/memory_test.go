package memory_test

import (
	"testing"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize/store"
	"github.com/cardseal/cardseal/tokenize/store/storetest"
)

func open(t *testing.T) *memory.DB {
	db := memory.New()
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func openCards(t *testing.T) store.Cards { return open(t).Cards() }
func openKeys(t *testing.T) keys.Store   { return open(t).Keys() }

func TestCards(t *testing.T)      { storetest.Run(t, openCards) }
func TestCardsBytes(t *testing.T) { storetest.RunBytes(t, openCards) }
func TestKeys(t *testing.T)       { keystest.RunStore(t, openKeys) }

func TestClosed(t *testing.T) {
	db := open(t)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	storetest.RunClosed(t, db.Cards())
	keystest.RunStoreClosed(t, db.Keys())
}

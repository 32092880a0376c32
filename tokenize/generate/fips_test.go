package generate

import (
	"testing"

	"github.com/cardseal/cardseal/internal/fipstest"
)

func TestFIPS(t *testing.T) { fipstest.Run(t) }

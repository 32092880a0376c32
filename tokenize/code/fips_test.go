package code_test

import (
	"testing"

	"github.com/cardseal/cardseal/internal/fipstest"
)

func TestUnderFIPSOnly(t *testing.T) { fipstest.Run(t) }

package envelope

import (
	"fmt"
	"io"
)

// Format prints the type's name alone, whatever the verb: fmt would otherwise
// reach K1, which is AES output under the scope key.
func (ScopeKey) Format(f fmt.State, _ rune) { io.WriteString(f, "envelope.ScopeKey") }

// Format prints the type's name alone, whatever the verb.
func (SealingKey) Format(f fmt.State, _ rune) { io.WriteString(f, "envelope.SealingKey") }

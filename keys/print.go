package keys

import (
	"fmt"
	"io"
)

// Format prints the type's name alone, whatever the verb: fmt would otherwise
// read fields that calls under way are changing.
func (*Manager) Format(f fmt.State, _ rune) { io.WriteString(f, "keys.Manager") }

// Format prints the type's name alone, whatever the verb.
func (*Scope) Format(f fmt.State, _ rune) { io.WriteString(f, "keys.Scope") }

package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/bulk"
	"github.com/cardseal/cardseal/cmd/cardseal/internal/rows"
)

// columns finds the columns, or sees that the file has none.
func (f *tokenizeFlags) columns(in *input) (bulk.Columns, error) {
	cols := bulk.Columns{Expiry: -1}
	if rows.IsNumbers(in.first) {
		if f.numberColumn != "" || f.expiryColumn != "" || len(f.keep) > 0 {
			return cols, usagef("%s has no header, only numbers: there are no columns to name", in.name)
		}
		in.reader.Again()
		return cols, nil
	}
	var err error
	if cols.Header, err = rows.ParseHeader(in.first); err != nil {
		return cols, usagef("the first line of %s %s", in.name, rows.ReasonQuote)
	}
	if cols.Number, err = column(cols.Header, in, "number-column", f.numberColumn, rows.NumberNames...); err != nil {
		return cols, err
	}
	if f.expiryColumn != "" {
		if cols.Expiry, err = column(cols.Header, in, "expiry-column", f.expiryColumn); err != nil {
			return cols, err
		}
	}
	for _, name := range f.keep {
		k, err := f.kept(cols, in, strings.TrimSpace(name))
		if err != nil {
			return cols, err
		}
		cols.Keep = append(cols.Keep, k)
	}
	return cols, nil
}

// kept finds a column to keep and refuses what must not be kept in clear.
func (f *tokenizeFlags) kept(cols bulk.Columns, in *input, name string) (int, error) {
	k, err := column(cols.Header, in, "keep-columns", name)
	if err != nil {
		return 0, err
	}
	shown := cols.Header.Name(k)
	if rows.IsCodeName(name) {
		return 0, usagef("column %s holds security codes by its name, which must not be kept (PCI DSS 3.3.1)", shown)
	}
	same := func(n string) bool { return strings.EqualFold(n, name) }
	if k == cols.Number || slices.ContainsFunc(rows.NumberNames, same) {
		return 0, usagef("column %s holds card numbers, which must not be kept in clear", shown)
	}
	if slices.ContainsFunc([]string{"token", "masked", "brand"}, same) {
		return 0, usagef("column %s has the name of a column of the output; rename it", shown)
	}
	if slices.Contains(cols.Keep, k) {
		return 0, usagef("column %s is named twice", shown)
	}
	return k, nil
}

// name is what makes a run the same run: everything that shapes the output.
func (f *tokenizeFlags) name(cols bulk.Columns) string {
	return fmt.Sprintf("tokenize 1 %d %d %d %v", cols.Header.Len(), cols.Number, cols.Expiry, cols.Keep)
}

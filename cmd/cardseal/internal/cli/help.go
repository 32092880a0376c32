package cli

import (
	"encoding/json"
	"io"

	"github.com/spf13/cobra"
)

// action marks a command's errors as its own.
func action(f func(c *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		if err := f(c, args); err != nil {
			return &ours{err}
		}
		return nil
	}
}

// noArguments refuses arguments without repeating them.
func noArguments(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no arguments beside its flags; see --help", c.CommandPath())
	}
	return nil
}

// oneArgument demands one, and names it.
func oneArgument(name string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef("%s takes exactly one argument, the %s; see --help", c.CommandPath(), name)
		}
		return nil
	}
}

// printJSON writes one JSON object and a line end.
func (a *app) printJSON(v any) error { return writeJSON(a.stdout, v) }

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// helpCommand is the command library's, but for what it does with a name that it
// does not know: it would repeat it and report success.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Help on a command",
		Example: "  cardseal help tokenize",
		ValidArgsFunction: func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			var list []string
			if under, _, err := c.Root().Find(args); err == nil {
				for _, sub := range under.Commands() {
					if sub.IsAvailableCommand() {
						list = append(list, sub.Name()+"\t"+sub.Short)
					}
				}
			}
			return list, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: action(func(c *cobra.Command, args []string) error {
			about, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usagef("there is no such command; see --help")
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		}),
	}
}

package main

import (
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode"

	"github.com/alecthomas/kong"

	"github.com/cartrita/cartrita/model"
)

// parse reads a command line. An error says which command's help to read.
func parse(k *kong.Kong, args []string) (*kong.Context, error) {
	parsed, err := k.Parse(joinNegative(args))
	if err == nil {
		err = refuseOdd(parsed)
	}
	if err != nil {
		command := commandOf(k, args)
		return nil, fmt.Errorf("%w%s\nTry: cartrita %s--help", err, dashed(command, args), command)
	}
	return parsed, nil
}

// dashed is a hint for who meant a text that was taken for a flag; nothing where
// there is none.
func dashed(command string, args []string) string {
	for _, arg := range args {
		if arg == "--" {
			break
		}
		if strings.HasPrefix(arg, "-") && !strings.Contains(arg, "=") && strings.ContainsFunc(arg, unicode.IsSpace) {
			return fmt.Sprintf("; a text that begins with a dash stands behind --: cartrita %s-- %q", command, arg)
		}
	}
	return ""
}

// joinNegative ties a negative number to the flag before it, so that it is
// refused as the number that it is and not as an unknown flag.
func joinNegative(args []string) []string {
	var out []string
	for i, arg := range args {
		if arg == "--" {
			return append(out, args[i:]...)
		}
		if last := len(out) - 1; last >= 0 && negative(arg) && strings.HasPrefix(out[last], "-") && !strings.Contains(out[last], "=") {
			if strings.HasPrefix(out[last], "--") {
				out[last] += "="
			}
			out[last] += arg
			continue
		}
		out = append(out, arg)
	}
	return out
}

func negative(arg string) bool {
	return len(arg) > 1 && arg[0] == '-' && arg[1] >= '0' && arg[1] <= '9'
}

// refuseOdd refuses the empty text that an unset variable of a script leaves: as
// a filter it would be none. Where it means something the flag is a pointer or a
// list that is not split. It also refuses lengths of time below zero, which
// would be taken for no bound.
func refuseOdd(parsed *kong.Context) error {
	for _, p := range parsed.Path {
		switch {
		case p.Flag != nil && isEmpty(p.Flag.Target):
			return fmt.Errorf("--%s is empty: want a value, or no --%[1]s at all", p.Flag.Name)
		case p.Flag != nil && isBelowZero(p.Flag.Target):
			return fmt.Errorf("--%s is %v: want a length of time such as 30s", p.Flag.Name, p.Flag.Target)
		case p.Positional != nil && isEmpty(p.Positional.Target):
			return fmt.Errorf("%s is empty: want a value", p.Positional.Summary())
		}
	}
	return nil
}

func isEmpty(v reflect.Value) bool {
	return (v.Kind() == reflect.String || v.Kind() == reflect.Slice) && v.Len() == 0
}

func isBelowZero(v reflect.Value) bool {
	d, ok := v.Interface().(time.Duration)
	return ok && d < 0
}

// wantNumber refuses a number of things below low.
func wantNumber(flag string, n, low int) error {
	if n < low {
		return model.Invalidf("", flag, "is %d: want %d or more", n, low)
	}
	return nil
}

// commandOf returns the command that args name, for the hint at its help. Flags
// may stand before it.
func commandOf(k *kong.Kong, args []string) string {
	node, path := k.Model.Node, ""
	for _, arg := range args {
		if child := childNamed(node, arg); child != nil {
			node, path = child, path+arg+" "
		}
	}
	return path
}

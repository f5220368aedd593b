package config

import (
	"fmt"
	"slices"
	"strings"
)

// Shared is a configuration that several gateways share. It lies beneath the
// file of each: what the file sets too is the file's.
type Shared struct {
	Name string // stands for the document in problems
	Data []byte // YAML; empty: none
}

// WithShared builds the configuration anew over another shared one. Errors are
// those of Load.
func (l *Loaded) WithShared(s Shared) (*Loaded, error) {
	o := l.opts
	o.Shared = s
	return build(o, l.data)
}

// refuseOwn lists what a shared document may not set: what is read once, at the
// start, and is each gateway's own.
func refuseOwn(source string, n *node, path string) (problems []Problem) {
	for _, f := range n.fields {
		at := join(path, f.name)
		switch {
		case slices.Contains(startOnly, at):
			problems = append(problems, Problem{Source: source, Line: f.line, Column: f.column, Path: at,
				Message: "is read when a gateway starts: set it in the file or the environment of each"})
		case slices.ContainsFunc(startOnly, func(s string) bool { return strings.HasPrefix(s, at+".") }):
			problems = append(problems, refuseOwn(source, f.value, at)...)
		}
	}
	return problems
}

// refuseSecrets lists the references of a shared document that no pattern
// allows. Who may write the document could have any secret of the machine sent
// to a server of theirs.
func refuseSecrets(source string, n *node, path string, patterns []string) (problems []Problem) {
	if n.kind == kindString && isRef(n.text) && !slices.ContainsFunc(patterns, func(p string) bool { return matches(p, n.text) }) {
		problems = append(problems, Problem{Source: source, Line: n.line, Column: n.column, Path: path,
			Message: fmt.Sprintf("%q is not among the references that shared.secrets of this gateway allows", n.text)})
	}
	for i, item := range n.items {
		problems = append(problems, refuseSecrets(source, item, fmt.Sprintf("%s[%d]", path, i), patterns)...)
	}
	for _, f := range n.fields {
		problems = append(problems, refuseSecrets(source, f.value, join(path, f.name), patterns)...)
	}
	return problems
}

// matches reports whether s is pattern, in which each * stands for any text.
func matches(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	last := len(parts) - 1
	rest, ok := strings.CutPrefix(s, parts[0])
	if last == 0 {
		return ok && rest == ""
	}
	for _, part := range parts[1:last] {
		_, after, found := strings.Cut(rest, part)
		ok, rest = ok && found, after
	}
	return ok && strings.HasSuffix(rest, parts[last])
}

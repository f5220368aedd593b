package config

import (
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// DefaultFile is the file that is read from the working directory when no
// other is named and it is there.
const DefaultFile = "cartrita.yaml"

// Flag is a setting given on the command line.
type Flag struct {
	Name  string // as typed: "--listen"
	Path  string // of the setting: "listen"
	Value string
}

// Options say where a configuration comes from.
type Options struct {
	File    string // path of the YAML file; empty: none
	Flags   []Flag
	Environ []string // "NAME=value", as os.Environ returns it
	Shared  Shared   // lies beneath the file

	// ReadFile reads the file; default os.ReadFile.
	ReadFile func(string) ([]byte, error)
}

// Loaded is a valid configuration and what is known of its making.
type Loaded struct {
	Config
	File      string
	Overrides map[string]string // path of a setting → the flag or variable that set it
	Warnings  []Problem         // what may be a mistake and is none by itself

	opts   Options // as given to Load
	data   []byte  // of the file, as read
	layers []layer // the file, then what lies beneath it
}

// Refuse makes the error for problems that only those can find who use the
// configuration: a model that does not exist, a port that is taken. The
// problems need a Path and a Message; their place is added. Nil for none.
func (l *Loaded) Refuse(problems []Problem) error {
	return failure("config.Refuse", l.Locate(problems))
}

// Locate adds the place to problems that have a Path and a Message, for
// warnings of those who use the configuration.
func (l *Loaded) Locate(problems []Problem) []Problem { return l.locate(problems) }

// Load builds a configuration from its layers and validates it. The error is
// KindInvalid and holds every Problem; see Problems.
func Load(o Options) (*Loaded, error) {
	read := o.ReadFile
	if read == nil {
		read = os.ReadFile
	}
	var data []byte
	if o.File != "" {
		var err error
		if data, err = read(o.File); err != nil {
			return nil, failure("config.Load", []Problem{{Source: o.File, Message: readFailure(err)}})
		}
	}
	return build(o, data)
}

// Parse builds a configuration from a file's content alone. name stands for
// the file in problems.
func Parse(name string, data []byte) (*Loaded, error) {
	return build(Options{File: name}, data)
}

// layer is a document that was read.
type layer struct {
	source string
	root   *node // nil for one that is not readable
}

func build(o Options, data []byte) (*Loaded, error) {
	l := &Loaded{Config: Default(), File: o.File, Overrides: map[string]string{}, opts: o, data: data}
	var problems []Problem
	broken := !l.read(o.Shared.Name, o.Shared.Data, &problems)
	shared := l.layers[0]
	broken = !l.read(o.File, data, &problems) || broken
	problems = append(problems, l.applyFlags(o.Flags)...)
	set, bad, warnings := applyEnv(&l.Config, o.Environ)
	problems = append(problems, bad...)
	for path, name := range set {
		l.Overrides[path] = name
	}
	l.normalise()
	if shared.root != nil {
		problems = append(problems, refuseOwn(shared.source, shared.root, "")...)
		problems = append(problems, refuseSecrets(shared.source, shared.root, "", l.Shared.Secrets)...)
		problems = append(problems, refuseCommands(shared.source, shared.root, "")...)
	}
	v := validator{c: &l.Config}
	for _, p := range problems {
		v.unread = append(v.unread, p.Path)
		if p.meant != "" {
			v.unread = append(v.unread, p.meant)
		}
	}
	v.config()
	if !broken { // else all that is known are defaults
		problems = append(problems, l.locate(v.problems)...)
	}
	warnings = slices.DeleteFunc(warnings, func(p Problem) bool { return slices.Contains(l.secretEnv(), p.Source) })
	l.Warnings = append(warnings, l.locate(v.warnings)...)
	if len(problems) > 0 {
		sortProblems(problems)
		return nil, failure("config.Load", problems)
	}
	return l, nil
}

// read lays a document over what was read before. It reports whether there is
// one to go on with.
func (l *Loaded) read(source string, data []byte, problems *[]Problem) bool {
	root, bad := parseDocument(source, data)
	*problems = append(*problems, bad...)
	l.layers = slices.Insert(l.layers, 0, layer{source, root})
	if root == nil {
		return len(bad) == 0
	}
	d := decoder{source: source}
	d.decode(root, reflect.ValueOf(&l.Config).Elem(), "")
	*problems = append(*problems, d.problems...)
	return true
}

func (l *Loaded) applyFlags(flags []Flag) (problems []Problem) {
	if len(flags) == 0 {
		return nil
	}
	all := settings()
	for _, f := range flags {
		i := slices.IndexFunc(all, func(s setting) bool { return s.path == f.Path })
		if i < 0 {
			problems = append(problems, Problem{Source: f.Name, Message: "names no setting: " + f.Path})
			continue
		}
		problems = append(problems, all[i].set(&l.Config, f.Name, f.Value)...)
		l.Overrides[f.Path] = f.Name
	}
	return problems
}

// normalise brings equal spellings to one form.
func (l *Loaded) normalise() {
	for i := range l.Providers {
		p := &l.Providers[i]
		p.BaseURL = strings.TrimRight(p.BaseURL, "/")
	}
	l.Discovery.OllamaURL = strings.TrimRight(l.Discovery.OllamaURL, "/")
	l.Telemetry.OTLPEndpoint = strings.TrimRight(l.Telemetry.OTLPEndpoint, "/")
}

// secretEnv lists the variables that references name.
func (l *Loaded) secretEnv() (names []string) {
	add := func(ref string) {
		if name, ok := strings.CutPrefix(ref, "env:"); ok {
			names = append(names, name)
		}
	}
	for _, k := range l.APIKeys {
		add(string(k.Key))
	}
	for _, p := range l.Providers {
		add(string(p.APIKey))
		for _, v := range p.Headers {
			add(v)
		}
	}
	for _, v := range l.Telemetry.OTLPHeaders {
		add(v)
	}
	add(l.Store)
	add(l.Redis)
	for i := range l.Sinks {
		s := &l.Sinks[i]
		add(s.URL)
		add(string(s.Secret))
		add(string(s.Password))
		for _, v := range s.Headers {
			add(v)
		}
	}
	for i := range l.Alerts.Channels {
		c := &l.Alerts.Channels[i]
		for _, ref := range []string{c.URL, string(c.Secret), string(c.RoutingKey), string(c.Password)} {
			add(ref)
		}
		for _, v := range c.Headers {
			add(v)
		}
	}
	return names
}

// locate completes problems that have a path with the place that set it: the
// flag or variable, or the line of the nearest enclosing field in the document
// that knows most of the path.
func (l *Loaded) locate(problems []Problem) []Problem {
	for i := range problems {
		p := &problems[i]
		if p.Source = l.override(p.Path); p.Source != "" {
			continue
		}
		if p.Source = l.File; p.Source == "" {
			p.Source = "configuration"
		}
		unknown := len(p.Path) + 1
		for _, in := range l.layers {
			if in.root == nil || in.source == "" {
				continue
			}
			if line, column, rest := in.root.find(p.Path); len(rest) < unknown {
				p.Source, p.Line, p.Column, unknown = in.source, line, column, len(rest)
			}
		}
	}
	return problems
}

func (l *Loaded) override(path string) string {
	for set, name := range l.Overrides {
		if inside(path, set) {
			return name
		}
	}
	return ""
}

// inside reports whether path is that of outer or of a part of it.
func inside(path, outer string) bool {
	rest, ok := strings.CutPrefix(path, outer)
	return ok && (outer == "" || rest == "" || rest[0] == '.' || rest[0] == '[')
}

// find returns the place of the field at path, or of the innermost part of the
// path that is there, and what of the path is not.
func (n *node) find(path string) (line, column int, unknown string) {
	line, column = n.line, n.column
	for path != "" {
		if path[0] == '[' {
			num, rest, _ := strings.Cut(path[1:], "]")
			i, err := strconv.Atoi(num)
			if err != nil || i >= len(n.items) {
				return line, column, path
			}
			n, path = n.items[i], rest
			line, column = n.line, n.column
			continue
		}
		path = strings.TrimPrefix(path, ".")
		f := n.longestField(path)
		if f == nil {
			return line, column, path
		}
		n, path, line, column = f.value, path[len(f.name):], f.line, f.column
	}
	return line, column, ""
}

// longestField returns the field whose name begins path. Names of the user's
// own may hold dots, so the longest wins.
func (n *node) longestField(path string) (found *field) {
	for i := range n.fields {
		f := &n.fields[i]
		rest, ok := strings.CutPrefix(path, f.name)
		if ok && (rest == "" || rest[0] == '.' || rest[0] == '[') && (found == nil || len(f.name) > len(found.name)) {
			found = f
		}
	}
	return found
}

func sortProblems(ps []Problem) {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		if a.Source != b.Source {
			return strings.Compare(a.Source, b.Source)
		}
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
}

// readFailure words an error of reading a file without repeating its name.
func readFailure(err error) string {
	switch {
	case os.IsNotExist(err):
		return "there is no such file"
	case os.IsPermission(err):
		return "may not be read: permission denied"
	}
	return "cannot be read: " + err.Error()
}

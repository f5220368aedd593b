package config

import (
	"encoding"
	"reflect"
	"slices"
	"strings"
)

// EnvPrefix begins the name of every variable that is read.
const EnvPrefix = "CARTRITA_"

// Variables that name no setting: those that the command line reads, and those
// that the command of an alert channel is given, which may be cartrita itself.
var reservedEnv = []string{
	"CARTRITA_CONFIG", "CARTRITA_SERVER", "CARTRITA_API_KEY", "CARTRITA_COLOR",
	"CARTRITA_ALERT_RULE", "CARTRITA_ALERT_SEVERITY", "CARTRITA_ALERT_EVENT", "CARTRITA_ALERT_ID",
}

// setting is one field that a flag or a variable can set.
type setting struct {
	path string
	env  string
	typ  reflect.Type
	at   []int // field indices from Config
}

// settings lists every field that holds a value, a list or a map, in the order
// of the declaration.
func settings() []setting { return appendSettings(nil, reflect.TypeFor[Config](), "", nil) }

func appendSettings(out []setting, t reflect.Type, path string, at []int) []setting {
	names, index := structFields(t)
	for _, name := range names {
		f := t.Field(index[name])
		p, here := join(path, name), append(slices.Clone(at), index[name])
		if f.Type.Kind() == reflect.Struct {
			out = appendSettings(out, f.Type, p, here)
			continue
		}
		env := EnvPrefix + strings.ToUpper(strings.ReplaceAll(p, ".", "_"))
		out = append(out, setting{path: p, env: env, typ: f.Type, at: here})
	}
	return out
}

// set gives the field the value that text spells: text itself for text and
// units, a comma-separated or YAML list for lists of text, YAML for the rest.
func (s setting) set(c *Config, source, text string) []Problem {
	n, problems := s.parse(source, text)
	if len(problems) == 0 {
		d := decoder{source: source}
		d.decode(n, reflect.ValueOf(c).Elem().FieldByIndex(s.at), s.path)
		problems = d.problems
	}
	for i := range problems {
		problems[i].Line, problems[i].Column = 0, 0
		if problems[i].Path == "" {
			problems[i].Path = s.path
		}
	}
	return problems
}

func (s setting) parse(source, text string) (*node, []Problem) {
	_, unit := reflect.New(s.typ).Interface().(encoding.TextUnmarshaler)
	switch {
	case s.typ.Kind() == reflect.String || unit:
		return &node{kind: kindString, text: text}, nil
	case s.typ == reflect.TypeFor[[]string]() && !strings.HasPrefix(strings.TrimSpace(text), "["):
		list := &node{kind: kindSequence}
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				list.items = append(list.items, &node{kind: kindString, text: part})
			}
		}
		return list, nil
	}
	return parseDocument(source, []byte(text))
}

// applyEnv sets every setting whose variable is in environ ("NAME=value") and
// returns the paths it set with their variables. Empty variables are ignored,
// as if they were not set.
func applyEnv(c *Config, environ []string) (set map[string]string, problems, warnings []Problem) {
	byName := make(map[string]setting)
	var names []string
	for _, s := range settings() {
		byName[s.env] = s
		names = append(names, s.env)
	}
	set = make(map[string]string)
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, EnvPrefix) || value == "" || slices.Contains(reservedEnv, name) {
			continue
		}
		s, ok := byName[name]
		if !ok {
			warnings = append(warnings, Problem{Source: name, Message: "names no setting" + suggest(name, names)})
			continue
		}
		problems = append(problems, s.set(c, name, value)...)
		set[s.path] = name
	}
	return set, problems, warnings
}

package importer

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry/schema"
)

// fields reads the members of one entry, remembers which were read, and
// collects what is wrong with them. A member that is null is absent.
type fields struct {
	at       string
	members  map[string]json.RawMessage
	read     map[string]bool
	problems *[]schema.Problem
}

func fieldsOf(raw json.RawMessage, problems *[]schema.Problem) *fields {
	f := &fields{read: map[string]bool{}, problems: problems}
	f.decode("", raw, &f.members, "an object")
	return f
}

// sub reads the members of an object member.
func (f *fields) sub(name string) *fields {
	s := &fields{at: f.path(name), read: map[string]bool{}, problems: f.problems}
	if raw, ok := f.get(name); ok {
		f.decode(name, raw, &s.members, "an object")
	}
	return s
}

func (f *fields) path(name string) string {
	switch {
	case f.at == "":
		return name
	case name == "":
		return f.at
	}
	return f.at + "." + name
}

func (f *fields) get(name string) (json.RawMessage, bool) {
	f.read[name] = true
	raw, ok := f.members[name]
	return raw, ok && string(raw) != "null"
}

func (f *fields) bad(name, format string, args ...any) {
	*f.problems = append(*f.problems, schema.Problem{Path: f.path(name), Message: fmt.Sprintf(format, args...)})
}

func (f *fields) decode(name string, raw json.RawMessage, into any, want string) {
	if err := json.Unmarshal(raw, into); err != nil {
		f.bad(name, "want %s, got %s", want, clip(raw))
	}
}

func clip(raw []byte) string {
	if len(raw) > 60 {
		return string(raw[:60]) + "…"
	}
	return string(raw)
}

func (f *fields) str(name string) (s string) {
	if raw, ok := f.get(name); ok {
		f.decode(name, raw, &s, "a text")
	}
	return s
}

func (f *fields) strs(name string) (s []string) {
	if raw, ok := f.get(name); ok {
		f.decode(name, raw, &s, "a list of texts")
	}
	return s
}

// tokens reads a positive whole number; a fraction or text that is one counts.
func (f *fields) tokens(name string) *int64 {
	raw, ok := f.get(name)
	if !ok {
		return nil
	}
	v, err := strconv.ParseFloat(strings.Trim(string(raw), `"`), 64)
	if err != nil || v != float64(int64(v)) || v < 0 || v > 1e12 {
		f.bad(name, "want a number of tokens, got %s", clip(raw))
		return nil
	}
	if v == 0 {
		return nil
	}
	n := int64(v)
	return &n
}

// perMillion reads a price per token, as a number or a text, and returns it
// per million tokens. Minus one is unknown. A price that no model has is taken
// for one that was entered per million tokens already, and refused: read as it
// stands, it would be a million times too high.
func (f *fields) perMillion(name string) *model.Money {
	m := f.price(name, 6)
	if m == nil || *m <= dearest {
		return m
	}
	f.bad(name, "%s per token is %s per million tokens, dearer than any model known: was it entered per million?", clip(f.members[name]), *m)
	return nil
}

// dearest bounds what a million tokens cost at any model.
const dearest = 5000 * model.USD

// usd reads a price as it stands.
func (f *fields) usd(name string) *model.Money { return f.price(name, 0) }

func (f *fields) price(name string, shift int) *model.Money {
	raw, ok := f.get(name)
	if !ok {
		return nil
	}
	text := strings.Trim(string(raw), `"`)
	v, err := strconv.ParseFloat(text, 64)
	if v == -1 || text == "" {
		return nil
	}
	if err != nil || !(v >= 0 && v <= 1e6) {
		f.bad(name, "want a price in US dollars, got %s", clip(raw))
		return nil
	}
	mant, exp, ok := strings.Cut(strings.ToLower(text), "e")
	if !ok {
		exp = "0"
	}
	e, _ := strconv.Atoi(exp)
	amount, err := model.ParseMoney(mant + "e" + strconv.Itoa(e+shift))
	if err != nil { // more digits than Money holds, such as 1/3 written out
		for ; shift > 0; shift-- {
			v *= 10
		}
		amount = model.FromUSD(v)
	}
	return &amount
}

// ability files a true under have and a false under lack.
func (f *fields) ability(name string, feature model.Feature, have, lack *[]model.Feature) {
	raw, ok := f.get(name)
	if !ok {
		return
	}
	var b bool
	f.decode(name, raw, &b, "true or false")
	list := have
	if !b {
		list = lack
	}
	if !slices.Contains(*list, feature) {
		*list = append(*list, feature)
	}
}

// ignored returns the paths of the members that nobody read, sorted.
func (f *fields) ignored(subs ...*fields) (out []string) {
	for _, s := range append(subs, f) {
		for name := range s.members {
			if !s.read[name] {
				out = append(out, s.path(name))
			}
		}
	}
	slices.Sort(out)
	return out
}

// nonzero drops a price of zero for a class that then has none of its own.
func nonzero(m *model.Money) *model.Money {
	if m == nil || *m == 0 {
		return nil
	}
	return m
}

// chatTasks is what a general chat model does: every text task that can be
// asked for in words.
func chatTasks(vision bool) []model.Task {
	out := []model.Task{
		model.TaskTextGeneration, model.TaskChat, model.TaskClassification,
		model.TaskSummarization, model.TaskTranslation, model.TaskCodeGeneration,
	}
	if vision {
		out = append(out, model.TaskImageToText)
	}
	return out
}

var modalityNames = []string{"text", "image", "audio", "video", "file", "embedding"}

// modalities keeps the names that records use.
func (f *fields) modalities(name string) (out []string) {
	for _, m := range f.strs(name) {
		m = strings.TrimSuffix(strings.ToLower(m), "s")
		if m == "code" {
			continue
		}
		if !slices.Contains(modalityNames, m) {
			f.bad(name, "unknown modality %q: want one of %s", m, strings.Join(modalityNames, ", "))
			continue
		}
		if !slices.Contains(out, m) {
			out = append(out, m)
		}
	}
	return out
}

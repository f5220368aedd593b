package model

import (
	"path"
	"strings"
	"sync/atomic"
)

// Allowance is what one API key may ask for. A nil or empty list allows all; an
// entry is a name, or a pattern of path.Match in which a trailing "/*" also
// stands for names with further slashes: "openai/*". Immutable once in use.
type Allowance struct {
	Models     []string // ids, canonical ids or aliases of models
	Strategies []string // names of strategies
	Endpoints  []string // ids of endpoints

	memo atomic.Pointer[allowedServed]
}

// allowedServed is the verdict on the endpoints of one registry snapshot.
type allowedServed struct {
	served  []Served
	allowed []bool
}

// IsZero reports an allowance that limits nothing.
func (a *Allowance) IsZero() bool {
	return a == nil || len(a.Models)+len(a.Strategies)+len(a.Endpoints) == 0
}

// Served reports for each endpoint of a snapshot whether it may serve the
// key's calls; nil when every one may. It is worked out once per snapshot, so
// served must be the snapshot's own slice.
func (a *Allowance) Served(served []Served) []bool {
	if a == nil || len(a.Models)+len(a.Endpoints) == 0 || len(served) == 0 {
		return nil
	}
	if m := a.memo.Load(); m != nil && len(m.served) == len(served) && &m.served[0] == &served[0] {
		return m.allowed
	}
	m := &allowedServed{served: served, allowed: make([]bool, len(served))}
	for i := range served {
		m.allowed[i] = a.serves(&served[i])
	}
	a.memo.Store(m)
	return m.allowed
}

func (a *Allowance) serves(s *Served) bool {
	if !matches(a.Endpoints, string(s.ID)) {
		return false
	}
	if len(a.Models) == 0 || matches(a.Models, string(s.Endpoint.Model)) {
		return true
	}
	if s.Model == nil {
		return false
	}
	if s.Model.Canonical != "" && matches(a.Models, s.Model.Canonical) {
		return true
	}
	for _, alias := range s.Model.Aliases {
		if matches(a.Models, alias) {
			return true
		}
	}
	return false
}

// Strategy returns the strategy to decide by when name is asked for and def is
// the default; ok is false when the key does not allow it. A call that names
// none gets the first one of the list if the default is not in it.
func (a *Allowance) Strategy(name, def string) (strategy string, ok bool) {
	if a == nil || len(a.Strategies) == 0 {
		return name, true
	}
	if name != "" {
		return name, matches(a.Strategies, name)
	}
	if matches(a.Strategies, def) {
		return "", true
	}
	for _, s := range a.Strategies {
		if !strings.ContainsAny(s, `*?[\`) {
			return s, true
		}
	}
	return def, false
}

// matches reports whether name is in the list; every name is in an empty one.
func matches(list []string, name string) bool {
	if len(list) == 0 {
		return true
	}
	for _, p := range list {
		if prefix, ok := strings.CutSuffix(p, "*"); ok && (prefix == "" || strings.HasSuffix(prefix, "/")) && strings.HasPrefix(name, prefix) && !strings.ContainsAny(prefix, `*?[\`) {
			return true
		}
		if ok, err := path.Match(p, name); ok && err == nil {
			return true
		}
	}
	return false
}

// CheckPattern reports a pattern that nothing can match.
func CheckPattern(p string) bool {
	_, err := path.Match(p, "")
	return p != "" && err == nil
}

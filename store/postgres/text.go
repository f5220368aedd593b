package postgres

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

// maxText is the most bytes of a column: an index takes no more than 2700, all
// its columns together.
const maxText = 2000

// text returns s as a column takes it. What a caller names itself may be any
// bytes, and a call must be counted whatever they are: what the database would
// refuse is replaced, and what is too long for an index ends in a digest that
// keeps it apart from others. Documents are kept as they are.
func text[S ~string](s S) S {
	if len(s) <= maxText && utf8.ValidString(string(s)) && strings.IndexByte(string(s), 0) < 0 {
		return s
	}
	clean := strings.ToValidUTF8(strings.ReplaceAll(string(s), "\x00", "\uFFFD"), "\uFFFD")
	if len(clean) > maxText {
		digest := fmt.Sprintf("…%016x", xxhash.Sum64String(string(s)))
		clean = strings.ToValidUTF8(clean[:maxText-len(digest)], "") + digest
	}
	return S(clean)
}

// cleaned returns a call whose texts the database takes; the call itself
// unless something has to change.
func cleaned(c *event.Call) *event.Call {
	if isClean(c) {
		return c
	}
	out := *c
	out.Strategy, out.Model, out.Endpoint, out.Provider = text(c.Strategy), text(c.Model), text(c.Endpoint), text(c.Provider)
	out.User, out.Workflow, out.Stage, out.Session = text(c.User), text(c.Workflow), text(c.Stage), text(c.Session)
	out.Key, out.Team, out.Project, out.Supervisor = text(c.Key), text(c.Team), text(c.Project), text(c.Supervisor)
	out.Tags, out.Charges = slices.Clone(c.Tags), slices.Clone(c.Charges)
	for i := range out.Tags {
		out.Tags[i] = text(out.Tags[i])
	}
	for i := range out.Charges {
		out.Charges[i].Budget = text(out.Charges[i].Budget)
	}
	out.Shares = slices.Clone(c.Shares)
	for i := range out.Shares {
		t := &out.Shares[i].Target
		t.Endpoint, t.Model, t.Provider = text(t.Endpoint), text(t.Model), text(t.Provider)
	}
	return &out
}

func isClean(c *event.Call) bool {
	for _, s := range [...]string{
		c.Strategy, string(c.Model), string(c.Endpoint), c.Provider, c.User, c.Workflow, c.Stage, c.Session,
		string(c.Key), c.Team, c.Project, c.Supervisor,
	} {
		if text(s) != s {
			return false
		}
	}
	return !slices.ContainsFunc(c.Tags, func(s string) bool { return text(s) != s }) &&
		!slices.ContainsFunc(c.Charges, func(c model.Charge) bool { return text(c.Budget) != c.Budget }) &&
		!slices.ContainsFunc(c.Shares, func(s event.Share) bool {
			return text(s.Endpoint) != s.Endpoint || text(s.Model) != s.Model || text(s.Provider) != s.Provider
		})
}

package gateway

import (
	"slices"
	"strconv"
	"strings"

	"github.com/cartrita/cartrita/gateway/internal/strict"
	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
)

// checkLists looks at what a key is to be held to. A strategy that no call can
// name is refused: strategies come with the configuration alone. Models and
// endpoints may come later, so that one which is not there is a warning.
func (g *Gateway) checkLists(f *key.Fields) (warnings []string, err *model.Error) {
	if f.Strategies != nil {
		if err := g.checkStrategies(*f.Strategies); err != nil {
			return nil, err
		}
	}
	served := g.cfg.Registry.Snapshot().Served
	for _, l := range []struct {
		name    string
		entries *[]string
		only    func(entry []string) *model.Allowance
		lacks   string
	}{
		{"models", f.Models, func(e []string) *model.Allowance { return &model.Allowance{Models: e} }, "no model with an endpoint now"},
		{"endpoints", f.Endpoints, func(e []string) *model.Allowance { return &model.Allowance{Endpoints: e} }, "no endpoint that is configured now"},
	} {
		if l.entries == nil {
			continue
		}
		for i := range *l.entries {
			entry := (*l.entries)[i : i+1]
			if len(served) > 0 && slices.Contains(l.only(entry).Served(served), true) {
				continue
			}
			warnings = append(warnings, l.name+"["+strconv.Itoa(i)+"]: "+strconv.Quote(entry[0])+" matches "+l.lacks)
		}
	}
	return warnings, nil
}

func (g *Gateway) checkStrategies(entries []string) *model.Error {
	var known []string
	for _, s := range g.cfg.Strategies() {
		known = append(known, s.Name)
	}
	for i := range entries {
		only := &model.Allowance{Strategies: entries[i : i+1]}
		if slices.ContainsFunc(known, func(name string) bool { _, ok := only.Strategy(name, ""); return ok }) {
			continue
		}
		return model.Invalidf("gateway.keys", "strategies["+strconv.Itoa(i)+"]", "no strategy is named %.80q%s; there are %s",
			entries[i], strict.Hint(entries[i], known), strings.Join(known, ", "))
	}
	return nil
}

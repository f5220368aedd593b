package alert

import (
	"context"
	"slices"
	"strings"

	"github.com/cartrita/cartrita/model"
)

// Incidents returns what fired, the latest first: of a rule ("" all), at most
// limit. Errors: KindInvalid for a rule that there is not and of which nothing is
// kept, KindUnavailable.
func (e *Engine) Incidents(ctx context.Context, rule string, limit int) ([]Incident, error) {
	list, err := e.cfg.Store.Incidents(ctx, rule, limit)
	if err != nil || len(list) > 0 || rule == "" {
		return list, err
	}
	rules := e.Rules()
	known := make([]string, len(rules))
	for i := range rules {
		known[i] = rules[i].Name
	}
	return list, among("alert.Incidents", "rule", rule, known)
}

// Deliveries returns the deliveries of a channel ("" all), the latest first.
// Errors: KindInvalid for a channel that there is not and of which nothing is
// kept, KindUnavailable.
func (e *Engine) Deliveries(ctx context.Context, channel string, limit int) ([]Delivery, error) {
	list, err := e.cfg.Store.Deliveries(ctx, channel, limit)
	if err != nil || len(list) > 0 || channel == "" {
		return list, err
	}
	return list, among("alert.Deliveries", "channel", channel, e.Channels())
}

// among refuses the name of a filter that is none of those that are known.
func among(op, field, name string, known []string) error {
	switch {
	case slices.Contains(known, name):
		return nil
	case len(known) == 0:
		return model.Invalidf(op, field, "is %.70q: there is no %s", name, field)
	}
	return model.Invalidf(op, field, "is %.70q: want one of %s", name, strings.Join(known, ", "))
}

package database

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"time"

	"github.com/cartrita/cartrita/alert"
	"github.com/cartrita/cartrita/audit"
	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/cluster"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

// checkTarget finds out, without writing anything, whether a target holds nothing
// but what an earlier copy of the same source brought, and no gateway runs on it:
// keys and calls that come in would lock out its callers. Errors: KindConflict.
func checkTarget(ctx context.Context, from, to Store) error {
	if c, ok := to.(interface {
		Census(ctx context.Context) (cluster.Census, error)
	}); ok {
		census, err := c.Census(ctx)
		if err != nil {
			return err
		}
		for i := range census.Members {
			m := &census.Members[i]
			if census.There(m) {
				return occupied("a gateway runs on the target, %s at %s, heard %s ago", m.Name, m.Address, census.Unheard(m).Round(time.Second/10))
			}
		}
	}
	t := target{from: from, to: to, deleted: map[audit.Action]map[string]bool{audit.BudgetDeleted: {}, audit.RuleDeleted: {}}}
	for _, check := range []func(context.Context) error{
		t.trail, t.models, t.keys, t.documents, t.overrides, t.configs, t.fleets, t.notices, t.calls, // that of calls takes longest
	} {
		if err := check(ctx); err != nil {
			return err
		}
	}
	return nil
}

// occupied is the error of a target that is no place for a copy.
func occupied(format string, args ...any) error {
	return model.Errorf("database.Copy", model.KindConflict, "%s. Nothing was written; copy into an empty database", fmt.Sprintf(format, args...))
}

// target compares what a target holds with the source.
type target struct {
	from, to Store

	begun   bool                             // an earlier copy brought the beginning of the trail
	deleted map[audit.Action]map[string]bool // in the source, at any time, by name
}

func (t *target) trail(ctx context.Context) error {
	var last audit.Entry
	if latest, err := t.to.Trail(ctx, audit.Filter{Limit: 1}); err != nil {
		return err
	} else if len(latest) > 0 {
		last = latest[0]
	}
	seen := last.Seq == 0
	t.begun = !seen
	err := t.from.WalkTrail(ctx, func(entries []audit.Entry) error {
		for i := range entries {
			e := &entries[i]
			seen = seen || e.Seq == last.Seq && e.Hash == last.Hash
			if names := t.deleted[e.Action]; names != nil {
				names[e.Object] = true
			}
		}
		return nil
	})
	if err == nil && !seen {
		err = occupied("the target has an audit trail of its own")
	}
	return err
}

func (t *target) models(ctx context.Context) error {
	models, err := t.to.LoadModels(ctx)
	if err != nil {
		return err
	}
	ours, err := t.from.LoadModels(ctx)
	if err != nil {
		return err
	}
	known := map[model.ModelID]bool{}
	for i := range ours {
		known[ours[i].ID] = true
	}
	for i := range models {
		id := models[i].ID
		if !known[id] {
			return occupied("the target has a model of its own, %s", id)
		}
		have, err := t.to.ModelHistory(ctx, id)
		if err != nil {
			return err
		}
		all, err := t.from.ModelHistory(ctx, id)
		if err != nil {
			return err
		}
		if !begins(have, all) {
			return occupied("the target has other versions of the model %s", id)
		}
	}
	return nil
}

func (t *target) keys(ctx context.Context) error {
	keys, err := t.to.LoadKeys(ctx)
	if err != nil {
		return err
	}
	ours, err := t.from.LoadKeys(ctx)
	if err != nil {
		return err
	}
	have := keysByID(ours)
	for i := range keys {
		if k, ok := have[keys[i].ID]; !ok || !follows(&k, &keys[i]) {
			return occupied("the target has a key of its own, %s", keys[i].ID)
		}
	}
	return nil
}

// documents looks at what is replaced in its place.
func (t *target) documents(ctx context.Context) error {
	budgets := func(s Store) ([]budget.Budget, error) { return s.Budgets(ctx) }
	rules := func(s Store) ([]alert.Rule, error) { return s.AlertRules(ctx) }
	openings := func(s Store) ([]budget.Opening, error) { return s.Openings(ctx) }
	if err := compareNamed(t, "a budget", budgets, func(b *budget.Budget) string { return b.Name }, t.deleted[audit.BudgetDeleted]); err != nil {
		return err
	}
	if err := compareNamed(t, "an alert rule", rules, func(r *alert.Rule) string { return r.Name }, t.deleted[audit.RuleDeleted]); err != nil {
		return err
	}
	return compareNamed(t, "an opening of a budget", openings, func(o *budget.Opening) string { return o.Name }, nil)
}

// compareNamed refuses what the source never had under that name. What an earlier
// copy brought may have been changed or deleted in the source since.
func compareNamed[T any](t *target, what string, list func(Store) ([]T, error), name func(*T) string, deleted map[string]bool) error {
	theirs, err := list(t.to)
	if err != nil {
		return err
	}
	ours, err := list(t.from)
	if err != nil {
		return err
	}
	have := map[string]*T{}
	for i := range ours {
		have[name(&ours[i])] = &ours[i]
	}
	for i := range theirs {
		n := name(&theirs[i])
		if t.begun && (have[n] != nil || deleted[n]) || reflect.DeepEqual(have[n], &theirs[i]) {
			continue
		}
		return occupied("the target has %s of its own, %s", what, n)
	}
	return nil
}

func (t *target) overrides(ctx context.Context) error {
	have, err := t.to.AllOverrides(ctx)
	if err != nil || len(have) == 0 {
		return err
	}
	all, err := t.from.AllOverrides(ctx)
	if err == nil && !begins(have, all) {
		err = occupied("the target has overrides of budgets of its own")
	}
	return err
}

func (t *target) configs(ctx context.Context) error {
	have, err := allConfigs(ctx, t.to)
	if err != nil || len(have) == 0 {
		return err
	}
	all, err := allConfigs(ctx, t.from)
	if err == nil && !begins(have, all) {
		err = occupied("the target has versions of the shared configuration of its own")
	}
	return err
}

func (t *target) fleets(ctx context.Context) error {
	have, err := t.to.FleetIDs(ctx)
	if err != nil || len(have) == 0 {
		return err
	}
	all, err := t.from.FleetIDs(ctx)
	known := map[uint64]bool{}
	for _, id := range all {
		known[id] = true
	}
	for _, id := range have {
		if err == nil && !known[id] {
			err = occupied("the target has snapshots of a registry of its own")
		}
	}
	return err
}

func (t *target) notices(ctx context.Context) error {
	have, err := allNotices(ctx, t.to)
	if err != nil || len(have) == 0 {
		return err
	}
	all, err := allNotices(ctx, t.from)
	known := map[string]bool{}
	for i := range all {
		known[all[i].ID] = true
	}
	for i := range have {
		if err == nil && !known[have[i].ID] {
			err = occupied("the target has an event of its own, %s %s", have[i].Kind, have[i].ID)
		}
	}
	return err
}

// calls compares the documents of the target's calls with those of as many calls
// that were stored first in the source: copies keep the order.
func (t *target) calls(ctx context.Context) error {
	next, stop := iter.Pull2(documents(ctx, t.from))
	defer stop()
	return t.to.Walk(ctx, time.Time{}, time.Time{}, func(calls []event.Call) error {
		for i := range calls {
			c := &calls[i]
			ours, err, ok := next()
			if err != nil {
				return err
			}
			if !ok || !bytes.Equal(ours.RecordJSON, c.RecordJSON) || !bytes.Equal(ours.PlanJSON, c.PlanJSON) {
				return occupied("the target has calls of its own, one that ended at %s", c.Ended.Format(time.RFC3339))
			}
		}
		return ctx.Err()
	})
}

var errEnough = errors.New("no more is asked for")

// documents are the calls of a store in the order of storing.
func documents(ctx context.Context, s Store) iter.Seq2[*event.Call, error] {
	return func(yield func(*event.Call, error) bool) {
		err := s.Walk(ctx, time.Time{}, time.Time{}, func(calls []event.Call) error {
			for i := range calls {
				if !yield(&calls[i], nil) {
					return errEnough
				}
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(nil, err)
		}
	}
}

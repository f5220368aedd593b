package database

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"reflect"
	"slices"
	"time"

	"github.com/cartrita/cartrita/audit"
	"github.com/cartrita/cartrita/cluster"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
	"github.com/cartrita/cartrita/store/batch"
)

// A batch of calls is stored when it has so many, or so many bytes of documents.
const (
	copyCalls = 1000
	copyBytes = 8 << 20
)

// Copy brings everything that one store holds into another: model versions,
// keys, budgets with their overrides and openings, alert rules, snapshots,
// notices, versions of the shared configuration, the audit trail, calls with the
// sums that they add up to, and the vectors of their prompts. The trail stays as it is: a copy makes no
// entries. What is there already is left out, calls by their ids, so that a copy
// that ended early is finished by another. How far event spools were read is not
// copied: a gateway that finds its own spool unread hands over calls that are
// stored, and they are skipped. What fires now, fires anew.
//
// progress is told how many calls were handed over since the last time. Errors:
// KindConflict, before anything is written, when to holds what from does not, when
// a gateway runs on it, or when calls have left either side for an archive; those
// of the stores. What was copied before the error stays.
func Copy(ctx context.Context, from, to Store, progress func(calls int)) error {
	ctx = audit.Copying(ctx)
	if err := cmp.Or(refuseArchived(ctx, from, "source"), refuseArchived(ctx, to, "target")); err != nil {
		return err
	}
	if err := checkTarget(ctx, from, to); err != nil {
		return err
	}
	for _, step := range []struct {
		what string
		copy func() error
	}{
		{"the audit trail", func() error { return copyTrail(ctx, from, to) }},
		{"model versions", func() error { return copyModels(ctx, from, to) }},
		{"keys", func() error { return copyKeys(ctx, from, to) }},
		{"budgets", func() error { return copyBudgets(ctx, from, to) }},
		{"overrides", func() error { return copyOverrides(ctx, from, to) }},
		{"alert rules", func() error { return copyAlertRules(ctx, from, to) }},
		{"snapshots", func() error { return copyFleets(ctx, from, to) }},
		{"notices", func() error { return copyNotices(ctx, from, to) }},
		{"configurations", func() error { return copyConfigs(ctx, from, to) }},
		{"calls", func() error { return copyStoredCalls(ctx, from, to, progress) }},
		{"vectors of prompts", func() error {
			return from.WalkPrompts(ctx, func(ps []event.Prompt) error { return to.SavePrompts(ctx, ps) })
		}},
	} {
		if err := step.copy(); err != nil {
			return fmt.Errorf("copying %s: %w", step.what, err)
		}
	}
	return nil
}

func conflict(format string, args ...any) error {
	return model.Errorf("database.Copy", model.KindConflict, format+": somebody else writes to it", args...)
}

// begins reports whether a copy that ended early may have left these of all.
func begins[T any](have, all []T) bool {
	return len(have) <= len(all) && (len(have) == 0 || reflect.DeepEqual(have, all[:len(have)]))
}

// copyModels appends the versions that to lacks, one of each record at a time.
func copyModels(ctx context.Context, from, to Store) error {
	models, err := from.LoadModels(ctx)
	if err != nil {
		return err
	}
	var rounds [][]registry.Version
	for _, m := range models {
		all, err := from.ModelHistory(ctx, m.ID)
		if err != nil {
			return err
		}
		have, err := to.ModelHistory(ctx, m.ID)
		if err != nil {
			return err
		}
		if !begins(have, all) {
			return conflict("the target has other versions of the model %s", m.ID)
		}
		for i, v := range all[len(have):] {
			if i == len(rounds) {
				rounds = append(rounds, nil)
			}
			rounds[i] = append(rounds[i], v)
		}
	}
	for _, versions := range rounds {
		for some := range slices.Chunk(versions, copyCalls) {
			if err := to.SaveModels(ctx, some); err != nil {
				return err
			}
		}
	}
	return nil
}

// copyKeys saves each key as often as it was changed, so that it has its number.
func copyKeys(ctx context.Context, from, to Store) error {
	keys, err := from.LoadKeys(ctx)
	if err != nil {
		return err
	}
	there, err := to.LoadKeys(ctx)
	if err != nil {
		return err
	}
	have := keysByID(there)
	used := map[model.KeyID]time.Time{}
	for _, k := range keys {
		h := have[k.ID]
		if !follows(&k, &h) {
			return conflict("the target has another key %s", k.ID)
		}
		for n := h.Number + 1; n <= k.Number; n++ {
			if err := to.SaveKey(ctx, key.Stored{ID: k.ID, Number: n, Doc: k.Doc}); err != nil {
				return err
			}
		}
		if !k.LastUsed.IsZero() {
			used[k.ID] = k.LastUsed
		}
	}
	return to.TouchKeys(ctx, used)
}

func keysByID(keys []key.Stored) map[model.KeyID]key.Stored {
	out := make(map[model.KeyID]key.Stored, len(keys))
	for _, k := range keys {
		out[k.ID] = k
	}
	return out
}

// follows reports whether a key may have been what its copy is.
func follows(k, is *key.Stored) bool {
	return is.Number < k.Number || is.Number == k.Number && string(is.Doc) == string(k.Doc)
}

func copyBudgets(ctx context.Context, from, to Store) error {
	budgets, err := from.Budgets(ctx)
	if err != nil {
		return err
	}
	names := map[string]bool{}
	for _, b := range budgets {
		names[b.Name] = true
		if err := to.SaveBudget(ctx, b); err != nil {
			return err
		}
	}
	there, err := to.Budgets(ctx)
	if err != nil {
		return err
	}
	for _, b := range there { // those that were deleted in the source since an earlier copy
		if !names[b.Name] {
			if err := to.DeleteBudget(ctx, b.Name); err != nil {
				return err
			}
		}
	}
	openings, err := from.Openings(ctx)
	if err != nil {
		return err
	}
	for _, o := range openings {
		if err := to.SaveOpening(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

func copyAlertRules(ctx context.Context, from, to Store) error {
	rules, err := from.AlertRules(ctx)
	if err != nil {
		return err
	}
	names := map[string]bool{}
	for _, r := range rules {
		names[r.Name] = true
		if err := to.SaveAlertRule(ctx, r); err != nil {
			return err
		}
	}
	there, err := to.AlertRules(ctx)
	if err != nil {
		return err
	}
	for _, r := range there {
		if !names[r.Name] {
			if err := to.DeleteAlertRule(ctx, r.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// copyOverrides appends those that to lacks; their order says which counts.
func copyOverrides(ctx context.Context, from, to Store) error {
	all, err := from.AllOverrides(ctx)
	if err != nil {
		return err
	}
	have, err := to.AllOverrides(ctx)
	if err != nil {
		return err
	}
	if !begins(have, all) {
		return conflict("the target has other overrides of budgets")
	}
	for _, o := range all[len(have):] {
		if err := to.SaveOverride(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

func copyFleets(ctx context.Context, from, to Store) error {
	ids, err := from.FleetIDs(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		doc, err := from.Fleet(ctx, id)
		if err != nil {
			return err
		}
		if err := to.SaveFleet(ctx, id, doc); err != nil {
			return err
		}
	}
	return nil
}

// allConfigs returns every version of the shared configuration, oldest first.
func allConfigs(ctx context.Context, s Store) ([]cluster.Configuration, error) {
	latest, err := s.ConfigVersion(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]cluster.Configuration, latest)
	for i := range all {
		if all[i], err = s.LoadConfig(ctx, int64(i)+1); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func copyConfigs(ctx context.Context, from, to Store) error {
	all, err := allConfigs(ctx, from)
	if err != nil {
		return err
	}
	have, err := allConfigs(ctx, to)
	if err != nil {
		return err
	}
	if !begins(have, all) {
		return conflict("the target has other versions of the shared configuration")
	}
	for _, c := range all[len(have):] {
		if err := to.SaveConfig(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

func allNotices(ctx context.Context, s Store) ([]event.Notice, error) {
	return s.Notices(ctx, nil, time.Time{}, time.Time{}, math.MaxInt32)
}

// copyTrail appends the entries that to lacks.
func copyTrail(ctx context.Context, from, to Store) error {
	var last audit.Entry
	if latest, err := to.Trail(ctx, audit.Filter{Limit: 1}); err != nil {
		return err
	} else if len(latest) > 0 {
		last = latest[0]
	}
	seen := last.Seq == 0
	err := from.WalkTrail(ctx, func(entries []audit.Entry) error {
		for len(entries) > 0 && entries[0].Seq <= last.Seq {
			seen = seen || entries[0].Hash == last.Hash
			entries = entries[1:]
		}
		if !seen && len(entries) > 0 {
			return conflict("the target has another audit trail")
		}
		return to.CopyTrail(ctx, entries)
	})
	if err == nil && !seen {
		err = conflict("the target has another audit trail")
	}
	return err
}

func copyNotices(ctx context.Context, from, to Store) error {
	notices, err := allNotices(ctx, from)
	if err != nil {
		return err
	}
	for _, n := range slices.Backward(notices) { // the latest comes first
		if _, err := to.AddNotice(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

func copyStoredCalls(ctx context.Context, from, to Store, progress func(int)) error {
	var waiting []event.Call
	bytes := 0
	store := func() error {
		if len(waiting) == 0 {
			return nil
		}
		if _, err := to.Ingest(ctx, event.Batch{Calls: waiting}); err != nil {
			return err
		}
		progress(len(waiting))
		waiting, bytes = nil, 0
		return nil
	}
	err := eachCall(ctx, from, func(c *event.Call) error {
		whole, err := Summarized(&batch.Entry{Seq: c.Seq, Ended: c.Ended.UnixMicro(), Record: c.RecordJSON, Plan: c.PlanJSON})
		if err != nil {
			return err
		}
		whole.Started, whole.RecordJSON, whole.PlanJSON = c.Started, c.RecordJSON, c.PlanJSON
		waiting = append(waiting, *whole)
		if bytes += len(c.RecordJSON) + len(c.PlanJSON); len(waiting) < copyCalls && bytes < copyBytes {
			return nil
		}
		return store()
	})
	if err != nil {
		return err
	}
	return store()
}

// eachCall shows every call in the order of storing, with its documents and when
// it started and ended.
func eachCall(ctx context.Context, s Store, visit func(*event.Call) error) error {
	return s.Walk(ctx, time.Time{}, time.Time{}, func(calls []event.Call) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		starts, err := s.CallStarts(ctx, calls[0].Seq, calls[len(calls)-1].Seq)
		if err != nil {
			return err
		}
		for i := range calls {
			calls[i].Started = starts[calls[i].Seq]
			if err := visit(&calls[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

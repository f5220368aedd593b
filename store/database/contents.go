package database

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"math"

	"github.com/cespare/xxhash/v2"

	"github.com/cartrita/cartrita/audit"
	"github.com/cartrita/cartrita/event"
)

// Contents is how much of one thing a store holds.
type Contents struct {
	Name     string
	Count    int64
	Checksum uint64 // over what is stored, in any order; 0 for nothing
}

func (c *Contents) add(parts ...[]byte) {
	d := xxhash.New()
	for _, p := range parts {
		_, _ = d.Write(binary.AppendUvarint(nil, uint64(len(p)))) // never fails
		_, _ = d.Write(p)
	}
	c.Count++
	c.Checksum += d.Sum64()
}

func (c *Contents) addJSON(v any) error {
	doc, err := json.Marshal(v)
	if err == nil {
		c.add(doc)
	}
	return err
}

// Take counts what a store holds of all that Copy copies, always in the same
// order. progress is told how many calls were read since the last time.
func Take(ctx context.Context, s Store, progress func(calls int)) ([]Contents, error) {
	models, keys := Contents{Name: "model versions"}, Contents{Name: "keys"}
	budgets, overrides := Contents{Name: "budgets"}, Contents{Name: "overrides"}
	openings, rules, fleets := Contents{Name: "openings"}, Contents{Name: "alert rules"}, Contents{Name: "snapshots"}
	notices, calls := Contents{Name: "notices"}, Contents{Name: "calls"}
	configs, trail, prompts := Contents{Name: "configurations"}, Contents{Name: "audit entries"}, Contents{Name: "vectors of prompts"}
	for _, take := range []func() error{
		func() error { return takeModels(ctx, s, &models) },
		func() error { list, err := s.LoadKeys(ctx); return takeAll(list, err, &keys) },
		func() error { list, err := s.Budgets(ctx); return takeAll(list, err, &budgets) },
		func() error { list, err := s.AllOverrides(ctx); return takeAll(list, err, &overrides) },
		func() error { list, err := s.Openings(ctx); return takeAll(list, err, &openings) },
		func() error { list, err := s.AlertRules(ctx); return takeAll(list, err, &rules) },
		func() error { return takeFleets(ctx, s, &fleets) },
		func() error { list, err := allNotices(ctx, s); return takeAll(list, err, &notices) },
		func() error { list, err := allConfigs(ctx, s); return takeAll(list, err, &configs) },
		func() error {
			return s.WalkTrail(ctx, func(list []audit.Entry) error { return takeAll(list, nil, &trail) })
		},
		func() error {
			return s.WalkPrompts(ctx, func(list []event.Prompt) error { takePrompts(list, &prompts); return nil })
		},
		func() error { return takeCalls(ctx, s, &calls, progress) },
	} {
		if err := take(); err != nil {
			return nil, err
		}
	}
	return []Contents{models, keys, budgets, overrides, openings, rules, fleets, notices, configs, trail, prompts, calls}, nil
}

func takeAll[T any](list []T, err error, into *Contents) error {
	if err != nil {
		return err
	}
	for i := range list {
		if err := into.addJSON(&list[i]); err != nil {
			return err
		}
	}
	return nil
}

func takeModels(ctx context.Context, s Store, into *Contents) error {
	models, err := s.LoadModels(ctx)
	if err != nil {
		return err
	}
	for _, m := range models {
		versions, err := s.ModelHistory(ctx, m.ID)
		if err := takeAll(versions, err, into); err != nil {
			return err
		}
	}
	return nil
}

func takeFleets(ctx context.Context, s Store, into *Contents) error {
	ids, err := s.FleetIDs(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		doc, err := s.Fleet(ctx, id)
		if err != nil {
			return err
		}
		into.add(binary.LittleEndian.AppendUint64(nil, id), doc)
	}
	return nil
}

func takePrompts(ps []event.Prompt, into *Contents) {
	for i := range ps {
		p := &ps[i]
		head := binary.LittleEndian.AppendUint64(p.Call[:len(p.Call):len(p.Call)], uint64(p.At.UnixMicro()))
		vector := make([]byte, 0, 4*len(p.Vector))
		for _, x := range p.Vector {
			vector = binary.LittleEndian.AppendUint32(vector, math.Float32bits(x))
		}
		into.add(head, []byte(p.Embedder), vector)
	}
}

func takeCalls(ctx context.Context, s Store, into *Contents, progress func(int)) error {
	var head []byte
	return eachCall(ctx, s, func(c *event.Call) error {
		head = binary.LittleEndian.AppendUint64(head[:0], uint64(c.Ended.UnixMicro()))
		if !c.Started.IsZero() {
			head = binary.LittleEndian.AppendUint64(head, uint64(c.Started.UnixMicro()))
		}
		into.add(head, c.RecordJSON, c.PlanJSON)
		progress(1)
		return nil
	})
}

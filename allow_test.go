package cartrita_test

import (
	"reflect"
	"testing"

	"github.com/cartrita/cartrita/model"
)

// TestAKeyIsHeldToWhatItMayAskFor and its record says whose call it was.
func TestAKeyIsHeldToWhatItMayAskFor(t *testing.T) {
	l := newLab(t, script{
		"a": answers(`{"id":"a"}`, model.Usage{}), "b": answers(`{"id":"b"}`, model.Usage{}), "c": answers(`{"id":"c"}`, model.Usage{}),
	})
	who := model.Caller{Key: "k1", User: "ada", Team: "a", Project: "p", Tags: []string{"blue"}}
	serve := func(name string, allow *model.Allowance, strategy string) (*model.Record, error) {
		call := newCall(t, false)
		call.Model, call.Caller, call.Criteria.Allow, call.Criteria.Strategy = name, who, allow, strategy
		return l.Serve(t.Context(), call, &page{})
	}
	all := l.Endpoints()
	only, other := string(all[0].ID), string(all[1].ID)
	for range 8 {
		rec, err := serve("auto", &model.Allowance{Endpoints: []string{only}}, "")
		if err != nil || string(rec.Endpoint) != only || !reflect.DeepEqual(rec.Caller, who) {
			t.Fatalf("a key for %s is served by %s for %+v: %v", only, rec.Endpoint, rec.Caller, err)
		}
		if len(rec.Attempts) != 1 {
			t.Fatalf("%d attempts", len(rec.Attempts))
		}
		stored := l.stored(rec.ID)
		found := false
		for _, x := range stored.Plan.Excluded {
			found = found || x.Filter == model.FilterKey && string(x.Endpoint) == other && x.Reason() == "is not allowed for this key"
		}
		if !found || !reflect.DeepEqual(stored.Caller, who) {
			t.Fatalf("the record says %+v, excluded %+v", stored.Caller, stored.Plan.Excluded)
		}
	}
	for what, f := range map[string]func() (*model.Record, error){
		"strategy": func() (*model.Record, error) {
			return serve("auto", &model.Allowance{Strategies: []string{"cost-optimized"}}, "speed-first")
		},
		"model": func() (*model.Record, error) {
			return serve(string(all[0].Model), &model.Allowance{Models: []string{"nobody/*"}}, "")
		},
	} {
		rec, err := f()
		if e := model.AsError(err); rec != nil || e == nil || e.Kind != model.KindForbidden || e.Param != what {
			t.Errorf("%s: %v", what, err)
		}
	}
	if rec, err := serve("auto", &model.Allowance{Strategies: []string{"cost-optimized"}}, ""); err != nil || rec.Plan.Strategy != "cost-optimized" {
		t.Errorf("a call that names no strategy: %v", err)
	}
	if _, err := serve("auto", &model.Allowance{Endpoints: []string{"nobody/*"}}, ""); model.KindOf(err) != model.KindNoCandidate {
		t.Errorf("a key for nothing: %v", err)
	}
}

package main

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/cost"
	"github.com/cartrita/cartrita/model"
)

func learnedProfile(e *cost.Estimator) *cost.Profile {
	in, out := 1*model.USD, 4*model.USD
	return e.Profile(&model.Served{
		Endpoint: &model.Endpoint{Model: "lab/model"}, Pricing: &model.Pricing{Input: &in, Output: &out},
	})
}

func TestLearnedSurvivesARestart(t *testing.T) {
	c := &config.Config{Data: t.TempDir(), Store: config.StoreSQLite}
	log := slog.New(slog.DiscardHandler)
	e, store, err := learner(t.Context(), c, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	tick, done := make(chan time.Time), make(chan struct{})
	n := &node{log: log, estimator: e, learned: store}
	go func() { n.keepLearned(ctx, tick); close(done) }()
	tick <- time.Time{} // nothing learned, nothing written
	q := cost.Request{Task: model.TaskChat, PromptBytes: 4000}
	learn := func(out int64) {
		for range 30 {
			e.Observe(learnedProfile(e), q, model.Usage{Input: model.Known(1000), Output: model.Known(out), Source: model.UsageUpstream})
		}
	}
	if _, err := os.Stat(filepath.Join(c.Data, "learned.json")); err == nil {
		t.Error("a file was written though nothing was learned")
	}
	learn(80)
	tick <- time.Time{}
	learn(90)
	cancel()
	<-done

	again, _, err := learner(t.Context(), c, log)
	if err != nil {
		t.Fatal(err)
	}
	if x, y := e.Estimate(learnedProfile(e), q), again.Estimate(learnedProfile(again), q); x != y || x.Method != model.MethodLearned {
		t.Errorf("estimated %+v, after a restart %+v", x, y)
	}
	if left, _ := filepath.Glob(filepath.Join(c.Data, ".learned-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestDamagedLearnedIsSetAside(t *testing.T) {
	c := &config.Config{Data: t.TempDir(), Store: config.StoreSQLite}
	path := filepath.Join(c.Data, "learned.json")
	if err := os.WriteFile(path, []byte(`{"version":1,"po`), 0o600); err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	e, store, err := learner(t.Context(), c, slog.New(slog.NewTextHandler(&logged, nil)))
	if err != nil || e == nil || store == nil {
		t.Fatalf("learner = %v, %v, %v", e, store, err)
	}
	if !strings.Contains(logged.String(), "start anew") {
		t.Errorf("logged %q", logged.String())
	}
	if raw, err := os.ReadFile(path + ".damaged"); err != nil || string(raw) != `{"version":1,"po` {
		t.Errorf("set aside: %q, %v", raw, err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the damaged file is still in place")
	}
}

package main

import (
	"log/slog"
	"testing"
	"time"

	"github.com/cartrita/cartrita/cluster"
	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/memory"
)

// Vectors are dropped when they are as old as the configuration says, and stay
// where it says nothing.
func TestVectorsOfPromptsAreDropped(t *testing.T) {
	s, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for i, age := range []time.Duration{time.Minute, 3 * time.Hour} {
		p := event.Prompt{Call: model.CallID{byte(i + 1)}, At: now.Add(-age), Embedder: "e", Vector: []float32{1}}
		if err := s.SavePrompts(t.Context(), []event.Prompt{p}); err != nil {
			t.Fatal(err)
		}
	}
	n := &node{store: s, log: slog.New(slog.DiscardHandler), config: &config.Loaded{}}
	for _, c := range []struct {
		keep time.Duration
		left int
	}{{0, 2}, {2 * time.Hour, 1}} {
		n.config.Embeddings.Prompts.Keep = config.Duration(c.keep)
		if err := n.promptJob().Run(t.Context(), cluster.Fence{}); err != nil {
			t.Fatal(err)
		}
		left := 0
		for i := range 2 {
			if _, err := s.Prompt(t.Context(), model.CallID{byte(i + 1)}); err == nil {
				left++
			}
		}
		if left != c.left {
			t.Errorf("with %s %d are left, want %d", c.keep, left, c.left)
		}
	}
}

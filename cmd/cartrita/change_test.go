package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cartrita/cartrita/model"
)

// A change comes from a file, and what the flags say comes first.
func TestAChangeOfAReplayIsRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "change.yaml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`
strategy: balanced
exclude_models: [a]
prices: {p/m: {input_usd_per_million: 0.5}}
budget: {rules: [{budget: all, self_hosted: true}]}
`)
	got, err := (&replayCmd{Change: file, Strategy: "speed-first", ExcludeModel: []string{"b"}}).change()
	if err != nil {
		t.Fatal(err)
	}
	if got.Strategy != "speed-first" || len(got.ExcludeModels) != 2 || *got.Prices["p/m"].Input != model.USD/2 || !got.Budget.Rules[0].SelfHosted {
		t.Errorf("%+v", got)
	}
	for _, bad := range []string{"strategie: x", "budget: 3", "- a", "{"} {
		write(bad)
		if _, err := (&replayCmd{Change: file}).change(); model.KindOf(err) != model.KindInvalid {
			t.Errorf("%q gives %v, want invalid", bad, err)
		}
	}
}

// An error in a file of prices says of which model and member it is.
func TestAFaultyPriceIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "prices.json")
	for text, want := range map[string]string{
		`{"a": {"input_usd_per_million": 1}, "mid": {"output_usd_per_million": 2, "input_usd_per_million": "x"}}`: `mid.input_usd_per_million: amount "x": want a decimal number`,
		`{"mid": {"input_usd_per_millions": 1}}`: "mid.input_usd_per_millions: ",
		`{"mid": {"devices": "two"}}`:            "mid.devices: ",
		`{"mid": {"tiers": [{"factor": "x"}]}}`:  "mid.tiers: ",
		`{"mid": 3}`:                             "mid: ",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := readPrices(file)
		if e := model.AsError(err); err == nil || e.Kind != model.KindInvalid || !strings.Contains(e.Message, want) {
			t.Errorf("%s gives %v, want %q in it", text, err, want)
		}
	}
}

package model

import (
	"testing"
	"time"
)

func TestPricingAt(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }
	prices := []Pricing{
		{Source: "dearer from the 10th", EffectiveFrom: day(10)},
		{Source: "always"},
		{Source: "promotion of the 12th and 13th", EffectiveFrom: day(12), EffectiveUntil: day(14)},
		{Source: "corrected, from the 10th", EffectiveFrom: day(10)},
	}
	for d, want := range map[int]string{
		1: "always", 9: "always", 10: "corrected, from the 10th", 11: "corrected, from the 10th",
		12: "promotion of the 12th and 13th", 13: "promotion of the 12th and 13th", 14: "corrected, from the 10th",
	} {
		if got := PricingAt(prices, day(d)); got == nil || got.Source != want {
			t.Errorf("on the %dth: %+v, want %q", d, got, want)
		}
	}
	if got := PricingAt(prices, day(14).Add(-time.Nanosecond)); got.Source != "promotion of the 12th and 13th" {
		t.Errorf("the last nanosecond: %q", got.Source)
	}
	if got := PricingAt([]Pricing{prices[0]}, day(9)); got != nil {
		t.Errorf("before anything holds: %+v", got)
	}
}

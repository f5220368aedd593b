package main

import (
	"slices"
	"strings"

	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/route"
)

func newStrategies(r *config.Router) (*route.Strategies, error) {
	var own []route.Strategy
	for name, s := range r.Strategies {
		own = append(own, route.Strategy{
			Name:    name,
			Weights: model.Weights(s.Weights),
			Limits: route.Limits{
				MaxCost: s.Limits.MaxCost, MaxCostPer1KTokens: s.Limits.MaxCostPer1KTokens, MaxLatencyMS: s.Limits.MaxLatencyMS,
				MinQuality: s.Limits.MinQuality, MaxRisk: s.Limits.MaxRisk, CommercialUse: s.Limits.CommercialUse,
				RequiredTags: s.Limits.RequiredTags, ExcludedTags: s.Limits.ExcludedTags,
			},
			Fallback: route.Fallback{
				Scope: route.Scope(s.Fallback.Scope), NoLessSafe: s.Fallback.NoLessSafe, ContentPolicy: s.Fallback.ContentPolicy,
			},
		})
	}
	slices.SortFunc(own, func(a, b route.Strategy) int { return strings.Compare(a.Name, b.Name) })
	return route.NewStrategies(r.DefaultStrategy, own...)
}

package catalogue

import (
	"strings"

	"charm.land/catwalk/pkg/catwalk"

	"github.com/cartrita/cartrita/model"
)

// priced keeps a cost profile and its amounts in one allocation.
type priced struct {
	profile                    model.Pricing
	input, output, read, write model.Money
}

// pricing reads a listing's prices; nil when none is known. See the package
// comment for how zeros and cache prices are read.
func pricing(m *catwalk.Model) *model.Pricing {
	free := strings.HasSuffix(m.ID, ":free") || strings.HasSuffix(m.ID, "-free")
	if m.CostPer1MIn == 0 && m.CostPer1MOut == 0 && !free {
		return nil
	}
	p := &priced{input: model.FromUSD(m.CostPer1MIn), output: model.FromUSD(m.CostPer1MOut)}
	p.profile.Source = Source
	p.profile.Input, p.profile.Output = &p.input, &p.output
	if free {
		return &p.profile
	}
	for _, usd := range []float64{m.CostPer1MInCached, m.CostPer1MOutCached} {
		p.cachePrice(model.FromUSD(usd))
	}
	return &p.profile
}

// cachePrice files one of the two cache prices by its value.
func (p *priced) cachePrice(v model.Money) {
	switch {
	case v <= 0 || v == p.output:
	case v < p.input && (p.read == 0 || v < p.read):
		p.read = v
		p.profile.CachedRead = &p.read
	case v >= p.input && v <= 2*p.input:
		p.write = v
		p.profile.CacheWrite = &p.write
	}
}

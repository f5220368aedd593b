package route

import (
	"math"
	"math/bits"
	"slices"

	"github.com/cartrita/cartrita/model"
)

// passed is the verdict of filter on an endpoint that no filter excludes.
const passed = model.FilterDeadline + 1

// filter returns the first filter that excludes the endpoint at i, or passed.
// named is true for the endpoints of the model that the call names. This is the
// hot loop: exclusion tells the figures, for the few that the plan lists.
func (d *decision) filter(i int, named bool) model.Filter {
	f, b := &d.facts[i], &d.bounds
	switch {
	case d.in.Allowed != nil && !d.in.Allowed[i]:
		return model.FilterKey
	case !f.tasks.Has(d.in.Task):
		return model.FilterTask
	case f.status != model.StatusActive && (!named || f.status == model.StatusRetired):
		return model.FilterStatus
	case !f.ready:
		return model.FilterCredentials
	case b.commercial && !f.commercial:
		return model.FilterLicense
	case b.maxRisk != model.RiskUnknown && (f.risk == model.RiskUnknown || f.risk > b.maxRisk):
		return model.FilterRisk
	case b.uses|b.must != 0 && (f.lacks&(b.uses|b.must) != 0 || f.features.Missing(b.known(named)) != 0):
		return model.FilterFeatures
	}
	if b.limitsTags {
		tags := d.served[i].Tags
		if _, ok := lacksTag(tags, &b.required); ok {
			return model.FilterRequiredTags
		}
		if _, ok := hasTag(tags, &b.excluded); ok {
			return model.FilterExcludedTags
		}
	}
	e := &d.estimates[i]
	switch {
	case !d.fits(f, e, named) && !d.anyLength:
		return model.FilterContextLength
	case b.minQuality > 0 && !(f.qualityKnown && f.quality >= b.minQuality):
		return model.FilterMinQuality
	case b.limitsCost && !(e.Priced && e.High <= b.maxCost && float64(e.Expected)*1000 <= b.maxPer1K*tokens(e)):
		return model.FilterMaxCost
	}
	h := &d.health[i]
	if b.limitsTime {
		switch ms, known := d.latency(f, h); {
		case ms > b.maxLatency || !known && limits(b.maxLatency):
			return model.FilterMaxLatency
		case known && whole(ms, h, e) > b.remaining:
			return model.FilterDeadline
		}
	}
	if d.in.Budget != nil && d.overBudget(i) {
		return model.FilterBudget
	}
	if h.Circuit == model.CircuitOpen || !h.RetryAt.IsZero() && h.RetryAt.After(d.in.Now) {
		return model.FilterCircuit
	}
	return passed
}

// known are the features that must be known of an endpoint, not just not
// known to be missing.
func (b *bounds) known(named bool) model.FeatureSet {
	if named {
		return b.must
	}
	return b.must | b.uses&^model.Features(model.FeatureStreaming)
}

func lacksTag(tags []string, required *[2][]string) (string, bool) {
	for _, list := range required {
		for _, tag := range list {
			if !slices.Contains(tags, tag) {
				return tag, true
			}
		}
	}
	return "", false
}

func hasTag(tags []string, excluded *[2][]string) (string, bool) {
	for _, list := range excluded {
		for _, tag := range list {
			if slices.Contains(tags, tag) {
				return tag, true
			}
		}
	}
	return "", false
}

// need is the number of tokens that prompt and answer take.
func (d *decision) need(e *model.Estimate, named bool) int64 {
	room, prompt := d.in.MaxOutput, d.prompt(e)
	switch {
	case room.Known:
		return prompt + room.N
	case named:
		return prompt + 1
	}
	return prompt + e.OutputTokens
}

// prompt is the number of tokens that must fit the context together with an answer.
func (d *decision) prompt(e *model.Estimate) int64 {
	if d.in.Largest > 0 {
		return int64(math.Ceil(float64(e.InputTokens) * d.in.Largest))
	}
	return e.InputTokens
}

func (d *decision) fits(f *fact, e *model.Estimate, named bool) bool {
	if named && !f.contextKnown {
		return true
	}
	return d.need(e, named) <= f.context && (named || !d.overAnswers(f))
}

// overAnswers reports whether the caller allows a longer answer than the model
// can give, which upstreams refuse.
func (d *decision) overAnswers(f *fact) bool {
	return f.maxOutput > 0 && d.in.MaxOutput.Known && d.in.MaxOutput.N > f.maxOutput
}

func tokens(e *model.Estimate) float64 { return max(float64(e.InputTokens+e.OutputTokens), 1) }

// exclusion tells why filter f excluded the endpoint at i.
func (d *decision) exclusion(i int, f model.Filter, named bool) model.Exclusion {
	s, b, e := &d.served[i], &d.bounds, &d.estimates[i]
	x := model.Exclusion{Endpoint: s.ID, Model: s.Endpoint.Model, Filter: f}
	switch f {
	case model.FilterTask:
		x.Detail = d.in.Task.String()
	case model.FilterStatus:
		x.Detail = s.Model.Status.String()
	case model.FilterCredentials:
		x.Detail = s.Credential
	case model.FilterLicense:
		x.Unknown = !s.CommercialKnown
	case model.FilterRisk:
		x.Want, x.Have, x.Unknown = float64(b.maxRisk), float64(s.Model.Risk), s.Model.Risk == model.RiskUnknown
	case model.FilterFeatures:
		missing := s.Lacks & (b.uses | b.must)
		if missing == 0 {
			missing, x.Unknown = s.Features.Missing(b.known(named)), true
		}
		x.Detail = featureNames(missing)
	case model.FilterRequiredTags:
		x.Detail, _ = lacksTag(s.Tags, &b.required)
	case model.FilterExcludedTags:
		x.Detail, _ = hasTag(s.Tags, &b.excluded)
	case model.FilterContextLength:
		d.tellContext(&x, &d.facts[i], e, named)
	case model.FilterMinQuality:
		x.Want, x.Have, x.Unknown = b.minQuality, s.Quality, !s.QualityKnown
	case model.FilterMaxCost:
		d.tellCost(&x, e)
	case model.FilterMaxLatency, model.FilterDeadline:
		d.tellLatency(&x, i)
	case model.FilterBudget:
		d.tellBudget(&x, i)
	case model.FilterCircuit:
		d.tellCircuit(&x, &d.health[i])
	}
	return x
}

func (d *decision) tellContext(x *model.Exclusion, f *fact, e *model.Estimate, named bool) {
	if need := d.need(e, named); need > f.context {
		x.Want, x.Have, x.Unknown = float64(need), float64(f.context), !f.contextKnown
		return
	}
	x.Want, x.Have, x.Detail = float64(d.in.MaxOutput.N), float64(f.maxOutput), "answer"
}

func (d *decision) tellCost(x *model.Exclusion, e *model.Estimate) {
	x.Unknown = !e.Priced
	if e.High > d.bounds.maxCost || !limits(d.bounds.maxPer1K) {
		x.Want, x.Have, x.Detail = d.bounds.maxCost.USD(), e.High.USD(), "for the call"
		return
	}
	x.Want, x.Have, x.Detail = d.bounds.maxPer1K/1e9, float64(e.Expected)/1e9*1000/tokens(e), "per 1,000 tokens"
}

func (d *decision) tellLatency(x *model.Exclusion, i int) {
	f, h := &d.facts[i], &d.health[i]
	ms, known := d.latency(f, h)
	if x.Filter == model.FilterDeadline {
		x.Want, x.Have = d.bounds.remaining, whole(ms, h, &d.estimates[i])
	} else {
		x.Want, x.Have, x.Unknown = d.bounds.maxLatency, ms, !known
	}
	if known && answered(h) < 1 {
		x.Detail = model.FromRecord
	}
}

func (d *decision) tellCircuit(x *model.Exclusion, h *model.Health) {
	x.Detail = "the upstream asked to be left alone"
	if h.Circuit == model.CircuitOpen {
		x.Detail = "the circuit is open"
	}
	if wait := h.RetryAt.Sub(d.in.Now); !h.RetryAt.IsZero() && wait > 0 {
		x.Have = wait.Seconds()
	}
}

// featureNames is the String of the set, without allocating for a single one.
func featureNames(s model.FeatureSet) string {
	if s&(s-1) == 0 {
		return model.Feature(bits.TrailingZeros32(uint32(s))).String()
	}
	return s.String()
}

package route

import (
	"math"

	"github.com/cartrita/cartrita/model"
)

// The constants of the formulae in the package comment.
const (
	costHalfUSDPerMillion = 1.0    // scores ½
	costMinTokens         = 1000   // a smaller call is scored as one of these
	latencyHalfMS         = 1000.0 // scores ½
	failureHalf           = 0.05   // scores ½

	priorQuality       = 0.4
	priorCost          = 0.24025307335204214 // the score of $10 per million tokens
	priorLatencyMS     = 2000.0
	priorSafety        = 0.4
	priorFailure       = 0.02
	priorFailureWeight = 10.0

	unknownContext = 4096 // tokens

	lowPriorityShare = 0.8  // of the places, for calls of low priority
	spreadEpsilon    = 0.02 // scores this close are near equals
	spreadSeconds    = 4.0  // per answer, where unknown
	spreadPlaces     = 16.0 // where unknown

	priorCoverage = 0.25 // of a term that was scored by its prior
	clearLead     = 0.1  // a lead from which the choice is decided
)

// riskScore is the safety score by model.Risk.
var riskScore = [...]float64{
	model.RiskUnknown: priorSafety, model.RiskLow: 1, model.RiskMedium: 0.7, model.RiskHigh: 0.3, model.RiskCritical: 0,
}

func costScore(e *model.Estimate) (float64, bool) {
	if !e.Priced {
		return priorCost, false
	}
	const nanoPerToken = costHalfUSDPerMillion * 1e9 / 1e6
	x := float64(max(e.Expected, 0))
	h := float64(max(e.InputTokens+e.OutputTokens, costMinTokens)) * nanoPerToken
	return h / (h + math.Sqrt(x*h)), true // 1/(1+√(x/h)) with one division
}

// latency is the expected time to the first token in milliseconds.
func (d *decision) latency(f *fact, h *model.Health) (ms float64, known bool) {
	ms, known = f.latency, f.latencyKnown
	measured := h.TTFTMS
	if measured == 0 && h.LatencyMS < ms {
		measured = h.LatencyMS // of whole answers, which bounds it
	}
	if measured > 0 {
		n := answered(h)
		ms = (n*measured + ms) / (n + 1)
		known = known || n >= 1
	}
	if f.places > 0 {
		ms += d.wait(f, h)
	}
	return ms, known
}

// answered is the decayed number of calls that the endpoint has answered.
func answered(h *model.Health) float64 { return h.Samples * (1 - h.ErrorRate) }

// wait is the time in milliseconds until the endpoint has a free place.
func (d *decision) wait(f *fact, h *model.Health) float64 {
	places := float64(f.places)
	ahead := float64(h.InFlight) + 1
	switch {
	case d.priority <= model.PriorityLow:
		ahead += float64(h.Queued) + (1-lowPriorityShare)*places
	case d.priority == model.PriorityMedium:
		ahead += float64(h.Queued)
	}
	if ahead -= places; ahead <= 0 {
		return 0
	}
	return ahead * max(h.LatencyMS, f.latency) / places
}

// whole is the expected time of the whole answer in milliseconds, given that to
// the first token.
func whole(first float64, h *model.Health, e *model.Estimate) float64 {
	all := max(first, h.LatencyMS)
	if h.TokensPerSecond > 0 {
		all = max(all, first+1000*float64(e.OutputTokens)/h.TokensPerSecond)
	}
	return all
}

func latencyScore(ms float64) float64 { return latencyHalfMS / (latencyHalfMS + ms) }

// failure is the expected share of failed calls.
func failure(h *model.Health) float64 {
	return (h.Samples*h.ErrorRate + priorFailureWeight*priorFailure) / (h.Samples + priorFailureWeight)
}

func availabilityScore(h *model.Health) float64 {
	n := h.Samples + priorFailureWeight // one division: h/(h+e) with e = x/n
	return failureHalf * n / (failureHalf*n + h.Samples*h.ErrorRate + priorFailureWeight*priorFailure)
}

// score is the composite of the endpoint at i.
func (d *decision) score(i int) float64 {
	f, h := &d.facts[i], &d.health[i]
	c, _ := costScore(&d.estimates[i])
	ms, _ := d.latency(f, h)
	w := &d.weights
	return w.Quality*f.quality + w.Cost*c + w.Latency*latencyScore(ms) +
		w.Safety*riskScore[f.risk] + w.Availability*availabilityScore(h)
}

// terms are the parts of that composite.
func (d *decision) terms(i int) (t model.Terms) {
	f, h, e := &d.facts[i], &d.health[i], &d.estimates[i]
	t.Quality.Score, t.Quality.Known = f.quality, f.qualityKnown
	if t.Quality.Known {
		t.Quality.Value = d.served[i].Quality
	}
	if t.Cost.Score, t.Cost.Known = costScore(e); t.Cost.Known {
		t.Cost.Value = e.Expected.USD()
	}
	t.Latency.Value, t.Latency.Known = d.latency(f, h)
	t.Latency.Score = latencyScore(t.Latency.Value)
	t.Safety = model.Term{Score: riskScore[f.risk], Value: float64(f.risk), Known: f.risk != model.RiskUnknown}
	t.Availability = model.Term{Score: availabilityScore(h), Value: 1 - failure(h), Known: h.Samples >= 1}
	return t
}

// load is what breaks near ties: seconds of work that wait per place.
func (d *decision) load(i int) float64 {
	f, h := &d.facts[i], &d.health[i]
	calls := float64(h.InFlight) + float64(h.Queued)
	seconds, places := spreadSeconds, spreadPlaces
	if h.LatencyMS > 0 {
		seconds = h.LatencyMS / 1000
	}
	if f.places > 0 {
		places = float64(f.places)
	}
	return calls * seconds / places
}

// coverage is the share of the score that rests on known figures.
func coverage(w *model.Weights, t *model.Terms) (sum float64) {
	for _, p := range [...]struct {
		weight float64
		known  bool
	}{
		{w.Quality, t.Quality.Known}, {w.Cost, t.Cost.Known}, {w.Latency, t.Latency.Known},
		{w.Safety, t.Safety.Known}, {w.Availability, t.Availability.Known},
	} {
		if p.known {
			sum += p.weight
		} else {
			sum += p.weight * priorCoverage
		}
	}
	return min(sum, 1)
}

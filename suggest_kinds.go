package cartrita

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cartrita/cartrita/model"
)

// alike adds up what calls that are alike could have saved but the first of
// each kind. The kinds are the sample of its interval.
func alike[K comparable](groups map[K]*repeats) (saved moments, calls int64) {
	for _, r := range groups {
		saved.add(float64(r.amount)*float64(r.calls-1)/float64(r.calls), 0)
		calls += r.calls - 1
	}
	return saved, calls
}

func (a *adviser) exactCache() ([]Suggestion, string) {
	saved, calls := alike(a.prompts)
	total := saved.total(1e-9)
	if calls < fewCalls/10 || total.Low <= 0 {
		return nil, fmt.Sprintf("%d calls repeat an earlier prompt of the same task at the same model", calls)
	}
	return []Suggestion{{
		Kind: SuggestExactCache, Scope: "all calls", Calls: calls, Saved: total, Confidence: confidence(total),
		Title: "Answer repeated prompts from a cache",
		How: fmt.Sprintf("Of %d different prompts, by a fingerprint of their bytes, task and model, all calls but the first of each are counted at what they cost. "+
			"The interval is over the prompts.", len(a.prompts)),
		TradeOff: "An answer from a cache is the same every time, and as old as the cache allows. Parameters beside the prompt, such as temperature, are not in the fingerprint, nor is how long ago the first call was.",
		Apply:    "Put an exact cache, keyed by the whole request, in front of the callers that repeat themselves.",
	}}, ""
}

func (a *adviser) promptCache() ([]Suggestion, string) {
	saved, calls := alike(a.prefixes)
	total := saved.total(1e-9)
	if calls < fewCalls/10 || total.Low <= 0 {
		return nil, fmt.Sprintf("%d calls without a cached part begin like another one at the same endpoint within %d minutes, of those with a price for cached tokens", calls, int(cacheLife/time.Minute))
	}
	return []Suggestion{{
		Kind: SuggestPromptCache, Scope: "all calls", Calls: calls, Saved: total, Confidence: confidence(total),
		Title: "Let providers cache the beginnings of prompts",
		How: fmt.Sprintf("Calls that read nothing from a cache and share their first %d bytes with others at the same endpoint within the same %d minutes: "+
			"the share of their prompt that these bytes are is priced as cached, for all calls but the first. Longer common beginnings would save more.", prefixBytes, int(cacheLife/time.Minute)),
		TradeOff: "Some providers bill writing to the cache above the input price, which is not subtracted here, and cache from a minimum length only.",
		Apply:    "Keep what is common (instructions, documents) at the beginning of the messages, byte for byte, and mark it with cache_control where the provider wants that.",
	}}, ""
}

// The bounds of a prompt that is far above the usual of its task.
const (
	longFactor = 4    // times the median
	longTokens = 2000 // at least
)

func (a *adviser) contexts() ([]Suggestion, string) {
	var out []Suggestion
	for task, t := range a.tasks {
		if len(t.calls) < fewCalls {
			continue
		}
		in, answers := make([]int64, len(t.calls)), make([]int64, len(t.calls))
		for i, c := range t.calls {
			in[i], answers[i] = c.in, c.out
		}
		slices.Sort(in)
		slices.Sort(answers)
		usual, answer := in[len(in)/2], answers[len(answers)/2]
		var most float64
		var calls int64
		for _, c := range t.calls {
			if c.in >= longTokens && c.in > longFactor*usual && c.out <= answer {
				calls++
				most += float64(c.price) * float64(c.in-usual) / float64(c.in)
			}
		}
		if calls < fewCalls/10 || most < 1 {
			continue
		}
		out = append(out, Suggestion{
			Kind: SuggestContext, Scope: task.String(), Calls: calls, Confidence: "low",
			Saved: Interval{Value: most * 1e-9, High: most * 1e-9, Calls: calls},
			Title: "Shorten prompts far above the usual: " + task.String(),
			How: fmt.Sprintf("%d of %d calls have prompts over %d times the median of %d tokens and answers no longer than the median of %d. "+
				"The amount is what their prompts cost beyond the median: the most that could be saved, and perhaps nothing.", calls, len(t.calls), longFactor, usual, answer),
			TradeOff: "What is cut may have been needed; only you can tell.",
			Apply:    "Retrieve fewer passages, summarise old turns, or route these calls apart by stage.",
		})
	}
	slices.SortFunc(out, func(a, b Suggestion) int { return strings.Compare(a.Scope, b.Scope) })
	return out, fmt.Sprintf("no task with %d calls or more has prompts over %d times its median with short answers", fewCalls, longFactor)
}

func (a *adviser) batches() ([]Suggestion, string) {
	var out []Suggestion
	for id, s := range a.batch {
		total := s.saved.total(1e-9)
		if s.saved.n < fewCalls || total.Low <= 0 {
			continue
		}
		out = append(out, Suggestion{
			Kind: SuggestBatch, Scope: string(id), Calls: s.saved.n, Saved: total, Confidence: confidence(total),
			Title:    "Send what has time by the batch tier: " + string(id),
			How:      "Calls of low priority, without stream, that were served at the usual tier are priced at the endpoint's batch prices, with the tokens they used.",
			TradeOff: "A batch may take hours, up to a day at most providers.",
			Apply:    "Send these calls through the provider's batch interface, or ask for its batch tier where it takes one in the request.",
		})
	}
	slices.SortFunc(out, func(a, b Suggestion) int { return strings.Compare(a.Scope, b.Scope) })
	return out, fmt.Sprintf("no endpoint with a batch price served %d calls of low priority without stream", fewCalls)
}

// The bounds within which hardware is judged.
const (
	machineWindow = 24 * time.Hour // of calls, at least
	machineFull   = 0.8            // of its throughput
)

func (a *adviser) machines() ([]Suggestion, string) {
	window := a.to.Sub(a.from)
	if a.part {
		return nil, "hardware serves everybody's calls, and these are those of one team or project; ask without team and project"
	}
	if len(a.machine) == 0 {
		return nil, "no call was served by hardware with a price by the hour"
	}
	if window < machineWindow {
		return nil, fmt.Sprintf("the calls cover %v, less than a day", window.Round(time.Minute))
	}
	var out []Suggestion
	for id, m := range a.machine {
		if m.calls < fewCalls {
			continue
		}
		if full := m.full(window); full >= machineFull {
			out = append(out, Suggestion{
				Kind: SuggestHardware, Scope: string(id), Calls: m.calls, Confidence: "medium",
				Title:    "Hardware that is all but full: " + string(id),
				How:      fmt.Sprintf("It took %d tokens in %.0f hours, %.0f %% of what its throughput allows.", m.tokens, window.Hours(), 100*full),
				TradeOff: "More calls would wait; a second device costs as much as the first while it is idle.",
				Apply:    "Add a device, or let calls that can wait go elsewhere.",
			})
		}
		if s, ok := m.hostedInstead(id, window); ok && a.blind[id] == 0 {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b Suggestion) int { return strings.Compare(a.Scope, b.Scope) })
	return out, "no hardware is nearly full, and none of one price whose calls are all known to fit a hosted endpoint of the same weights costs more than that"
}

func (m *machine) full(window time.Duration) float64 {
	if m.speed <= 0 {
		return 0
	}
	return float64(m.tokens) / (m.speed * window.Seconds())
}

// perHour is what the machine's share costs an hour, in nano-USD; false when
// that is not known in dollars.
func (m *machine) perHour() (float64, bool) {
	p := m.pricing
	if p.Currency != "" && p.Currency != "USD" {
		return 0, false
	}
	v := float64(*p.Hourly) * float64(max(p.Devices, 1))
	for _, f := range [...]*float64{p.CapacityShare, p.OverheadFactor} {
		if f != nil {
			v *= *f
		}
	}
	return v, true
}

// hostedInstead compares what the machine cost in the window with what a hosted
// endpoint of the same weights would have billed. It is suggested only if such
// endpoints may serve every single call, also those that failed, and if an hour
// cost the same throughout: at which price it stood idle is not on record.
func (m *machine) hostedInstead(id model.EndpointID, window time.Duration) (s Suggestion, ok bool) {
	rate, known := m.perHour()
	paid := rate * window.Hours()
	saved := paid - float64(m.hosted)
	if !known || m.repriced || m.bound > 0 || m.movable < m.calls || m.moved == 0 || m.hosted == 0 || saved <= 0 {
		return s, false
	}
	perToken := float64(m.hosted) / float64(m.moved)
	return Suggestion{
		Kind: SuggestHosted, Scope: string(id), Calls: m.calls, Confidence: "medium",
		Saved: Interval{Value: saved * 1e-9, Low: saved * 1e-9, High: saved * 1e-9, Calls: m.calls},
		Title: "Hardware that costs more than its work would elsewhere: " + string(id),
		How: fmt.Sprintf("Paid for all of the %.0f hours between the first and the last call, it cost %s; the same tokens at the cheapest hosted endpoint of the same weights %s. "+
			"It pays from %.0f tokens an hour on; it took %.0f. The amounts are exact for these calls; the interval is not over other times.",
			window.Hours(), model.Money(paid), m.hosted, rate/perToken, float64(m.tokens)/window.Hours()),
		TradeOff: "Data leaves your hardware, and a hosted endpoint has its own limits and latency. Hours in which the machine was switched off are counted as paid.",
		Apply:    "Switch it off, share it, or send it more of the calls that hosted endpoints serve now.",
	}, true
}

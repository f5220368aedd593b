package route

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cartrita/cartrita/model"
)

// What an explanation lists before it says "and N more".
const (
	explainedFallbacks  = 3
	explainedExclusions = 3
)

// Explain says in words why the first attempt of the plan was chosen: what it
// is, how it compares with the runner-up term by term, what was unknown, what
// follows if it fails, and what was excluded. It reads nothing but the plan, so a
// stored one can be explained later.
func Explain(p *model.Plan) string {
	if p == nil || len(p.Attempts) == 0 {
		return "No endpoint was chosen."
	}
	var b strings.Builder
	first := p.First()
	fmt.Fprintf(&b, "%s was chosen by the strategy %q with a score of %s: %s.",
		first.Endpoint, p.Strategy, figure(first.Score), standing(p))
	fmt.Fprintf(&b, " %s.", termsInWords(p))
	if rival := runnerUp(p); rival != nil {
		fmt.Fprintf(&b, " %s.", comparison(&p.Weights, first, rival))
	}
	if names := unknownTerms(&p.Weights, &first.Terms); len(names) > 0 {
		fmt.Fprintf(&b, " Not known of it and scored by a cautious prior: %s.", strings.Join(names, ", "))
	}
	if e := first.Estimate; e.Priced {
		fmt.Fprintf(&b, " The call is expected to cost %s (%s to %s).", e.Expected, e.Low, e.High)
	}
	fmt.Fprintf(&b, " %s %s Confidence %s.", fallbacks(p), exclusionsInWords(p), figure(p.Confidence))
	return b.String()
}

// standing says where the choice stands among the candidates.
func standing(p *model.Plan) string {
	of := fmt.Sprintf("of the %s endpoints that may serve the call", thousands(p.Eligible))
	lead := &p.Candidates[0]
	first := p.First()
	switch {
	case p.Spread:
		return fmt.Sprintf("%s it is nearly as good as the best, %s (score %s), and less loaded (%s against %s)",
			of, lead.Endpoint, figure(lead.Score), figure(first.Load), figure(lead.Load))
	case p.Attempts[0].Step == model.StepChain:
		return "no endpoint of the model asked for may serve the call, and it leads that model's fallback chain"
	case p.Considered == 1:
		return "it is the only endpoint to choose from"
	case p.Eligible == 1:
		return fmt.Sprintf("of %s endpoints it alone may serve the call", thousands(p.Considered))
	case lead == first:
		return of + " it scores best"
	}
	return of + " it scores best among those of the model asked for"
}

type namedTerm struct {
	name   string
	weight float64
	term   *model.Term
}

func termList(w *model.Weights, t *model.Terms) [5]namedTerm {
	return [5]namedTerm{
		{"quality", w.Quality, &t.Quality},
		{"cost", w.Cost, &t.Cost},
		{"latency", w.Latency, &t.Latency},
		{"safety", w.Safety, &t.Safety},
		{"availability", w.Availability, &t.Availability},
	}
}

// termsInWords lists weight × score with the figure behind each.
func termsInWords(p *model.Plan) string {
	var parts []string
	for _, n := range termList(&p.Weights, &p.First().Terms) {
		if n.weight == 0 {
			continue
		}
		s := fmt.Sprintf("%s %s × %s", n.name, figure(n.weight), figure(n.term.Score))
		if value := valueInWords(n.name, n.term.Value); n.term.Known && value != "" {
			s += " (" + value + ")"
		}
		parts = append(parts, s)
	}
	return "The score is the sum of " + strings.Join(parts, ", ")
}

func valueInWords(name string, v float64) string {
	switch name {
	case "cost":
		return model.FromUSD(v).String()
	case "latency":
		return "first token after " + strconv.FormatFloat(v, 'f', 0, 64) + " ms"
	case "safety":
		return model.Risk(v).String() + " risk"
	case "availability":
		return strconv.FormatFloat(100*v, 'f', 1, 64) + " % succeed"
	}
	return "" // quality is its own score
}

// runnerUp is the best-scored candidate that the choice was held against, nil
// if there is none. Where a better one was passed over, the call named a model
// and only the endpoints of that model competed.
func runnerUp(p *model.Plan) *model.Candidate {
	if choice := p.Attempts[0].Candidate; choice == 0 || p.Spread {
		for i := range p.Candidates {
			if i != choice {
				return &p.Candidates[i]
			}
		}
		return nil
	}
	for _, a := range p.Attempts {
		if a.Step == model.StepSameModel {
			return &p.Candidates[a.Candidate]
		}
	}
	return nil
}

// comparison says which terms set two candidates apart, the largest first.
func comparison(w *model.Weights, first, rival *model.Candidate) string {
	type gap struct {
		name string
		by   float64
	}
	var ahead, behind []gap
	a, b := termList(w, &first.Terms), termList(w, &rival.Terms)
	for i := range a {
		switch by := a[i].weight * (a[i].term.Score - b[i].term.Score); {
		case by >= 0.0005:
			ahead = append(ahead, gap{a[i].name, by})
		case by <= -0.0005:
			behind = append(behind, gap{a[i].name, -by})
		}
	}
	words := func(sign string, gaps []gap) string {
		slices.SortStableFunc(gaps, func(a, b gap) int { return cmp.Compare(b.by, a.by) })
		parts := make([]string, len(gaps))
		for i, g := range gaps {
			parts[i] = g.name + " (" + sign + figure(g.by) + ")"
		}
		return strings.Join(parts, ", ")
	}
	s := fmt.Sprintf("Against the runner-up %s (%s)", rival.Endpoint, figure(rival.Score))
	switch {
	case len(ahead) == 0 && len(behind) == 0:
		return s + " no term differs"
	case len(behind) == 0:
		return s + " it leads by " + words("+", ahead)
	case len(ahead) == 0:
		return s + " it is behind by " + words("−", behind)
	}
	return s + " it leads by " + words("+", ahead) + " and is behind by " + words("−", behind)
}

func unknownTerms(w *model.Weights, t *model.Terms) (names []string) {
	for _, n := range termList(w, t) {
		if !n.term.Known && n.weight > 0 {
			names = append(names, n.name)
		}
	}
	return names
}

var stepWords = map[model.Step]string{
	model.StepSameModel: "same model", model.StepChain: "fallback chain", model.StepNextBest: "next best",
}

func fallbacks(p *model.Plan) string {
	rest := p.Attempts[1:]
	if len(rest) == 0 {
		return "There is no fallback."
	}
	var parts []string
	for _, a := range rest[:min(len(rest), explainedFallbacks)] {
		parts = append(parts, fmt.Sprintf("%s (%s)", p.Candidates[a.Candidate].Endpoint, stepWords[a.Step]))
	}
	s := "If it fails, " + strings.Join(parts, ", then ")
	if more := len(rest) - explainedFallbacks; more > 0 {
		s += fmt.Sprintf(", and %s more", thousands(more))
	}
	return s + "."
}

func exclusionsInWords(p *model.Plan) string {
	n := p.Considered - p.Eligible
	if n == 0 {
		return "Nothing was excluded."
	}
	var parts []string
	for _, x := range p.Excluded[:min(len(p.Excluded), explainedExclusions)] {
		parts = append(parts, fmt.Sprintf("%s %s", x.Endpoint, x.Reason()))
	}
	s := "Excluded: " + strings.Join(parts, "; ")
	if more := n - len(parts); more > 0 && len(parts) > 0 {
		s += fmt.Sprintf("; and %s more", thousands(more))
	} else if len(parts) == 0 {
		s += thousands(n) + " endpoints"
	}
	return s + "."
}

// figure formats a score with up to three decimals.
func figure(f float64) string {
	return strconv.FormatFloat(math.Round(f*1000)/1000, 'f', -1, 64)
}

// thousands formats a count with separators.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

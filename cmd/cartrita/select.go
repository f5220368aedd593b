package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/model"
)

type selectCmd struct {
	criteriaFlags
	All bool `help:"Show every candidate and every exclusion."`
}

// shownCandidates is how many candidates a person is shown.
const shownCandidates = 10

// Run asks for a decision without a call.
func (cmd *selectCmd) Run(a *app, g *globals, p *printer) error {
	criteria, err := cmd.criteria(a)
	if err != nil {
		return err
	}
	return ask(a, g, p, func(c *client) ([]byte, error) { return c.post(a.ctx, "/api/v1/select", nil, criteria) }, func(s cartrita.Selection) {
		p.selection(&s, cmd.All)
	})
}

func (p *printer) selection(s *cartrita.Selection, all bool) {
	at := ""
	if string(s.Endpoint) != string(s.Selected) {
		at = "  at " + string(s.Endpoint)
	}
	p.printf("%s%s\n", p.style(bold+";"+green, string(s.Selected)), p.style(dim, at))
	p.printf("%s\n\n", s.Reason)
	cost := "unknown"
	if e := s.EstimatedCost; e.Priced {
		cost = fmt.Sprintf("%s (%s to %s)", e.Expected, e.Low, e.High)
	}
	p.facts([][2]string{
		{"strategy", s.Strategy}, {"score", score(s.Score)}, {"confidence", score(s.Confidence)},
		{"cost", cost}, {"first token", millis(s.EstimatedLatencyMS)}, {"fallbacks", strconv.Itoa(len(s.Fallbacks))},
	})
	p.printf("\n")
	p.candidates(s.Candidates, all)
	p.exclusions(s.Excluded, all)
}

// facts prints names and values in two columns.
func (p *printer) facts(facts [][2]string) {
	width := 0
	for _, f := range facts {
		width = max(width, len(f[0]))
	}
	for _, f := range facts {
		p.printf("%s  %s\n", p.style(dim, fmt.Sprintf("%-*s", width, f[0])), plain(f[1]))
	}
}

func (p *printer) candidates(list []model.Candidate, all bool) {
	t := p.table("~endpoint", ">score", ">quality", ">cost", ">latency", ">safety", ">avail.", ">est. cost", ">load")
	for i := range list {
		if i == shownCandidates && !all {
			break
		}
		c := &list[i]
		est := "?"
		if c.Estimate.Priced {
			est = c.Estimate.Expected.String()
		}
		t.row(string(c.Endpoint), score(c.Score), termScore(c.Terms.Quality), termScore(c.Terms.Cost), termScore(c.Terms.Latency),
			termScore(c.Terms.Safety), termScore(c.Terms.Availability), est, strconv.FormatFloat(c.Load, 'g', 3, 64))
	}
	t.flush()
	if n := len(list) - shownCandidates; n > 0 && !all {
		p.notef("and %d more; --all shows them. A score with ? rests on a figure that is not known.", n)
	}
}

func (p *printer) exclusions(list []cartrita.ExcludedEndpoint, all bool) {
	if len(list) == 0 {
		return
	}
	if !all {
		p.notef("%s excluded: %s; --all shows why", plural(len(list), "endpoint"), countFilters(list))
		return
	}
	p.printf("\n")
	t := p.table("~excluded", "filter", "~reason")
	for _, e := range list {
		t.row(string(e.Endpoint), e.Filter.String(), e.Reason)
	}
	t.flush()
}

// countFilters says how many endpoints each filter excluded, most first.
func countFilters(list []cartrita.ExcludedEndpoint) string {
	counts := map[string]int{}
	for _, e := range list {
		counts[e.Filter.String()]++
	}
	names := make([]string, 0, len(counts))
	for n := range counts {
		names = append(names, n)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	out := ""
	for i, n := range names {
		if i > 0 {
			out += ", "
		}
		out += fmt.Sprintf("%d by %s", counts[n], n)
	}
	return out
}

// term shows the score of a term; "?" marks one without a known figure.
func termScore(t model.Term) string {
	if !t.Known {
		return score(t.Score) + "?"
	}
	return score(t.Score)
}

func score(f float64) string { return strconv.FormatFloat(f, 'f', 3, 64) }

func millis(ms *float64) string {
	if ms == nil {
		return "unknown"
	}
	return strconv.FormatFloat(*ms, 'f', 0, 64) + " ms"
}
